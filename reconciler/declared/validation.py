"""Holds a document against its JSON Schema and finds all that is wrong. How that is said: ``departures``.

The schemas in ``schemas/`` are the reference manual. Beside the standard's keywords ``x-minimum`` and ``x-maximum`` bound a
duration, of the keys in ``x-exactly-one`` one must be there, and ``x-unbuilt`` says why a key cannot be used yet. What a
value means for this host or this revision is not looked at here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from reconciler.declared.departures import Departure, told
from reconciler.declared.documents import Document, KeyPath
from reconciler.declared.yaml_nodes import MOST_PROBLEMS
from reconciler.model.duration import parse_duration
from reconciler.model.errors import Problem

HOST = "host"
STACK = "stack"
ENVIRONMENT = "env"

# A link to the top-level folder in a checkout; the files themselves in an installed package.
_FOLDER = Path(__file__).parent.parent / "schemas"


def check_schema(document: Document, name: str) -> tuple[Problem, ...]:
    """Every departure of ``document`` from the schema ``name`` (HOST, STACK, ENVIRONMENT), in the order of the lines."""
    schema = _schema(name)
    errors = _validator(name).iter_errors(document.root)
    problems = (problem for error in errors for problem in told(document, _departure(error, schema), schema))
    return tuple(sorted(set(islice(problems, MOST_PROBLEMS))))


def _departure(error: Any, schema: Mapping[str, Any]) -> Departure:
    path = tuple(error.absolute_path)
    return Departure(
        path=path,
        keyword=error.validator,
        bound=error.validator_value,
        value=error.instance,
        rule=_followed(error.schema, schema),
        of_a_key="propertyNames" in error.absolute_schema_path,
        confidential=bool(_rule_at(path, schema).get("x-confidential")),
    )


@cache
def _schema(name: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = json.loads((_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


@cache
def _validator(name: str) -> Any:
    keywords = {
        "pattern": not_matching,
        "x-minimum": _too_short,
        "x-maximum": _too_long,
        "x-exactly-one": _not_one,
        "x-unbuilt": _unbuilt,
    }
    bounded = extend(Draft202012Validator, keywords)
    return bounded(_schema(name))


def not_matching(validator: Any, pattern: str, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    """JSON Schema's ``$`` is the end of the text; Python's would also take a line break after it."""
    if isinstance(value, str) and re.search(pattern.replace("$", r"\Z"), value) is None:
        yield ValidationError("does not match")


def _too_short(validator: Any, bound: str, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    seconds = _seconds(value)
    if seconds is not None and seconds < parse_duration(bound):
        yield ValidationError("too short")


def _too_long(validator: Any, bound: str, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    seconds = _seconds(value)
    if seconds is not None and seconds > parse_duration(bound):
        yield ValidationError("too long")


def _not_one(validator: Any, keys: list[str], value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    """Where none is there, but a key that nobody knows, that one is told of: it is the one, misspelt."""
    there = value.keys() & set(keys) if isinstance(value, dict) else set()
    is_misspelt = not there and isinstance(value, dict) and bool(value.keys() - schema["properties"].keys())
    if isinstance(value, dict) and len(there) != 1 and not is_misspelt:
        yield ValidationError("not exactly one of them")


def _unbuilt(validator: Any, why: str, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    yield ValidationError("not built yet")


def _seconds(value: object) -> float | None:
    try:
        return parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        return None  # the pattern says so already


def _followed(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``rule`` with what it refers to (``#/$defs/...``)."""
    name = str(rule.get("$ref", "")).rpartition("/")[2]
    return {**schema["$defs"][name], **rule} if name else rule


def _rule_at(path: KeyPath, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the schema says of the value at ``path``; nothing where it knows no such place."""
    rule: Any = schema
    for step in path:
        rule = rule.get("items", {}) if isinstance(step, int) else _below(rule, step)
        if not isinstance(rule, Mapping):
            return {}
        rule = _followed(rule, schema)
    found: Mapping[str, Any] = rule
    return found


def _below(rule: Mapping[str, Any], key: str) -> Any:
    return rule.get("properties", {}).get(key, rule.get("additionalProperties", {}))
