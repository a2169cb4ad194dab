"""What ``actions:`` of a ``stack.yaml`` declares. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.action import Action
from reconciler.model.duration import parse_duration


def actions_of(values: Mapping[str, Any]) -> tuple[Action, ...]:
    """By name. ``values``: as the schema allows them."""
    return tuple(_action(name, values[name]) for name in sorted(values))


def _action(name: str, values: Mapping[str, Any]) -> Action:
    given: dict[str, Any] = {key: values[key] for key in ("description", "user") if key in values}
    if "timeout" in values:
        given["timeout_s"] = parse_duration(values["timeout"])
    if "validFor" in values:
        given["valid_for_s"] = parse_duration(values["validFor"])
    return Action(
        name=name,
        service=values["service"],
        command=tuple(values["command"]),
        environment=tuple(sorted(values.get("env", {}).items())),
        variables=tuple(values.get("variables", ())),
        at_init=values.get("atInit", False),
        **given,
    )
