"""A backup's manifest: what lies beside a dump as JSON and says what it is (schemas/backup.schema.json). Does no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reconciler.model.backup import Level
from reconciler.model.moment import iso_moment

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong at which level, in words."""

    level: Level
    problem: str


@dataclass(frozen=True, slots=True)
class Backup:
    """``name`` is unique in its folder; its files are ``<name>.dump`` and ``<name>.json``. ``counts``: rows by table, in
    the dump's own snapshot. ``digests``: what else must be equal after a restore. ``database_size``: bytes it takes on the
    server. ``recipients``: of age; the dump is encrypted to them. ``settings``: what the dump script wants to be told at the restore. ``durations_s``: by step."""

    name: str
    stack: str
    plan: str
    engine: str
    service: str
    database: str
    user: str
    created_at: float
    wanted: Level
    release: int | None = None
    revision: str = ""
    image: str = ""
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    server: str = ""
    size: int = 0
    sha256: str = ""
    level: Level = Level.NONE
    verified_at: float | None = None
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    durations_s: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Finding, ...] = ()
    digests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    database_size: int = 0
    recipients: tuple[str, ...] = ()
    complaint: str = ""  # what the dump said on standard error, although it ended with 0
    by_hand: bool = False  # somebody asked for it, or a restore made it for safety
    before_restore: bool = False  # a restore made it for safety: what it holds was replaced right after
    precedes: tuple[int, ...] = ()  # the releases that passed a gate by it: what was before each of them

    @property
    def sound(self) -> bool:
        """As good as was asked for."""
        return self.level >= self.wanted and not self.problems

    @property
    def verified(self) -> bool:
        """Sound, and that was more than having been written."""
        return self.sound and self.level >= Level.L1

    @property
    def state(self) -> str:
        """In a word, for people and programs."""
        if self.problems:
            return "failed"
        if not self.sound:
            return "unproven"
        return "verified" if self.verified else "sound"

    def before(self, release: int) -> Backup:
        """The same, and it precedes ``release``, too."""
        return replace(self, precedes=tuple(sorted({*self.precedes, release})))

    @property
    def why_not(self) -> str:
        return "; ".join(f"{found.level.name}: {found.problem}" for found in self.problems)


def write(backup: Backup) -> bytes:
    content: dict[str, Any] = {"version": _VERSION}
    for entry in fields(backup):
        value = getattr(backup, entry.name)
        content[_camel(entry.name)] = dict(value) if isinstance(value, Mapping) else value
    content["wanted"], content["level"] = backup.wanted.name, backup.level.name
    content["createdAt"], content["verifiedAt"] = iso_moment(backup.created_at), iso_moment(backup.verified_at)
    content["problems"] = [{"level": found.level.name, "problem": found.problem} for found in backup.problems]
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def read(content: bytes) -> Backup:
    """Raises ValueError for what ``write`` did not write."""
    try:
        found = json.loads(content)
        values = {entry.name: found[_camel(entry.name)] for entry in fields(Backup) if _camel(entry.name) in found}
        values["recipients"] = tuple(found.get("recipients", ()))
        values["precedes"] = tuple(int(number) for number in found.get("precedes", ()))
        values["wanted"], values["level"] = Level[found["wanted"]], Level[found["level"]]
        values["created_at"], values["verified_at"] = _seconds(found["createdAt"]), _seconds(found["verifiedAt"])
        values["problems"] = tuple(Finding(Level[entry["level"]], entry["problem"]) for entry in found["problems"])
        return Backup(**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no manifest of a backup: {error!r}") from error


def _camel(name: str) -> str:
    first, *rest = name.replace("durations_s", "durations").split("_")
    return first + "".join(word.capitalize() for word in rest)


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
