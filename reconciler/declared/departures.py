"""How people are told of what departs from a schema: what is wrong, where, and how to mend it, in the words they wrote.

The schema carries the words, too: ``title`` says what is expected ("a duration such as 30s"), ``x-hint`` how to mend it; the
value of an ``x-confidential`` key is never shown. Finds nothing by itself: ``validation`` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.declared.documents import Document, KeyPath
from reconciler.declared.yaml_words import shown
from reconciler.model.errors import Problem
from reconciler.planning.nearest import did_you_mean

_NAMED_IN_FULL = 12  # valid keys that are listed when none is near the unknown one
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z][\w./-]{0,60}")
_YES_AND_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(frozen=True, slots=True)
class Departure:
    """One thing that jsonschema found. ``rule``: the part of the schema that ``value`` breaks by ``keyword``."""

    path: KeyPath
    keyword: str
    bound: Any
    value: Any
    rule: Mapping[str, Any]
    of_a_key: bool  # the key itself is wrong, and is the value
    confidential: bool


def told(document: Document, found: Departure, schema: Mapping[str, Any]) -> Iterator[Problem]:
    """``schema``: all of it, since a key may be right and stand in the wrong place."""
    if found.of_a_key:
        name = str(found.value)
        yield document.problem((*found.path, name), f'"{shown(name)}" cannot be {_title(found.rule)}')
        return
    match found.keyword:
        case "additionalProperties":
            yield from _unknown_keys(document, found, schema)
        case "required":
            yield from _missing_keys(document, found)
        case "dependentRequired":
            yield from _missing_companions(document, found)
        case "uniqueItems":
            yield from _repeated(document, found)
        case _:
            yield document.problem(found.path, _of_value(found))


def _unknown_keys(document: Document, found: Departure, schema: Mapping[str, Any]) -> Iterator[Problem]:
    known = list(found.rule.get("properties", {}))
    for key in found.value:
        if key not in known:
            hint = _elsewhere(key, schema) or did_you_mean(key, known) or _listed(known)
            yield document.problem((*found.path, key), f'unknown key "{shown(key)}"{hint}')


def _elsewhere(key: str, schema: Mapping[str, Any]) -> str:
    """Where a key belongs that is right but stands in the wrong place."""
    places = sorted(_places(schema, key, ()), key=lambda place: (len(place), place))
    if not places:
        return ""
    return f"; it belongs under {'.'.join(places[0])}" if places[0] else "; it belongs at the top, not indented"


def _places(schema: Mapping[str, Any], key: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    properties = schema.get("properties", {})
    if key in properties:
        yield path
    for name, below in properties.items():
        yield from _places(below, key, (*path, name))
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _places(schema["additionalProperties"], key, (*path, "<name>"))


def _listed(known: list[str]) -> str:
    return f"; known here: {', '.join(known)}" if 0 < len(known) <= _NAMED_IN_FULL else ""


def _missing_keys(document: Document, found: Departure) -> Iterator[Problem]:
    for key in found.bound:
        if key not in found.value:
            expected = _title(found.rule["properties"][key])
            yield document.problem(found.path, f'"{key}" is missing: {expected}')


def _missing_companions(document: Document, found: Departure) -> Iterator[Problem]:
    for key in found.bound.keys() & found.value.keys():
        for companion in found.bound[key]:
            if companion not in found.value:
                yield document.problem((*found.path, key), f'needs "{companion}" beside it')


def _repeated(document: Document, found: Departure) -> Iterator[Problem]:
    for index, item in enumerate(found.value):
        if item in found.value[:index]:
            yield document.problem((*found.path, index), f"{_described(item)} is listed twice")


def _of_value(found: Departure) -> str:
    value = "a text" if found.confidential and isinstance(found.value, str) else _described(found.value)
    match found.keyword:
        case "enum":
            near = did_you_mean(found.value, found.bound) if isinstance(found.value, str) else ""
            return f"expected one of {', '.join(found.bound)}, found {value}{near}"
        case "x-unbuilt":
            return str(found.bound)
        case "x-exactly-one":
            there = [key for key in found.bound if key in found.value]
            if there:
                return f"{' and '.join(there)} exclude each other; leave one of them"
            usable = [key for key in found.bound if "x-unbuilt" not in found.rule["properties"][key]]
            return f"it does nothing yet; add one of {', '.join(usable)}"
        case "x-minimum":
            return f"{value} is too short; the least is {found.bound}"
        case "x-maximum":
            return f"{value} is too long; the most is {found.bound}"
        case "not":
            return f"{' and '.join(found.bound['required'])} exclude each other; take one of them out"
        case "minItems":
            return "the list is empty; name at least one, or take the key out"
        case _:
            return f"expected {_title(found.rule)}, found {value}{_mend(found.rule, found.value)}"


def _mend(rule: Mapping[str, Any], value: Any) -> str:
    """How to mend it, as the end of a message, where that is not obvious."""
    wanted = rule.get("type")
    if isinstance(value, str):
        if wanted == "boolean" and value.lower() in _YES_AND_NO:
            return f"; write {_YES_AND_NO[value.lower()]}"
        if wanted == "array":
            if " " in value and "command" in _title(rule):
                return f"; write [sh, -c, {json.dumps(shown(value), ensure_ascii=False)}]"  # as one word nothing has that name
            return f"; write [{value}]" if _NEEDS_NO_QUOTES.fullmatch(value) else f'; write ["{shown(value)}"]'
        return f"; {rule['x-hint']}" if "x-hint" in rule else ""
    if wanted == "string" and isinstance(value, int | float):
        is_time = "duration" in _title(rule) and type(value) is int and value > 0
        return f"; write {value}s" if is_time else "; put it in quotes"
    return ""


def _described(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f'"{shown(value)}"'
        case list():
            return "a list"
        case _:
            return "keys with values"


def _title(rule: Mapping[str, Any]) -> str:
    return str(rule.get("title", "another value"))
