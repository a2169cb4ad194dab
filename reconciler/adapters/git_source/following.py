"""Moves a mirror's tip to where the remote is: its branch, or the newest tag within the range that is followed."""

from __future__ import annotations

import structlog

from reconciler.adapters.git_source.commits import tip_of
from reconciler.model.errors import SourceError
from reconciler.planning.tag_release import choose_tag
from reconciler.plumbing import mirror as mirrors
from reconciler.plumbing.process import Git
from reconciler.plumbing.remote import Reach

log = structlog.get_logger()


def pull_tip(git: Git, reach: Reach) -> None:
    """Into ``git``'s repository. Raises SourceError, GitFailedError."""
    if reach.settings.tag:
        _pull_tag(git, reach, reach.settings.tag)
    else:
        reach.pull(git, reach.branch, mirrors.TIP)


def _pull_tag(git: Git, reach: Reach, within: str) -> None:
    tags, before = reach.tags(git), mirrors.followed(git.folder)
    found = choose_tag(within, tags, before)
    if not found.name:
        raise SourceError(
            f"no tag of {reach.where} is a version within source.tag, {within}: push one such as v2.1.0",
            reason="TagNotFound",
        )
    if found.is_gone:
        raise SourceError(
            f"the tag {found.name} is gone from {reach.where}, and no newer one is within source.tag, "
            f"{within}: what runs stays at it; push it again, or a newer one",
            reason="TagNotFound",
        )
    is_known = before == found.name
    if is_known and tip_of(git) == tags[found.name]:
        return
    reach.pull(git, f"refs/tags/{found.name}", f"{mirrors.FOLLOWED}/{found.name}")
    if is_known:
        log.warning("tag_moved", tag=found.name, before=tip_of(git), now=tags[found.name])
    mirrors.follow(git, found.name)
