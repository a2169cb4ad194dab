"""Git as the source of desired state: a bare mirror of what is followed, and which commit is meant.

``source`` is the port; ``following`` moves the mirror's tip, ``rebuilding`` puts a new mirror in the place of a broken one,
``commits`` asks git what a name means and what a commit says. What every reader of the mirror shares is in ``plumbing``.
"""

from reconciler.adapters.git_source.source import GitSource

__all__ = ["GitSource"]
