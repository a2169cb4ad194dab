"""Which images go with the releases that ran them, and how much room a new one wants. Pure.

Only what this root brought to the host (pulled or built) is ever taken away, and of that nothing that somebody else
named, too: ``docker image prune`` asks neither question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from reconciler.model.observed import Image

RESERVE = 512 * 2**20  # bytes that stay free for what runs: a full disk stops databases
_HUB = ("docker.io/library/", "docker.io/")


def no_longer_needed(brought: Mapping[str, Collection[str]], kept: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Of the image ids that were ``brought`` (each under its names), those that no ``kept`` release pins."""
    pinned = {image_id for images in kept for image_id in images.values()}
    return tuple(sorted(image_id for image_id in brought if image_id not in pinned))


def is_named_by_us_only(image: Image, names: Collection[str]) -> bool:
    ours = {_familiar(name) for name in names}
    return all(_familiar(tag) in ours for tag in image.tags)


def room_for(before: Iterable[Image | None]) -> int:
    """Bytes to be free before a pull: as much as the image that it follows takes, and the reserve."""
    return RESERVE + max((image.size for image in before if image is not None), default=0)


def _familiar(name: str) -> str:
    """As ``docker images`` writes it: the hub unsaid, the tag said."""
    for prefix in _HUB:
        name = name.removeprefix(prefix)
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"
