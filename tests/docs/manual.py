"""The manual: a page for each file that people write or read, made from its schema, and one for the commands, made from
what they say of themselves. ``python -m tests.docs.manual`` writes it; a test compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
import yaml

from reconciler.cli import main
from tests.docs.pages import CHECKOUT

FOLDER = CHECKOUT / "docs" / "manual"
HOW_TO_WRITE_IT = "make docs"
_MADE = "<!-- Made by `make docs` from {}: edit that instead. -->"
# By what the keys are named that are free, where the key above does not say it.
_OF_WHAT = {"generate": "variable", "properties": "variable", "env": "variable", "images": "service"}
_PAGE = re.compile(r"docs/([\w-]+\.md)")
_SUCH_AS = re.compile(r",? such as .*?(?= \(|$)")

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """``schema``: its file in schemas/. ``after``: where more of it is told. ``is_yaml``: else it is JSON."""

    name: str
    schema: str
    after: str
    is_yaml: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """One that can be written: its dotted path, what is said of it, and whether it must be there."""

    path: str
    rule: Rule
    is_required: bool


SCHEMA_PAGES = (
    Page(
        "host.md",
        "host.schema.json",
        "See [several hosts](../several-hosts.md), [a private repository](../private-repository.md).",
    ),
    Page(
        "stack.md",
        "stack.schema.json",
        "An unknown key is refused, with its line and the nearest key there is. One in use is the sample's "
        "[stack.yaml](../../desired_state/upsignon/stack.yaml). More on [hooks](../hooks.md), [backups](../backups.md), "
        "[certificates](../certificates.md), [actions](../actions.md), [updates](../updates.md) and [traffic](../traffic.md).",
    ),
    Page("env.md", "env.schema.json", "How it is used: [environment.md](../environment.md).", is_yaml=False),
    Page("backup.md", "backup.schema.json", "See [backups](../backups.md).", is_yaml=False),
    Page("hook-context.md", "hook-context.schema.json", "See [hooks](../hooks.md).", is_yaml=False),
)


def manual() -> dict[str, str]:
    """The text of each page, by its name in docs/manual/."""
    return {page.name: SchemaPage(page).text() for page in SCHEMA_PAGES} | {"commands.md": _commands_page()}


class SchemaPage:
    """Each key at the top is a section, and all that lies below it is its table.

    What is used in several places (a definition with keys of its own) is a section of its own, that they link to.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._schema: Rule = json.loads((CHECKOUT / "schemas" / page.schema).read_text(encoding="utf-8"))
        self._shared = {
            name: rule for name, rule in self._schema.get("$defs", {}).items() if rule.get("type") == "object"
        }

    def text(self) -> str:
        schema = self._schema
        top = list(self._keys_in("", schema))
        parts = [
            f"# {_capital(schema['title'])}",
            _MADE.format(f"schemas/{self._page.schema}"),
            f"{schema['description']} {self._page.after}",
            " · ".join(
                f"[{name}](#{_anchor(name)})" for name in (*(key.path for key in top), *map(_one, self._shared))
            ),
            *map(self._section, top),
            *(self._shared_section(name, rule) for name, rule in self._shared.items()),
        ]
        return "\n\n".join(parts) + "\n"

    def _section(self, key: Key) -> str:
        facts = [
            f"Value: {self._kind(key.rule)}.",
            *(["Required."] if key.is_required else []),
            *self._examples(key.rule),
        ]
        return "\n\n".join(
            [f"## {key.path}", sentence(key.rule), " ".join(facts), *self._table(self._below(key.path, key.rule))]
        )

    def _shared_section(self, name: str, rule: Rule) -> str:
        facts = [f"Value: {self._kind(rule)}.", *self._examples(rule)]
        return "\n\n".join([f"## {_one(name)}", sentence(rule), " ".join(facts), *self._table(self._below("", rule))])

    def _table(self, keys: Iterator[Key]) -> list[str]:
        rows = [f"| `{key.path}` | {_cell(self._kind(key.rule))} | {_cell(self._meaning(key))} |" for key in keys]
        return ["\n".join(["| key | value | meaning |", "| --- | --- | --- |", *rows])] if rows else []

    def _meaning(self, key: Key) -> str:
        return " ".join(
            [*(["**Required.**"] if key.is_required else []), sentence(key.rule), *self._examples(key.rule)]
        )

    def _below(self, path: str, rule: Rule) -> Iterator[Key]:
        """Lists and free names are written as ``[]`` and ``<name>``."""
        for key in self._keys_in(path, rule):
            yield key
            yield from self._below(key.path, key.rule)
        for kind, mark in (("items", "{0}[]"), ("additionalProperties", "{0}.<{1}>")):
            inner = rule.get(kind)
            if isinstance(inner, dict) and self._shared_name(inner) is None:
                yield from self._below(mark.format(path, _singular(path)), self._resolved(inner))

    def _keys_in(self, path: str, rule: Rule) -> Iterator[Key]:
        for name, inner in rule.get("properties", {}).items():
            yield Key(f"{path}.{name}".lstrip("."), self._resolved(inner), name in rule.get("required", ()))

    def _resolved(self, rule: Rule) -> Rule:
        """What stands beside a reference wins over what it refers to."""
        if "$ref" not in rule:
            return rule
        return {**self._resolved(self._schema["$defs"][rule["$ref"].rpartition("/")[2]]), **rule}

    def _shared_name(self, rule: Rule) -> str | None:
        name = rule.get("$ref", "").rpartition("/")[2]
        return name if name in self._shared else None

    def _kind(self, rule: Rule) -> str:
        default = [f"default `{self._written(rule['default'])}`"] if "default" in rule else []
        return ", ".join([self._values(rule), *default])

    def _values(self, rule: Rule) -> str:
        shared = self._shared_name(rule.get("items", {}))
        if shared is not None:
            return f"a list of [{shared}s](#{_anchor(_one(shared))})"
        if "const" in rule or "enum" in rule:
            *others, last = [f"`{self._written(value)}`" for value in rule.get("enum", [rule.get("const")])]
            return f"{', '.join(others)} or {last}" if others else last
        return _SUCH_AS.sub("", rule["title"]) if "title" in rule else _type(rule)

    def _examples(self, rule: Rule) -> list[str]:
        told = [value for value in rule.get("examples", ()) if value != rule.get("default")]
        if "enum" in rule or "const" in rule or rule.get("type") == "boolean" or not told:
            return []
        return [f"For example {' or '.join(f'`{self._written(value)}`' for value in told)}."]

    def _written(self, value: Any) -> str:
        """As one writes it in such a file."""
        if not self._page.is_yaml:
            return json.dumps(value, ensure_ascii=False)
        told: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False)
        return told.removesuffix("\n").removesuffix("\n...")


