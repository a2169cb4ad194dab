"""How each kind of hook is run: ``runner`` is the ``Hooks`` port; below it processes, requests, and what hooks are handed.

Which hooks run, and when, is decided in ``planning.hooks``; that each runs once, in ``execution.hooks``.
"""
