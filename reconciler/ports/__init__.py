"""Every side effect the product has, as Protocols. Adapters implement them; tests have small behaving fakes.

All raise only ``ReconcilerError`` on purpose: ``WaitingError`` (``EngineUnavailableError``) where time mends it,
``StalledError`` where a person or a commit must.
"""
