"""Which of a repository's tags a policy takes, the best first, and which image is taken now. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.model.updates import ImagePolicy, ImageRecord, Seen, Track
from reconciler.planning.versions import VERSION, version_within

_MOST_SEEN = 20
_PIECES = re.compile(r"(\d+)")

Rank = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a registry said: the best tag with its image, and all tags that the policy takes, the best first."""

    tag: str
    digest: str
    tags: tuple[str, ...]


def taken_by(policy: ImagePolicy, tags: Iterable[str], own: str) -> tuple[str, ...]:
    """The tags that ``policy`` takes, the best first. ``own``: the tag that the Compose file says."""
    if policy.track is Track.DIGEST:
        return (own,)
    ranked = ((rank_of(policy, tag), tag) for tag in set(tags))
    # Of 2.1 and 2.1.0, which are the same version, the one that says more.
    known = sorted(((rank, len(tag), tag) for rank, tag in ranked if rank is not None), reverse=True)
    return tuple(tag for _, _, tag in known)


def rank_of(policy: ImagePolicy, tag: str) -> Rank | None:
    """Higher is newer; None for a tag that the policy does not take."""
    match = re.fullmatch(policy.pattern or (VERSION if policy.track is Track.SEMVER else ".*"), tag)
    if match is None:
        return None
    if policy.track is Track.NEWEST:
        parts = [part or "" for part in match.groups()] or [tag]
        return tuple(_natural(part) for part in parts)
    text = match.groupdict().get("version") or (match.group(1) if match.groups() else match.group())
    version = version_within(policy.within, text or "")
    return None if version is None else (version,)


def after_look(record: ImageRecord, policy: ImagePolicy, found: Found, min_age_s: float, now: float) -> ImageRecord:
    """What is known after a look at the registry, and with it which image is taken.

    An image is taken when this host has known it for ``min_age_s``; the first one at once, since nothing is known of its
    age. Of versions a lower one is never gone back to: that one is gone from a registry is no reason to.
    """
    taken = _taken(record, policy, found, min_age_s, now)
    waiting = [one for one in taken.seen if _is_news(taken, policy, one)]
    if not waiting:
        return replace(taken, waits_for="", waits_until=0.0)
    first = min(waiting, key=lambda one: one.since)
    name = f"{record.repository}:{first.tag}@{first.digest}"
    return replace(taken, waits_for=name, waits_until=first.since + min_age_s)


def _taken(record: ImageRecord, policy: ImagePolicy, found: Found, min_age_s: float, now: float) -> ImageRecord:
    known = replace(record, seen=_seen(record, found, now), problem="", attempts=0, retry_at=0.0)
    is_taken = bool(record.digest) and _current(record, policy, found)
    for one in _best_first(known, policy):
        if not is_taken or (one.since + min_age_s <= now and _is_news(known, policy, one)):
            return replace(known, tag=one.tag, digest=one.digest, before=record.reference, taken_at=now)
    return known


def ripens_at(record: ImageRecord, policy: ImagePolicy, min_age_s: float) -> float:
    """When the next image that was seen is old enough; infinity if none waits."""
    waits = [one.since + min_age_s for one in record.seen if _is_news(record, policy, one)]
    return min(waits, default=float("inf"))


def _seen(record: ImageRecord, found: Found, now: float) -> tuple[Seen, ...]:
    """In the order in which they were seen. A tag that is gone from the registry cannot be taken any more; a moment that
    is yet to come was told by a clock that was wrong."""
    known = [replace(one, since=min(one.since, now)) for one in record.seen if one.tag in (record.tag, *found.tags)]
    last = next((one for one in reversed(known) if one.tag == found.tag), None)
    if last is None or last.digest != found.digest:
        # Also one that the tag meant before: it was moved back, and that is news, too.
        known = [one for one in known if (one.tag, one.digest) != (found.tag, found.digest)]
        known.append(Seen(found.tag, found.digest, now))
    return tuple(known[-_MOST_SEEN:])


def _best_first(record: ImageRecord, policy: ImagePolicy) -> list[Seen]:
    latest = list(reversed(record.seen))
    if policy.track is Track.DIGEST:
        return latest
    return sorted(latest, key=lambda one: rank_of(policy, one.tag) or (), reverse=True)


def _current(record: ImageRecord, policy: ImagePolicy, found: Found) -> bool:
    """Whether what was taken is still something that the policy takes: otherwise it says something else now."""
    if policy.track is Track.DIGEST:
        return record.tag == found.tag
    return rank_of(policy, record.tag) is not None


def _is_news(record: ImageRecord, policy: ImagePolicy, one: Seen) -> bool:
    if policy.track is Track.DIGEST or one.tag == record.tag:
        before = [known.digest for known in record.seen[: record.seen.index(one)]]
        return one.digest != record.digest and (record.digest in before or record.digest not in _digests(record))
    mine, other = rank_of(policy, record.tag), rank_of(policy, one.tag)
    return other is not None and (mine is None or other > mine)


def _digests(record: ImageRecord) -> list[str]:
    return [one.digest for one in record.seen]


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers are compared as numbers: build-9 comes before build-10."""
    pieces = (piece for piece in _PIECES.split(text) if piece)
    return tuple((1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces)
