"""A mistaken env.schema.json is an error of its own, told with its line; a sound one says what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.declared.environment.example import example_of
from reconciler.declared.environment.schema_file import read_schema
from reconciler.model.environment import Condition, EnvironmentSchema


def read(variables: dict[str, Any], **top: Any) -> EnvironmentSchema:
    described = {name: {"description": "It is for x.", **rule} for name, rule in variables.items()}
    found = read_schema(json.dumps({"properties": described, **top}).encode(), "web/env.schema.json")
    assert found.problems == ()
    assert found.schema is not None
    return found.schema


def told(text: str) -> list[str]:
    found = read_schema(text.encode(), "env.schema.json")
    assert (found.schema is None) == bool(found.problems)
    return [str(problem).removeprefix("env.schema.json:") for problem in found.problems]


def about(rule: str, more: str = "") -> list[str]:
    return told('{"properties": {\n"A": {"description": "x.", ' + rule + '},\n"B": {"description": "x."}}' + more + "}")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", [" the file is empty; write its settings, or take the file away"]),
        (
            '{"properties": {}',
            ['1: broken YAML: a mapping is opened with "{" on this line and not closed, or lacks a comma'],
        ),
        ("properties: {}\n", ["1: it is no JSON: expecting value in column 1"]),
        ('{"properties": {},}\n', ["1: it is no JSON: expecting property name enclosed in double quotes in column 19"]),
        ("{}", ['1: "properties" is missing: the variables, each with what may be in it']),
        (
            '{"properties": {"A": {"description": "x."},\n"A": {"description": "y."}}}',
            ['2: properties.A: duplicate key "A"; the first is on line 1'],
        ),
        (
            '{"properties": {"A-B": {"description": "x."}}}',
            [
                '1: properties.A-B: "A-B" cannot be the name of a variable (letters, digits and _, not beginning with a '
                "digit)"
            ],
        ),
        ('{"properties": {"A": {}}}', ['1: properties.A: "description" is missing: a text']),
        (
            '{"properties": {}, "requird": ["A"]}',
            ['1: requird: unknown key "requird"; did you mean "required"?'],
        ),
    ],
)
def test_a_file_that_is_no_schema_is_told(text: str, messages: list[str]) -> None:
    assert [message.removeprefix("env.schema.json:") for message in told(text)] == messages


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('"formt": "domain"', '2: properties.A.formt: unknown key "formt"; did you mean "format"?'),
        ('"type": "int"', '2: properties.A.type: expected one of string, integer, number, boolean, found "int"'),
        ('"secret": "yes"', '2: properties.A.secret: expected true or false, found "yes"; write true'),
        ('"default": "12"', ""),
        (
            '"format": "port", "default": "x"',
            "2: properties.A.default: expected a port, a whole number from 1 to 65535",
        ),
        ('"enum": ["a", "b"], "default": "c"', "2: properties.A.default: expected a or b"),
        ('"type": "integer", "default": 7', ""),
        ('"type": "boolean", "default": "yes"', "2: properties.A.default: expected true or false; write true"),
        (
            '"pattern": "["',
            '2: properties.A.pattern: "[" is no regular expression: unterminated character set at position 0',
        ),
        (
            '"secret": true, "default": "hunter2"',
            "2: properties.A.default: a secret has no default: the schema is in Git; take it out",
        ),
        (
            '"secret": true, "examples": ["hunter2"]',
            "2: properties.A.examples: a secret has no example that somebody could keep; take it out",
        ),
        (
            '"format": "email", "examples": ["x"]',
            "2: properties.A.examples[0]: expected an email address such as ops@example.com",
        ),
        ('"requiredWhen": "BEE"', '2: properties.A.requiredWhen: properties has no variable "BEE"'),
        ('"requiredWhen": {"B": ["x", "y"]}', ""),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told_with_its_line(rule: str, message: str) -> None:
    assert about(rule) == ([message] if message else [])


def test_names_that_are_no_variables_are_told() -> None:
    more = ',\n"required": ["A",\n"BEE"],\n"dependentRequired": {"A": ["C"]}'
    assert about('"type": "string"', more) == [
        '5: required[1]: properties has no variable "BEE"',
        '6: dependentRequired.A[0]: properties has no variable "C"',
    ]


def test_a_json_file_may_be_indented_with_tabs() -> None:
    assert told('{\n\t"properties": {\n\t\t"A": {"description": "x."}\n\t}\n}\n') == []


def test_what_is_required_when_is_said_in_either_way() -> None:
    schema = read(
        {"A": {"requiredWhen": {"MAIL": ["smtp", "smtps"], "B": True}}, "B": {"type": "boolean"}, "MAIL": {}},
        dependentRequired={"B": ["A"]},
    )
    assert schema.variables["A"].required_when == (
        (Condition("B"),),
        (Condition("MAIL", ("smtp", "smtps")), Condition("B", ("true",))),
    )


def test_an_example_shows_what_must_be_filled_in_and_hides_nothing_behind_it() -> None:
    schema = read(
        {
            "A": {"examples": ["two words"], "section": "First"},
            "B": {"default": 5, "type": "integer"},
            "C": {"secret": True},
            "D": {"secret": True},
            "E": {"enum": ["x", "y"], "requiredWhen": "A"},
        },
        required=["A", "C", "D"],
        title="Of web.",
    )
    lines = example_of(schema, {"D"}).splitlines()
    assert lines[0] == "# Of web."
    assert [line for line in lines if "=" in line] == ["A='two words'", "# B=5", "C=", "# D=", "# E="]
    assert "# It is for x. Required when A is set. One of x, y." in lines
    assert "# It is for x. Generated at the first start where it is not set." in lines
