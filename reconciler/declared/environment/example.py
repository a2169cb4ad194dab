"""The ``.env.example`` that an ``env.schema.json`` makes. What must be filled in stands as it is, all else as a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator

from reconciler.declared.environment.values import text_of
from reconciler.model.environment import EnvironmentSchema, VariableRule
from reconciler.planning.dotenv_writing import quoted

_WIDTH = 120
_INTRODUCTION = (
    "Generated from {file} by `reconciler env example`. Copy it to env/<stack>.env under the root folder of the host "
    "(mode 0600) and fill it in; the copy is never committed. A line that begins with # and a name shows a default or an "
    "example: take the # away to set it."
)


def example_of(schema: EnvironmentSchema, generated: Collection[str]) -> str:
    """``generated``: names of secrets that are made by themselves."""
    lines = [*_comment(schema.title)] if schema.title else []
    lines += _comment(_INTRODUCTION.format(file=schema.file.rpartition("/")[2]))
    lines += _comment(schema.description) if schema.description else []
    for rule in schema.variables.values():
        if rule.section:
            lines += ["", f"# --- {rule.section} ".ljust(_WIDTH, "-")]
        lines += ["", *_of_variable(rule, rule.name in generated)]
    return "\n".join(lines) + "\n"


def _of_variable(rule: VariableRule, is_generated: bool) -> Iterator[str]:
    yield from _comment(" ".join((rule.description, *_facts(rule, is_generated))))
    value = quoted(rule.default or rule.example) if rule.default or rule.example else ""
    is_to_fill = rule.required and not rule.default and not is_generated
    yield f"{'' if is_to_fill else '# '}{rule.name}={value}"


def _facts(rule: VariableRule, is_generated: bool) -> Iterator[str]:
    if is_generated:
        yield "Generated at the first start where it is not set."
    elif rule.required and not rule.default:
        yield "Required."
    for conditions in rule.required_when:
        yield f"Required when {' and '.join(str(condition) for condition in conditions)}."
    if "enum" in rule.rule:
        yield f"One of {', '.join(text_of(value) or 'nothing' for value in rule.rule['enum'])}."
    if rule.rule.get("type") == "boolean":
        yield "One of true, false."
    if rule.default:
        yield f"Default: {rule.default}."
    elif rule.default == "" and not rule.required_when:
        yield "Default: none."


def _comment(text: str) -> list[str]:
    return [
        f"# {line}"
        for line in textwrap.wrap(" ".join(text.split()), _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    ]
