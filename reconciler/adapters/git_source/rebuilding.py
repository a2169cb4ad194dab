"""Puts a new mirror in the place of one that is broken, or of none: with the tip from the remote, and all that was kept.

The old one serves until the new one is whole.
"""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from reconciler.adapters.git_source.following import pull_tip
from reconciler.model.errors import SourceError
from reconciler.plumbing import mirror as mirrors
from reconciler.plumbing.checkout import remove
from reconciler.plumbing.failure import OTHER_HASH
from reconciler.plumbing.process import Git, GitFailedError
from reconciler.plumbing.remote import Reach

log = structlog.get_logger()


def rebuild(git: Git, reach: Reach, refs: threading.RLock) -> None:
    """``git``'s repository is the mirror. ``refs`` is held while the new one takes its place. Raises SourceError."""
    mirror = git.folder
    fresh = git.on(mirror.with_name(f"{mirror.name}.new"))
    try:
        _fill(fresh, reach)
    except GitFailedError as error:
        raise (reach.why(fresh, error) or reach.unexplained(error)) from error
    for commit in mirrors.kept(mirror):
        _rescue(fresh, mirror, reach, commit)
    with refs:
        for commit in mirrors.kept(mirror) - mirrors.kept(fresh.folder):
            mirrors.rescue(fresh, mirror, commit)  # kept while the network was waited for
        mirrors.replace_mirror(fresh.folder, mirror)


def _fill(fresh: Git, reach: Reach) -> None:
    """The hash that names objects is chosen when a repository is made, so it is the server's."""
    hash_name = "sha1"
    for _ in range(2):
        remove(fresh.folder)
        mirrors.create(fresh, hash_name)
        try:
            pull_tip(fresh, reach)
            return
        except GitFailedError as error:
            other = OTHER_HASH.search(error.said)
            if other is None or other[2] == hash_name:
                raise
            hash_name = other[2]


def _rescue(fresh: Git, mirror: Path, reach: Reach, commit: str) -> None:
    if mirrors.rescue(fresh, mirror, commit):
        return
    try:
        reach.pull(fresh, commit, mirrors.kept_ref(commit))
    except SourceError as error:
        log.warning("kept_revision_lost", commit=commit, why=str(error))
