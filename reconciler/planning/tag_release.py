"""Which tag of a repository is followed: the newest within a range of versions, never an older one than before. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from semantic_version import Version

from reconciler.planning.versions import VERSION, version_within


@dataclass(frozen=True, slots=True)
class FollowedTag:
    """``name``: the tag to be at, "" where none is within the range. ``is_gone``: it was followed, the repository has it no
    longer, and what is there is older."""

    name: str
    is_gone: bool = False


def choose_tag(within: str, tags: Iterable[str], followed: str) -> FollowedTag:
    """``followed``: the tag before, "" for none; it does not count where it is outside of the range now."""
    there = {name: version for name in tags if (version := _version(within, name)) is not None}
    # Of v2.1 and 2.1.0, which are the same version, the one that says more.
    best = max(there, key=lambda name: (there[name], len(name), name), default="")
    before = _version(within, followed) if followed else None
    if before is None or followed in there or (best and there[best] > before):
        return FollowedTag(best)
    return FollowedTag(followed, is_gone=True)


def _version(within: str, name: str) -> Version | None:
    match = re.fullmatch(VERSION, name)
    return version_within(within, match[1]) if match else None
