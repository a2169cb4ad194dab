"""From ``env`` of stack.yaml to values, and what a schema cannot say is wrong with it. Does no I/O but to read the schema
that it names."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from reconciler.declared.documents import KeyPath
from reconciler.declared.environment.schema_file import read_schema
from reconciler.declared.environment.values import wrong_value
from reconciler.declared.repository_files import RepositoryFiles
from reconciler.declared.yaml_words import shown
from reconciler.model.environment import EnvironmentSchema, EnvironmentUse
from reconciler.model.errors import Problem
from reconciler.planning.nearest import did_you_mean

_BYTES = 32


def environment_use_of(values: Mapping[str, Any], schema: str) -> EnvironmentUse:
    """``values``: as the schema allows them. ``schema``: the one that counts where none is named, "" for none."""
    sizes = {name: own.get("bytes", _BYTES) for name, own in values.get("generate", {}).items()}
    return EnvironmentUse(
        schema=posixpath.normpath(values.get("schema") or schema) if values.get("schema") or schema else "",
        generate=MappingProxyType(sizes),
        immutable=tuple(values.get("immutable", ())),
    )


def wrong_environment(
    values: Any, folder: str, default: str, files: RepositoryFiles
) -> Iterator[tuple[KeyPath, str | Problem]]:
    """Where in stack.yaml, and what, in words; or a problem of the schema's own file. ``values`` may be anything at all."""
    section: Mapping[str, Any] = values if isinstance(values, dict) else {}
    named = section.get("schema")
    name = named if isinstance(named, str) and named and not named.startswith("/") else default
    if not name:
        return
    found = files.find(folder, name)
    if found.fault:
        yield ("env", "schema"), found.fault
        return
    read = read_schema(found.content, found.path)
    for problem in read.problems:
        yield (), problem
    if read.schema is not None:
        yield from _unlike(section, read.schema)


def _unlike(section: Mapping[str, Any], schema: EnvironmentSchema) -> Iterator[tuple[KeyPath, str]]:
    """Names that the schema does not know, and secrets that it would refuse."""
    generate, immutable = section.get("generate"), section.get("immutable")
    for name, own in generate.items() if isinstance(generate, dict) else ():
        where = ("env", "generate", name)
        if name not in schema.variables:
            yield where, _unknown(name, schema)
            continue
        size = own.get("bytes", _BYTES) if isinstance(own, dict) else _BYTES
        why = wrong_value(schema.variables[name], "a0" * size) if isinstance(size, int) else ""
        if why:
            yield where, f"{schema.file} would refuse {2 * size} hexadecimal digits: {why}"
    for index, name in enumerate(immutable if isinstance(immutable, list) else ()):
        if isinstance(name, str) and name not in schema.variables:
            yield ("env", "immutable", index), _unknown(name, schema)


def _unknown(name: str, schema: EnvironmentSchema) -> str:
    return f'{schema.file} knows no variable "{shown(name)}"{did_you_mean(name, schema.variables)}'
