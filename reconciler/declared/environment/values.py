"""Whether a text may be the value of a variable, and what it should be instead. Never tells the text.

A variable is a text, and its rule a JSON Schema: the text is read as the type that the rule wants, and jsonschema judges
what comes of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from reconciler.declared.environment import formats
from reconciler.declared.validation import not_matching
from reconciler.model.environment import VariableRule

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_TRUTHS = {"true": True, "false": False}
_YES, _NO = ("yes", "on", "y", "1", "true"), ("no", "off", "n", "0", "false")


def text_of(value: object) -> str:
    """A value of JSON as a variable has it."""
    return value if isinstance(value, str) else json.dumps(value)


def wrong_value(rule: VariableRule, text: str) -> str:
    """ "" where nothing is."""
    errors = sorted(_validator().evolve(schema=_as_told(rule.rule)).iter_errors(_read_as(rule.rule, text)), key=_weight)
    if not errors:
        return ""
    return f"{_told(errors[0], rule, text)}{_slip(text)}"


def _as_told(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The words of JSON Schema alone; texts that JSON could have written as another type are held as that type is."""
    kept = {key: value for key, value in rule.items() if key in _KEYWORDS}
    kept.setdefault("type", "string")
    if "enum" in kept:
        kept["enum"] = [_read_as(kept, text_of(value)) for value in kept["enum"]]
    return kept


def _read_as(rule: Mapping[str, Any], text: str) -> Any:
    """``text`` itself where it cannot be read as that type, which then is what is wrong."""
    match rule.get("type"):
        case "integer":
            return int(text) if _INTEGER.fullmatch(text) else text
        case "number":
            return float(text) if _NUMBER.fullmatch(text) else text
        case "boolean":
            return _TRUTHS.get(text, text)
    return text


def _format(validator: Any, form: str, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if formats.wrong(form, text_of(value)):
        yield ValidationError("does not have the format")


@cache
def _validator() -> Any:
    dialect = extend(Draft202012Validator, {"pattern": not_matching, "format": _format})
    return dialect({})


def _weight(error: Any) -> int:
    """Of several things that are wrong, the one that explains most comes first."""
    return _KEYWORDS.index(error.validator)


_KEYWORDS = ("format", "type", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern")


def _told(error: Any, rule: VariableRule, text: str) -> str:
    bound = error.validator_value
    match error.validator:
        case "type":
            return _of_type(bound, text)
        case "format":
            return formats.wrong(bound, text)
        case "enum":
            return f"expected {_either(rule.rule['enum'])}"
        case "minimum":
            return f"expected {_number(rule)} from {bound} on"
        case "maximum":
            return f"expected {_number(rule)} up to {bound}"
        case "minLength":
            return f"it has {_characters(len(text))}; at least {bound} are wanted"
        case "maxLength":
            return f"it has {_characters(len(text))}; at most {bound} are taken"
        case _:
            title = rule.rule.get("title")
            return f"expected {title}" if title else f"it does not match {bound}"


def _number(rule: VariableRule) -> str:
    return "a whole number" if rule.rule.get("type") == "integer" else "a number"


def _of_type(wanted: str, text: str) -> str:
    if wanted == "boolean":
        word = "true" if text.lower() in _YES else "false" if text.lower() in _NO else ""
        return f"expected true or false; write {word}" if word else "expected true or false"
    return "expected a whole number such as 7" if wanted == "integer" else "expected a number such as 0.5"


def _either(values: list[Any]) -> str:
    *most, last = (text_of(value) or "nothing" for value in values)
    return f"{', '.join(most)} or {last}" if most else last


def _characters(count: int) -> str:
    return f"{count} character{'' if count == 1 else 's'}"


def _slip(text: str) -> str:
    """What nobody means to write, and nobody sees."""
    if text != text.strip():
        return "; there is a blank at its beginning or end"
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return "; the quotes are part of the value, take one pair away"
    return ""
