"""The variables of a stack: what ``env.schema.json`` says of each, where each comes from, and what is known of its past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    """``values``: of which the variable ``name`` must have one; (): it must be set."""

    name: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} is {' or '.join(self.values)}" if self.values else f"{self.name} is set"


@dataclass(frozen=True, slots=True)
class VariableRule:
    """``rule``: its JSON Schema. ``required_when``: each a reason by itself, that holds where all its conditions do.
    ``default``: as text; None where there is none."""

    name: str
    description: str
    rule: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    section: str = ""
    default: str | None = None
    example: str = ""
    secret: bool = False
    required: bool = False
    required_when: tuple[tuple[Condition, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentSchema:
    """``file``: relative to the repository's root. ``variables``: by name, in the order of the file. ``closed``: others are
    refused, not only warned about."""

    file: str
    variables: Mapping[str, VariableRule]
    title: str = ""
    description: str = ""
    closed: bool = False

    @property
    def secrets(self) -> frozenset[str]:
        return frozenset(name for name, rule in self.variables.items() if rule.secret)


@dataclass(frozen=True, slots=True)
class EnvironmentUse:
    """What ``stack.yaml`` says of the variables. ``schema``: relative to the stack's folder, "" for none. ``generate``: random
    bytes of each secret that is made here, by name. ``immutable``: what may not change once a release was applied."""

    schema: str = ""
    generate: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    immutable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable that a file sets. ``host``: the host's own file, not one of Git."""

    name: str
    value: str = field(repr=False)
    file: str
    line: int
    host: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """What the files of a stack set, the last one of each name, and the defaults that are in force where they set nothing.

    ``file``: the host's own, which is where something is missing. ``to_make``: to be generated, and not there yet. ``whole``: not
    where some of the files could not be read, which may set what is not here.
    """

    file: str
    settings: Mapping[str, Setting]
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    to_make: frozenset[str] = frozenset()
    whole: bool = True

    def value(self, name: str) -> str:
        """ "" where it is not set, which is as good as set to nothing."""
        setting = self.settings.get(name)
        return (setting.value if setting is not None else "") or self.defaults.get(name, "")

    def missing(self, name: str) -> Setting:
        """Where something should stand in the host's own file, on the line that sets it to nothing, if there is one."""
        setting = self.settings.get(name)
        return setting if setting is not None and setting.host else Setting(name, "", self.file, 0, host=True)

    @property
    def of_host(self) -> Mapping[str, str]:
        """What the host's own file sets, as far as it counts."""
        return {name: setting.value for name, setting in self.settings.items() if setting.host}

    @property
    def values(self) -> Mapping[str, str]:
        return {**{name: setting.value for name, setting in self.settings.items()}, **self.defaults}


@dataclass(frozen=True, slots=True)
class Mark:
    """What is remembered of a variable, never its value. ``print_``: the salted fingerprint of what it must stay, "" for
    none yet. ``making``: a secret is about to be written; ``made``: it was, by us, and is never made again. ``renewed_after``:
    the last release from before an action renewed it, 0 where none ever did: what is kept of those has the old value.
    ``rolls``: the digest of the release that brought the new one to the stack, which waits for nobody."""

    stack: str
    name: str
    salt: str = ""
    print_: str = field(default="", repr=False)
    making: bool = False
    made: bool = False
    renewed_after: int = 0
    rolls: str = ""

    @property
    def binds(self) -> bool:
        """Whether it keeps the variable from being changed, or from being made."""
        return bool(self.print_ or self.making or self.made)

    @property
    def accepted(self) -> Mark:
        """Of a variable whose present value, or lack of one, is right."""
        return replace(self, salt="", print_="", making=False, made=False)
