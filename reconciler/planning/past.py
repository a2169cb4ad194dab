"""What a release changed, told from what is kept of it and of the one before. Pure.

Values are told of images only: what a variable held then may be a secret that no mask of today knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.desired import Release
from reconciler.planning.changes import changes
from reconciler.planning.secrets import Mask

_NOBODY = Mask()


@dataclass(frozen=True, slots=True)
class ServiceChanges:
    """``verb``: added, changed or removed. ``keys``: dotted, of the Compose file; ``images``: old and new, if they differ."""

    service: str
    verb: str
    keys: tuple[str, ...] = ()
    images: tuple[str, str] | None = None


def between(old: Release | None, new: Release) -> tuple[ServiceChanges, ...]:
    """By service. Without an ``old`` one everything is new."""
    before = {spec.name: spec for spec in old.services} if old is not None else {}
    after = {spec.name: spec for spec in new.services}
    found = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(ServiceChanges(name, "removed"))
        elif name not in before:
            found.append(ServiceChanges(name, "added"))
        else:
            keys = tuple(change.key for change in changes(name, old, new, _NOBODY))
            images = _images(before[name].image, after[name].image, old, new)
            if keys or images:
                found.append(ServiceChanges(name, "changed", keys, images))
    return tuple(found)


def _images(name: str, name_now: str, old: Release | None, new: Release) -> tuple[str, str] | None:
    """A tag that moved is another image, too."""
    held, now = (old.images.get(name, "") if old else ""), new.images.get(name_now, "")
    if name == name_now and (held == now or not held or not now):
        return None
    return f"{name}{_at(held)}", f"{name_now}{_at(now)}"


def _at(image_id: str) -> str:
    return f" ({image_id.removeprefix('sha256:')[:12]})" if image_id else ""
