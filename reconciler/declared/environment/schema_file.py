"""Turns the bytes of an ``env.schema.json`` into what it says of each variable, or into all that is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from reconciler.declared.documents import Document, KeyPath, read_document
from reconciler.declared.environment.values import text_of, wrong_value
from reconciler.declared.validation import ENVIRONMENT, check_schema
from reconciler.declared.yaml_words import shown
from reconciler.model.environment import Condition, EnvironmentSchema, VariableRule
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.planning.nearest import did_you_mean

SCHEMA_FILE = "env.schema.json"
_LONGEST_PATTERN = 500


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """``schema`` is None where there are ``problems``."""

    schema: EnvironmentSchema | None
    problems: tuple[Problem, ...] = ()


def read_schema(content: bytes, file: str) -> SchemaFile:
    """Never raises: all that is wrong is in ``problems``."""
    try:
        document = _read_json(content, file)
    except InvalidInputError as error:
        return SchemaFile(None, error.problems)
    problems = (*document.problems, *check_schema(document, ENVIRONMENT))
    if not problems:
        schema = _schema_of(document.root, file)
        problems = tuple(sorted(set(_wrong(document, schema))))
    return SchemaFile(None if problems else schema, problems)


def _read_json(content: bytes, file: str) -> Document:
    """The values are JSON's. Their lines, and keys that are there twice, are YAML's, of which JSON is a part, but for tabs:
    in JSON they are blanks wherever they may stand at all."""
    document = read_document(content.replace(b"\t", b" "), file)
    try:
        root = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        message = f"it is no JSON: {error.msg[:1].lower()}{error.msg[1:]} in column {error.colno}"
        raise InvalidInputError((Problem(file, error.lineno, "", message),)) from error
    return replace(document, root=root)


def _schema_of(root: Mapping[str, Any], file: str) -> EnvironmentSchema:
    needed = _needed(root.get("dependentRequired", {}))
    required = frozenset(root.get("required", ()))
    variables = {
        name: _rule_of(name, rule, name in required, needed.get(name, ())) for name, rule in root["properties"].items()
    }
    return EnvironmentSchema(
        file=file,
        variables=MappingProxyType(variables),
        title=root.get("title", ""),
        description=root.get("description", ""),
        closed=root.get("additionalProperties") is False,
    )


def _needed(dependent: Mapping[str, Any]) -> dict[str, tuple[tuple[Condition, ...], ...]]:
    found: dict[str, tuple[tuple[Condition, ...], ...]] = {}
    for name, companions in dependent.items():
        for companion in companions:
            found[companion] = (*found.get(companion, ()), (Condition(name),))
    return found


def _rule_of(
    name: str, rule: Mapping[str, Any], required: bool, needed: tuple[tuple[Condition, ...], ...]
) -> VariableRule:
    when = rule.get("requiredWhen")
    examples = rule.get("examples", ())
    return VariableRule(
        name=name,
        description=" ".join(rule["description"].split()),
        rule=MappingProxyType(dict(rule)),
        section=rule.get("section", ""),
        default=text_of(rule["default"]) if "default" in rule else None,
        example=text_of(examples[0]) if examples else "",
        secret=rule.get("secret", False),
        required=required,
        required_when=(*needed, *([_conditions(when)] if when else [])),
    )


def _conditions(when: str | Mapping[str, Any]) -> tuple[Condition, ...]:
    if isinstance(when, str):
        return (Condition(when),)
    return tuple(
        Condition(name, tuple(text_of(value) for value in (wanted if isinstance(wanted, list) else [wanted])))
        for name, wanted in when.items()
    )


def _wrong(document: Document, schema: EnvironmentSchema) -> Iterator[Problem]:
    """What the schema of schemas cannot say."""
    names = schema.variables
    for where, name in _named(document.root):
        if name not in names:
            message = f'properties has no variable "{shown(name)}"{did_you_mean(name, names)}'
            yield document.problem(where, message)
    for name, rule in names.items():
        if why := _wrong_pattern(rule.rule.get("pattern")):
            yield document.problem(("properties", name, "pattern"), why)
        else:
            yield from _wrong_values(document, ("properties", name), rule)


def _named(root: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for index, name in enumerate(root.get("required", ())):
        yield ("required", index), name
    for name, companions in root.get("dependentRequired", {}).items():
        yield ("dependentRequired", name), name
        for index, companion in enumerate(companions):
            yield ("dependentRequired", name, index), companion
    for name, rule in root["properties"].items():
        when = rule.get("requiredWhen", ())
        for other in (when,) if isinstance(when, str) else when:
            yield ("properties", name, "requiredWhen"), other


def _wrong_pattern(pattern: str | None) -> str:
    if pattern is None:
        return ""
    if len(pattern) > _LONGEST_PATTERN:
        return f"it is longer than {_LONGEST_PATTERN} characters"
    try:
        re.compile(pattern)
    except re.error as error:
        return f'"{shown(pattern)}" is no regular expression: {error}'
    return ""


def _wrong_values(document: Document, where: KeyPath, rule: VariableRule) -> Iterator[Problem]:
    """A default or an example that the variable itself could not have; of a secret there is none in Git."""
    if rule.secret and rule.default:
        yield document.problem((*where, "default"), "a secret has no default: the schema is in Git; take it out")
    elif rule.default and (why := wrong_value(rule, rule.default)):
        yield document.problem((*where, "default"), why)
    if rule.secret and "examples" in rule.rule:
        yield document.problem((*where, "examples"), "a secret has no example that somebody could keep; take it out")
        return
    for index, example in enumerate(rule.rule.get("examples", ())):
        if why := wrong_value(rule, text_of(example)):
            yield document.problem((*where, "examples", index), why)
