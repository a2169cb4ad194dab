"""The manual says what the schemas and the commands say, and these leave nothing unsaid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest

from tests.docs.manual import FOLDER, HOW_TO_WRITE_IT, SCHEMA_PAGES, commands, manual, sentence
from tests.docs.pages import CHECKOUT, prose

MANUAL = manual()
COMMANDS = dict(commands())
SCHEMAS = sorted(path.name for path in (CHECKOUT / "schemas").glob("*.json"))


@pytest.mark.parametrize("name", MANUAL)
def test_a_page_of_the_manual_is_not_stale(name: str) -> None:
    page = FOLDER / name
    is_up_to_date = page.is_file() and page.read_text(encoding="utf-8") == MANUAL[name]
    assert is_up_to_date, f"docs/manual/{name} is stale: run {HOW_TO_WRITE_IT} (python -m tests.docs.manual)"


def test_the_manual_has_a_page_for_each_schema_and_none_besides() -> None:
    assert sorted(page.schema for page in SCHEMA_PAGES) == SCHEMAS
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(MANUAL)


@pytest.mark.parametrize("page", SCHEMA_PAGES, ids=lambda page: page.name)
def test_every_key_of_a_schema_is_in_the_manual_with_its_description(page: Any) -> None:
    schema, told = json.loads((CHECKOUT / "schemas" / page.schema).read_text()), MANUAL[page.name]
    for path, rule in _keys(schema):
        assert path.rpartition(".")[2] in told, path
        assert rule.get("$ref") or rule.get("description"), f"{page.schema}: {path} has no description"
        assert "$ref" in rule or sentence(rule).replace("|", r"\|") in told, path


def _keys(rule: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Also those of what is defined once and referred to."""
    if not isinstance(rule, dict):
        return
    for name, inner in rule.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from _keys(inner, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        yield from _keys(rule.get(name), path)
    for name, inner in rule.get("$defs", {}).items():
        yield from _keys(inner, f"{path}.{name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_each_of_its_options_too(name: str) -> None:
    command = COMMANDS[name]
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert (command.help or "").strip()
    assert [option.opts for option in options if not (option.help or "").strip()] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_of_itself(name: str) -> None:
    assert name.split()[-1] in (COMMANDS[name].epilog or "").partition("Example: ")[2]


def test_what_a_command_prints_for_programs_is_told_on_the_page_on_that() -> None:
    told = _commands_named_in("docs/json-output.md")
    writing = [name for name, command in COMMANDS.items() if _writes_json(command)]
    assert len(writing) > 10
    assert [name for name in writing if name.removeprefix("reconciler ") not in told] == []


def _writes_json(command: click.Command) -> bool:
    return any(isinstance(param.type, click.Choice) and "json" in param.type.choices for param in command.params)


def test_a_command_that_says_what_it_ends_with_is_on_the_page_on_exit_codes() -> None:
    told = _commands_named_in("docs/exit-codes.md")
    ending = [name for name, command in COMMANDS.items() if "Ends with" in (command.help or "")]
    assert len(ending) > 5
    assert [name for name in ending if name.removeprefix("reconciler ") not in told] == []


def _commands_named_in(page: str) -> set[str]:
    """Without what stands behind a command's name: arguments in capitals, and options."""
    return {re.split(r" [A-Z-]", span)[0] for span in re.findall(r"`([^`]+)`", prose(page))}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_a_list_of_commands_is_cut_short(name: str) -> None:
    """At a terminal of 80 columns; the first list is written over its edge rather than cut short."""
    width = 90 if name.count(" ") == 1 else 66
    assert name == "reconciler" or not COMMANDS[name].get_short_help_str(width).endswith("...")
