"""Does a stack that is new look like one that left Git as it came? Then a folder was renamed, as a rule, and nobody meant its
data to stay behind. Says so; carries nothing over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.desired import Release, ServiceSpec
from reconciler.planning.image_reference import parse_reference


def notes_if_renamed(release: Release, folder: str, left: Iterable[Release]) -> Iterator[str]:
    """``folder``: of the stack, in the repository. ``left``: what was last proven of stacks that left Git as it came."""
    for old in left:
        if is_like(release, old):
            yield _told(release, folder, old)


def is_like(one: Release, other: Release) -> bool:
    """Most services of both have the same name and image, whatever its tag."""
    return 2 * len(_shared(one, other)) > max(len(one.services), len(other.services))


def _told(new: Release, folder: str, old: Release) -> str:
    volumes = _volumes(new) & _volumes(old)
    empty = f", and its volumes ({', '.join(sorted(volumes))}) begin empty" if volumes else ""
    return (
        f"{old.stack}, which has the same services ({', '.join(_shared(new, old))}), left Git as {new.stack} came. If its "
        f"folder was renamed: {new.stack} is another stack, which has no data of {old.stack}{empty}. To go on with "
        f"{old.stack}, its volumes, data, backups and variables, write `name: {old.stack}` into {folder}/stack.yaml and push. "
        f"If {new.stack} is to be a stack of its own, take {old.stack} down: docker compose -p {old.stack} down"
    )


def _shared(one: Release, other: Release) -> list[str]:
    twins = ((spec, other.service(spec.name)) for spec in one.services)
    return sorted(spec.name for spec, twin in twins if twin is not None and _has_image_of(spec, twin))


def _has_image_of(spec: ServiceSpec, twin: ServiceSpec) -> bool:
    """What is built is called after its stack, unless the file says otherwise."""
    if spec.build_digest and twin.build_digest:
        return True
    return parse_reference(spec.image).name == parse_reference(twin.image).name


def _volumes(release: Release) -> set[str]:
    volumes = release.model.get("volumes") or {}
    return {key for key, declared in volumes.items() if not (declared or {}).get("external")}
