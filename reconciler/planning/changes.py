"""What differs between two definitions of a service, down to the key, with secrets left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.desired import LABEL_DEFINITION, LABEL_ROOT, LABEL_STACK, ServiceSpec
from reconciler.model.plan import Change
from reconciler.planning.secrets import Mask

_OUR_LABELS = frozenset(f"labels.{label}" for label in (LABEL_DEFINITION, LABEL_ROOT, LABEL_STACK))
_NOT_OF_THE_CONTAINER = ("depends_on", "scale", "pull_policy", "deploy.replicas")
_OBJECT_ID = re.compile(r"^.*/objects/([0-9a-f]{7})[0-9a-f]+(?:-x)?/(.+)$")


def changes(old: ServiceSpec | None, new: ServiceSpec, mask: Mask) -> tuple[Change, ...]:
    """Every key whose value differs, sorted. Empty if ``old`` is unknown."""
    if old is None:
        return ()
    before, after = dict(_flat(old.definition)), dict(_flat(new.definition))
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return tuple(_change(key, before.get(key), after.get(key), mask) for key in keys if _counts(key))


def _counts(key: str) -> bool:
    return key not in _OUR_LABELS and not key.startswith(_NOT_OF_THE_CONTAINER)


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
