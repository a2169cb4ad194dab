"""The adoption that is under way, written down before each of its steps: whoever comes after a crash knows what was begun."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from reconciler import files
from reconciler.adoption.model import Adoption, CronLine, FileCopy, FolderCopy, Kind, Standing
from reconciler.model.errors import StalledError

_VERSION = 1


class Phase(StrEnum):
    """TAKING: files are copied, nothing stands still yet. STANDING: old containers are stopped, one after the other.
    STARTED: they stand, and the stack's pass may run. ADOPTED: it is Ready, until somebody confirms or undoes it."""

    TAKING = "taking"
    STANDING = "standing"
    STARTED = "started"
    ADOPTED = "adopted"
    UNDOING = "undoing"
    CONFIRMING = "confirming"


@dataclass(frozen=True, slots=True)
class TextChange:
    """A file that people write, and that an adoption changes. ``before``: None where there was none. Both may hold secrets."""

    path: str
    before: str | None = field(repr=False)
    after: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """Times are seconds since the epoch; 0 where it has not come to that. ``why``: what made it be undone, "" for a person."""

    adoption: Adoption
    phase: Phase
    began_at: float
    texts: tuple[TextChange, ...] = ()
    stopped_at: float = 0.0
    ready_at: float = 0.0
    why: str = ""

    @property
    def gap_s(self) -> float:
        return max(0.0, self.ready_at - self.stopped_at) if self.stopped_at and self.ready_at else 0.0


@dataclass(frozen=True, slots=True)
class Book:
    path: Path
    staging: Path

    def read(self) -> Record | None:
        """Raises StalledError for what is no record, WaitingError."""
        content = files.content_of(self.path)
        if content is None:
            return None
        try:
            return from_json(content)
        except (ValueError, KeyError, TypeError) as error:
            raise StalledError(f"{self.path} is damaged: {error!r}; move it away", reason="Damaged") from error

    def write(self, record: Record, **changes: Any) -> Record:
        """The record as it is then."""
        record = replace(record, **changes)
        files.put(self.path, to_json(record), self.staging)
        return record

    def end(self) -> None:
        files.remove(self.path)


def to_json(record: Record) -> bytes:
    plain = replace(record, adoption=replace(record.adoption, volumes=dict(record.adoption.volumes)))
    return (json.dumps({"version": _VERSION, **asdict(plain)}, indent=2, ensure_ascii=False) + "\n").encode()


def from_json(content: bytes) -> Record:
    """Raises ValueError, KeyError, TypeError for what ``to_json`` did not write."""
    found = json.loads(content)
    plan = found["adoption"]
    adoption = Adoption(
        **{
            **_of(Adoption, plan),
            "files": tuple(FileCopy(**{**entry, "kind": Kind(entry["kind"])}) for entry in plan["files"]),
            "data": tuple(FolderCopy(**entry) for entry in plan["data"]),
            "containers": tuple(Standing(**entry) for entry in plan["containers"]),
            "cron": tuple(CronLine(**entry) for entry in plan["cron"]),
        }
    )
    texts = tuple(TextChange(**entry) for entry in found["texts"])
    return Record(**{**_of(Record, found), "adoption": adoption, "texts": texts, "phase": Phase(found["phase"])})


def _of(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {entry.name for entry in fields(kind)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in names}
