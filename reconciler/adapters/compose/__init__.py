"""Docker Compose as a program: it renders, creates and builds what we ask for. Decides nothing.

``program`` is the port; ``find`` looks for the newest Compose of this host, ``running`` runs it within limits, ``words``
translates what it says (pure), ``places`` finds where in a user's files it says it of.
"""

from reconciler.adapters.compose.program import ComposeProgram, Limits

__all__ = ["ComposeProgram", "Limits"]
