"""Preflight: does this host have what is needed, and is all that is wrong said at once? Touches no container.

``finding`` is what is said, ``facts`` what was seen, ``machine``, ``domains`` and ``network`` judge facts (pure), ``looks``
and ``together`` look, ``stack`` puts the looks of one stack together, ``gate`` stands before first releases.
"""
