"""``reconciler trace``: where a container comes from. Asks the engine about one container, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options, as_json

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.model.observed import Container, Image
    from reconciler.model.record import ReleaseRecord


@dataclass(frozen=True, slots=True)
class _Trace:
    """``release``: the newest that makes this very container, None where none that is kept does."""

    container: Container
    image: Image | None
    release: ReleaseRecord | None
    is_current: bool


@click.command(epilog="Example: reconciler trace web-server-1")
@click.argument("container")
@as_json
@click.pass_obj
def trace(options: Options, container: str, form: str | None) -> None:
    """Show which stack, release, commit and image a container comes from, by its name or id.

    Says, too, whether it is ours: only containers with the labels of this root are ever touched.
    """
    from reconciler.cli.wiring import opened

    layout = roots.layout_of(options.root)
    level = level_of(options, tells_itself=True)
    with opened(layout, log_level=level) as parts:
        found = _trace(parts, container)
    if form == "json":
        output.print_json([_object(found)])
        return
    rows = _rows(found)
    width = max(len(title) for title, _ in rows)
    for title, text in rows:
        output.line(f"{title:<{width}}  {text}")


def _trace(parts: Parts, name: str) -> _Trace:
    from reconciler.planning.nearest import did_you_mean

    container = parts.engine.inspect(name) if name else None
    if container is None:
        near = did_you_mean(name, [found.name for found in parts.engine.containers()])
        raise Failure(f'there is no container "{name}"{near or "; docker ps -a lists all that there are"}', WRONG_USE)
    image = parts.engine.image(container.image_id)
    record = parts.journal.stack(container.stack) if container.owned else None
    release = _release(parts, container) if container.owned else None
    is_current = release is not None and record is not None and record.applied_release == release.number
    return _Trace(container, image, release, is_current)


def _release(parts: Parts, container: Container) -> ReleaseRecord | None:
    """The applied one, if it makes this container; several releases may."""
    record = parts.journal.stack(container.stack)
    applied = record.applied_release if record is not None else None
    known = sorted(parts.journal.releases(container.stack), key=lambda found: (found.number == applied, found.number))
    for candidate in reversed(known):
        release = parts.shelf.load(container.stack, candidate.number)
        spec = release.service(container.service) if release is not None else None
        if spec is not None and spec.digest == container.definition:
            return candidate
    return None


def _rows(found: _Trace) -> list[tuple[str, str]]:
    container = found.container
    if container.owned:
        owner = f"{container.stack} (ours)"
    elif container.stack:
        owner = f"{container.stack} (a Compose project that is not ours; it is never touched)"
    else:
        owner = "none: it is not ours and is never touched"
    rows = [
        ("container", f"{container.name} ({container.id[:12]}), {_state(container)}"),
        ("stack", owner),
    ]
    if container.service:
        rows.append(("service", container.service))
    if container.owned:
        rows += _release_rows(found)
    rows += [("image", container.image), ("image id", container.image_id)]
    if found.image is not None:
        rows += [("image digest", digest) for digest in found.image.repo_digests]
    if container.definition:
        rows.append(("definition", container.definition))
    return rows


def _state(container: Container) -> str:
    probe = "" if container.probe.value == "none" else f", {container.probe.value}"
    since = f" since {output.local(container.started_at)}" if container.running and container.started_at else ""
    return f"{container.state.value}{probe}{since}"


def _release_rows(found: _Trace) -> list[tuple[str, str]]:
    release = found.release
    if release is None:
        return [("release", "none that is kept makes this container")]
    applied = "the one that is applied" if found.is_current else f"not the one that is applied; {release.outcome.value}"
    return [
        ("release", f"{release.number}, {applied}"),
        ("revision", f"{output.short(release.revision)} {release.subject}".strip()),
    ]


def _object(found: _Trace) -> dict[str, object]:
    container, release = found.container, found.release
    return {
        "container": container.name,
        "id": container.id,
        "state": container.state.value,
        "health": container.probe.value,
        "ours": container.owned,
        "stack": container.stack,
        "service": container.service,
        "release": release.number if release is not None else None,
        "current": found.is_current,
        "revision": release.revision if release is not None else "",
        "subject": release.subject if release is not None else "",
        "image": container.image,
        "imageId": container.image_id,
        "imageDigests": list(found.image.repo_digests) if found.image is not None else [],
        "definition": container.definition,
    }