def _type(rule: Rule) -> str:
    kind = rule.get("type", "any value")
    named = " or ".join(kind) if isinstance(kind, list) else kind
    return {"string": "a text", "object": "an object", "array": "a list", "integer": "a whole number"}.get(named, named)


def sentence(rule: Rule) -> str:
    """Its description, in which * and < are no markup, and a page of docs/ is a link."""
    return _PAGE.sub(r"[\1](../\1)", re.sub(r"([*<])", r"\\\1", rule["description"]))


def _one(name: str) -> str:
    return f"A {name}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _singular(path: str) -> str:
    name = path.rpartition(".")[2].removesuffix("[]")
    return _OF_WHAT.get(name) or name.removesuffix("s") or "name"


def _capital(text: str) -> str:
    """Of a name of a file nothing changes."""
    return text if text.partition(" ")[0].count(".") else text[0].upper() + text[1:]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _commands_page() -> str:
    root = click.Context(main.cli, info_name="reconciler")
    commands = list(_commands("reconciler", main.cli, root))
    parts = [
        "# Commands",
        _MADE.format("what the commands in reconciler/cli/ say of themselves"),
        "Every command says this itself with `--help`. What each can end with is in [exit-codes.md](../exit-codes.md), "
        "the objects of `-o json` in [json-output.md](../json-output.md).",
        " · ".join(f"[{_short(name)}](#{_anchor(name)})" for name, _, _ in commands[1:]),
        *(f"## {name}\n\n```text\n{_help(command, context)}\n```" for name, command, context in commands),
    ]
    return "\n\n".join(parts) + "\n"


def _short(name: str) -> str:
    return name.removeprefix("reconciler ")


def _commands(
    name: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """A command and those below it, each by its whole name."""
    yield name, command, context
    if isinstance(command, click.Group):
        for own in command.list_commands(context):
            inner = command.get_command(context, own)
            if inner is not None and not inner.hidden:
                yield from _commands(f"{name} {own}", inner, click.Context(inner, context, own))


def _help(command: click.Command, context: click.Context) -> str:
    """As wide on every terminal."""
    context.terminal_width = context.max_content_width = 110
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, by its whole name."""
    for name, command, _ in _commands("reconciler", main.cli, click.Context(main.cli, info_name="reconciler")):
        yield name, command


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in manual().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
