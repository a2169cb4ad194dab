"""What a stack's environment comes to: of each variable the value that counts, where it was set, and the default else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.model.environment import Environment, EnvironmentSchema, Setting
from reconciler.planning.dotenv import read_dotenv

_ASIDE = ("RECONCILER_", "COMPOSE_", "DOCKER_")  # read by us, by Compose and by Docker, whatever a stack says


@dataclass(frozen=True, slots=True)
class EnvFile:
    """``name``: as people know it. ``host``: the host's own, which is not in Git."""

    name: str
    content: bytes
    host: bool = False


def environment_of(
    files: Iterable[EnvFile],
    schema: EnvironmentSchema | None,
    generated: Iterable[str] = (),
    file: str = "",
) -> Environment:
    """``files``: the last in force last. ``generated``: names that ``env.generate`` makes. ``file``: the host's own,
    whether it is there or not."""
    settings: dict[str, Setting] = {}
    for one in files:
        known = {name: setting.value for name, setting in settings.items()}
        for found in read_dotenv(one.content, one.name, known).variables:
            settings[found.name] = Setting(found.name, found.value, one.name, found.line, one.host)
    unset = frozenset(name for name in generated if name not in settings or not settings[name].value)
    return Environment(file, MappingProxyType(settings), MappingProxyType(_defaults(schema, settings)), unset)


def _defaults(schema: EnvironmentSchema | None, settings: Mapping[str, Setting]) -> dict[str, str]:
    """Of variables that nobody sets to something."""
    if schema is None:
        return {}
    return {
        name: rule.default
        for name, rule in schema.variables.items()
        if rule.default is not None and not (name in settings and settings[name].value)
    }


def is_aside(name: str) -> bool:
    """Whether a variable is none of the stack's."""
    return name.startswith(_ASIDE)
