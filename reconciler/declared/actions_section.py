"""What ``actions:`` of a ``stack.yaml`` declares. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.declared.documents import KeyPath
from reconciler.declared.yaml_words import shown
from reconciler.model.action import Action
from reconciler.model.duration import parse_duration


def actions_of(values: Mapping[str, Any]) -> tuple[Action, ...]:
    """By name. ``values``: as the schema allows them."""
    return tuple(_action(name, values[name]) for name in sorted(values))


def wrong_actions(values: Any) -> Iterator[tuple[KeyPath, str]]:
    """Where in ``actions``, and what, in words. ``values`` may be anything at all."""
    renewers = dict[str, str]()
    for name, own in values.items() if isinstance(values, dict) else ():
        renews = own.get("renews") if isinstance(own, dict) else None
        if not isinstance(renews, str):
            continue
        first = renewers.setdefault(renews, name)
        if first != name:
            yield (
                (name, "renews"),
                f"{shown(first)} renews {shown(renews)} already; a variable has one action that does",
            )
        for key in ("atInit", "validFor"):
            if own.get(key):
                yield (name, key), "an action that renews a variable runs when somebody asks for it, and prints no link"


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
        renews=values.get("renews", ""),
        check=tuple(values.get("check", ())),
        **given,
    )
