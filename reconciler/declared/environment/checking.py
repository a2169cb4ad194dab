"""Holds a stack's environment against its ``env.schema.json``: all that is wrong, and what may be a slip, at once.

No message holds a value. Each ends with what the variable is for, in brackets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.declared.environment.values import wrong_value
from reconciler.declared.yaml_words import shown
from reconciler.model.environment import Condition, Environment, EnvironmentSchema, Setting, VariableRule
from reconciler.model.errors import Problem
from reconciler.planning.environment import is_aside
from reconciler.planning.nearest import nearest


@dataclass(frozen=True, slots=True)
class Verdict:
    """``warnings``: they stop nothing."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def check_environment(schema: EnvironmentSchema, environment: Environment) -> Verdict:
    unknown = [
        setting
        for setting in environment.settings.values()
        if setting.host and setting.name not in schema.variables and not is_aside(setting.name)
    ]
    missing = _missing(schema, environment, unknown) if environment.whole else ()
    problems = [*_wrong_values(schema, environment), *missing]
    strange = [_unknown(setting, schema, environment) for setting in unknown]
    if schema.closed:
        return Verdict(tuple(sorted([*problems, *strange])))
    return Verdict(tuple(sorted(problems)), tuple(sorted(strange)))


def _wrong_values(schema: EnvironmentSchema, environment: Environment) -> Iterator[Problem]:
    for name, rule in schema.variables.items():
        setting = environment.settings.get(name)
        why = wrong_value(rule, setting.value) if setting is not None and setting.value else ""
        if setting is not None and why:
            yield _problem(setting, rule, why)


def _missing(schema: EnvironmentSchema, environment: Environment, unknown: list[Setting]) -> Iterator[Problem]:
    for name, rule in schema.variables.items():
        if environment.value(name) or name in environment.to_make:
            continue
        why = "required" if rule.required else _needed_because(rule, environment)
        if why:
            setting = environment.missing(name)
            how = "set to nothing" if setting.line else "not set"
            yield _problem(setting, rule, f"{how}, but {why}{_meant(name, setting, unknown, schema)}")


def _needed_because(rule: VariableRule, environment: Environment) -> str:
    for conditions in rule.required_when:
        if all(_holds(condition, environment) for condition in conditions):
            return f"required, because {' and '.join(str(condition) for condition in conditions)}"
    return ""


def _holds(condition: Condition, environment: Environment) -> bool:
    value = environment.value(condition.name)
    return value in condition.values if condition.values else bool(value)


def _meant(name: str, setting: Setting, unknown: list[Setting], schema: EnvironmentSchema) -> str:
    """How to mend it: by the line that is nearly right, by the one that is empty, or by a new one."""
    slip = next((other for other in unknown if nearest(other.name, schema.variables) == name), None)
    if slip is not None:
        return f'; line {slip.line} sets "{shown(slip.name)}", is that a slip?'
    return f": write its value behind {name}=" if setting.line else f": add {name}=... to the file"


def _unknown(setting: Setting, schema: EnvironmentSchema, environment: Environment) -> Problem:
    near = nearest(setting.name, schema.variables)
    there = environment.settings.get(near or "")
    which = f", which {there.file}:{there.line} sets" if there is not None else ""
    mend = f'; did you mean "{near}"{which}?' if near is not None else ""
    message = f"{schema.file} knows no such variable{mend}"
    return Problem(setting.file, setting.line, shown(setting.name), message)


def _problem(setting: Setting, rule: VariableRule, why: str) -> Problem:
    return Problem(setting.file, setting.line, setting.name, f"{why} ({rule.description})")
