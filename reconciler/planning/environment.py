"""What a stack's environment comes to: of each variable the value that counts, where it was set, and the default else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.model.environment import Environment, EnvironmentSchema, Setting
from reconciler.planning.dotenv import DotEnv, read_dotenv

_ASIDE = ("RECONCILER_", "COMPOSE_", "DOCKER_")  # read by us, by Compose and by Docker, whatever a stack says


@dataclass(frozen=True, slots=True)
class EnvFile:
    """``name``: as people know it. ``content``: None where nobody can read it. ``host``: the host's own, which is not in Git."""

    name: str
    content: bytes | None
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
    whole = True
    for one in files:
        values = {name: setting.value for name, setting in settings.items()}
        read = read_file(one, {**values, **_defaults(schema, settings)})
        whole = whole and read.whole
        for found in read.variables:
            settings[found.name] = Setting(found.name, found.value, one.name, found.line, one.host)
    unset = frozenset(name for name in generated if whole and not (name in settings and settings[name].value))
    defaults = _defaults(schema, settings)
    return Environment(file, MappingProxyType(settings), MappingProxyType(defaults), unset, whole)


def read_file(file: EnvFile, known: Mapping[str, str]) -> DotEnv:
    """``known``: what the files before it set, and defaults: its values may refer to them."""
    return DotEnv((), whole=False) if file.content is None else read_dotenv(file.content, file.name, known)


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
