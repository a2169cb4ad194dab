"""From ``updates`` of stack.yaml to values, and what a schema cannot say is wrong with them. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from reconciler.declared.documents import KeyPath
from reconciler.declared.schedules import wrong_cron, wrong_zone
from reconciler.model.duration import parse_duration
from reconciler.model.schedule import Schedule
from reconciler.model.updates import HOURLY, Gate, ImagePolicy, Track, Updates, Window, WriteBack
from reconciler.planning.versions import wrong_range

_LONGEST_PATTERN = 500


def updates_of(values: Mapping[str, Any]) -> Updates:
    """``values``: as the schema allows them."""
    images = {name: _policy(own) for name, own in values.get("images", {}).items()}
    return Updates(
        images=MappingProxyType(images),
        schedule=_schedule(values),
        min_age_s=parse_duration(values.get("minAge", "0s")),
        windows=tuple(_window(own, values.get("timezone", "UTC")) for own in values.get("windows", ())),
        manual=values.get("approval") == "manual",
        write_back=WriteBack(values["writeBack"].get("branch", "")) if "writeBack" in values else None,
    )


def wrong_updates(values: Any) -> Iterator[tuple[KeyPath, str]]:
    """Where in ``updates``, and what, in words. ``values`` may be anything at all."""
    if not isinstance(values, dict):
        return
    yield from _wrong(values, (), {"schedule": wrong_cron, "timezone": wrong_zone})
    images, windows = values.get("images"), values.get("windows")
    for name, own in images.items() if isinstance(images, dict) else ():
        rules = {"semver": wrong_range, "pattern": _wrong_pattern, "newest": _wrong_pattern}
        yield from _wrong(own, ("images", name), rules)
    for index, own in enumerate(windows) if isinstance(windows, list) else ():
        yield from _wrong(own, ("windows", index), {"allow": wrong_cron, "deny": wrong_cron, "timezone": wrong_zone})


def _wrong(values: Any, path: KeyPath, rules: Mapping[str, Callable[[str], str]]) -> Iterator[tuple[KeyPath, str]]:
    for key, rule in rules.items():
        text = values.get(key) if isinstance(values, dict) else None
        if isinstance(text, str) and text and (why := rule(text)):
            yield (*path, key), why


def _wrong_pattern(text: str) -> str:
    if len(text) > _LONGEST_PATTERN:
        return f"it is longer than {_LONGEST_PATTERN} characters"
    try:
        re.compile(text)
    except re.error as error:
        return f'"{text}" is no regular expression: {error}'
    return ""


def _policy(own: Mapping[str, Any]) -> ImagePolicy:
    if "semver" in own:
        return ImagePolicy(Track.SEMVER, within=own["semver"], pattern=own.get("pattern", ""))
    if "newest" in own:
        return ImagePolicy(Track.NEWEST, pattern=own["newest"])
    return ImagePolicy(Track.DIGEST)


def _schedule(values: Mapping[str, Any]) -> Schedule:
    jitter_s = parse_duration(values.get("jitter", "0s"))
    if "schedule" in values:
        return Schedule(cron=values["schedule"], timezone=values.get("timezone", "UTC"), jitter_s=jitter_s)
    every_s = parse_duration(values["every"]) if "every" in values else HOURLY.every_s
    return Schedule(every_s=every_s, jitter_s=jitter_s)


def _window(own: Mapping[str, Any], timezone: str) -> Window:
    return Window(
        allow="allow" in own,
        cron=own.get("allow") or own["deny"],
        duration_s=parse_duration(own["duration"]),
        timezone=own.get("timezone", timezone),
        gates=frozenset(Gate(name) for name in own["for"]) if "for" in own else frozenset(Gate),
    )
