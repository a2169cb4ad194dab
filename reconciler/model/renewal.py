"""A variable that is being renewed: the new value is known here before anything else gets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Renewal:
    """One that is not over. ``value``: the new one, which whatever holds the old one may have by now, or not. ``began_at``:
    seconds since the epoch."""

    stack: str
    variable: str
    action: str
    value: str = field(repr=False)
    who: str
    began_at: float


class Verdict(Enum):
    """What a run of an action that renews came to. NEW: the new value is in use. OLD: certainly the old one, and nothing
    was changed. UNKNOWN: one of the two."""

    NEW = "new"
    OLD = "old"
    UNKNOWN = "unknown"
