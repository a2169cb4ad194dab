"""Which image of a tracked service counts: what was found in its registry, in place of what the Compose file says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.desired import Release
from reconciler.model.record import ReleaseRecord
from reconciler.model.updates import ImagePolicy, ImageRecord, Track
from reconciler.planning.image_reference import parse_reference
from reconciler.planning.nearest import did_you_mean


def pin_of(declared: str, policy: ImagePolicy, record: ImageRecord | None) -> str:
    """What is run instead of ``declared``; "" while it is not known, or known of another repository or tag only."""
    if record is None or not record.digest:
        return ""
    wanted = parse_reference(declared)
    is_same = wanted.name == record.repository and (policy.track is not Track.DIGEST or wanted.tag == record.tag)
    return record.reference if is_same else ""


def declared_images(model: Mapping[str, Any], tracked: Iterable[str]) -> dict[str, str]:
    """What the Compose files say of the tracked services that there are."""
    services = model.get("services") or {}
    return {name: str(services[name].get("image", "")) for name in tracked if name in services}


def pinned(model: Mapping[str, Any], pins: Mapping[str, str]) -> Mapping[str, Any]:
    """``model`` with these images in place of its own."""
    if not pins:
        return model
    services = dict(model.get("services") or {})
    for name, image in pins.items():
        services[name] = {**services[name], "image": image}
    return {**model, "services": services}


def wrong_tracking(model: Mapping[str, Any], tracked: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The service under ``updates.images``, and what is wrong with tracking its image."""
    services = model.get("services") or {}
    for name in tracked:
        if name not in services:
            hint = did_you_mean(name, services) or f"; the services are {', '.join(sorted(services))}"
            yield name, f'no service of this stack is named "{name}"{hint}'
        elif services[name].get("build"):
            yield name, "its image is built here, so there is no registry to ask; take it out"
        elif not services[name].get("image"):
            yield name, "it names no image; give it one in the Compose file, or take it out"
        elif not parse_reference(str(services[name]["image"])).tag:
            yield name, "its image is named by a digest alone, which never changes; write a tag, too"


def newer_images(release: Release, applied: Release | None, tracked: Iterable[str]) -> tuple[str, ...]:
    """Tracked services whose image is not the one that runs, each with its new tag and the start of its digest."""
    found = []
    for name in tracked:
        spec, before = release.service(name), applied.service(name) if applied else None
        if spec is not None and before is not None and spec.image != before.image:
            image = parse_reference(spec.image)
            found.append(f"{name} {image.tag} ({image.digest[:19]})")
    return tuple(found)


def bad_images(releases: Iterable[ReleaseRecord], applied: Release | None) -> frozenset[str]:
    """Images that only releases in quarantine have: such a version is not taken again by a release that is new for another
    reason."""
    proven = {spec.image for spec in applied.services} if applied else set()
    found = {image for release in releases if release.quarantined for image in release.images if "@" in image}
    return frozenset(found - proven)


def instead_of_bad(
    release: Release, applied: Release | None, bad: frozenset[str], tracked: Iterable[str]
) -> dict[str, str]:
    """For each tracked service whose image is bad, the one that runs."""
    found = {}
    for name in tracked:
        spec, before = release.service(name), applied.service(name) if applied else None
        if spec is None or before is None or spec.image not in bad:
            continue
        if parse_reference(spec.image).name == parse_reference(before.image).name:
            found[name] = before.image
    return found
