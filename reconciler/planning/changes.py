"""What differs between a service of two releases, down to the key, with secrets left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.desired import (
    LABEL_BUILD,
    LABEL_DEFINITION,
    LABEL_ROOT,
    LABEL_STACK,
    Injection,
    Release,
    ServiceSpec,
)
from reconciler.model.plan import Change
from reconciler.planning.secrets import Mask
from reconciler.planning.specification import Surroundings

_OUR_LABELS = tuple(f"labels.{label}" for label in (LABEL_DEFINITION, LABEL_ROOT, LABEL_STACK, LABEL_BUILD))
_NOT_OF_THE_CONTAINER = ("depends_on", "scale", "pull_policy", "deploy.replicas")
_OBJECT_ID = re.compile(r"^.*/objects/([0-9a-f]{7})[0-9a-f]+(?:-x)?/(.+)$")


def changes(service: str, old: Release | None, new: Release, mask: Mask) -> tuple[Change, ...]:
    """Every key whose value differs, of the service and of the networks, volumes, configs and secrets that it uses, sorted.
    Empty if ``old`` is unknown."""
    was, now = old.service(service) if old is not None else None, new.service(service)
    if old is None or was is None or now is None:
        return ()
    before, after = dict(_made_from(old, was)), dict(_made_from(new, now))
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    told = [_change(key, before.get(key), after.get(key), mask) for key in keys if _counts(key)]
    return (*told, *_copied(was, now))


def _made_from(release: Release, spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    networks, volumes, configs, secrets = (
        release.model.get(kind) or {} for kind in ("networks", "volumes", "configs", "secrets")
    )
    around = Surroundings(networks, volumes, configs, secrets, {})
    yield from _flat(around.used_by(spec.definition))
    yield from _flat(spec.definition)


def _copied(was: ServiceSpec, now: ServiceSpec) -> Iterator[Change]:
    """Configs and secrets that are copied in: by where to, and never with their text."""

    def by_path(found: tuple[Injection, ...]) -> dict[str, str]:
        return {file.path: file.content for file in found}

    before, after = by_path(was.injections), by_path(now.injections)
    for path in sorted(before.keys() & after.keys()):
        if before[path] != after[path]:
            yield Change(key=path, old=None, new=None, secret=True)


def _counts(key: str) -> bool:
    is_copied = key.startswith("configs.") and key.endswith(".content")
    return not is_copied and not key.endswith(_OUR_LABELS) and not key.startswith(_NOT_OF_THE_CONTAINER)


def _change(key: str, old: str | None, new: str | None, mask: Mask) -> Change:
    if mask.hides(key, old) or mask.hides(key, new):
        return Change(key=key, old=None, new=None, secret=True)
    return Change(key=key, old=_shown(old), new=_shown(new))


def _shown(value: str | None) -> str | None:
    """As its author wrote it: ``$`` unescaped, a mounted object by its name and the start of its Git object id."""
    if value is None:
        return None
    value = value.replace("$$", "$")
    found = _OBJECT_ID.match(value)
    return f"{found[2]} at {found[1]}" if found else value


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and printable values. Lists of mappings are keyed by what names their entries, not by their place."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple) and value and all(isinstance(entry, Mapping) for entry in value):
        for place, entry in enumerate(value):
            yield from _flat(entry, f"{prefix}[{_name_of(entry, place)}]")
    elif isinstance(value, list | tuple):
        yield prefix, " ".join(str(entry) for entry in value)
    elif value is not None:
        yield prefix, str(value)


def _name_of(entry: Mapping[str, Any], place: int) -> str:
    name = entry.get("target") or entry.get("source") or entry.get("path") or place
    protocol = entry.get("protocol")
    return f"{name}/{protocol}" if protocol else str(name)
