"""What a preflight says: one line a thing, and how bad it is. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it can run anyway
    ERROR = "error"  # it cannot


@dataclass(frozen=True, slots=True)
class Finding:
    """``stack``: whose, "" of the host. ``mend``: how, "" where all is well."""

    name: str
    level: Level
    found: str
    wanted: str
    mend: str = ""
    stack: str = ""

    @property
    def ok(self) -> bool:
        """Nothing is in the way."""
        return self.level is not Level.ERROR

    def __str__(self) -> str:
        return f"{self.name}: {self.found} (wanted: {self.wanted}); to mend: {self.mend}"


def judged(name: str, found: str, wanted: str, mend: str, level: Level = Level.ERROR, stack: str = "") -> Finding:
    """``mend``: "" where all is well; else it is as bad as ``level``."""
    return Finding(name, level if mend else Level.OK, found, wanted, mend, stack)
