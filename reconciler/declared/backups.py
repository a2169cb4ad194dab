"""From ``backups`` of stack.yaml to plans, and what a schema cannot say is wrong with them. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.declared.schedules import wrong_cron, wrong_zone
from reconciler.model.backup import BackupPlan, Keep, Verify
from reconciler.model.duration import parse_duration
from reconciler.model.schedule import Schedule

ENGINES = ("postgres",)


def plans_of(values: Mapping[str, Any]) -> tuple[BackupPlan, ...]:
    """``values``: as the schema allows them."""
    return tuple(_plan(name, own) for name, own in values.items())


def wrong_schedules(values: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where in ``backups``, and what, in words. ``values`` may be anything at all."""
    for name, own in values.items() if isinstance(values, dict) else ():
        if not isinstance(own, dict):
            continue
        schedule, timezone = own.get("schedule"), own.get("timezone")
        if isinstance(schedule, str) and (why := wrong_cron(schedule)):
            yield (name, "schedule"), why
        if isinstance(timezone, str) and (why := wrong_zone(timezone)):
            yield (name, "timezone"), why


def _plan(name: str, own: Mapping[str, Any]) -> BackupPlan:
    engine = next(engine for engine in ENGINES if engine in own)
    target = own[engine]
    return BackupPlan(
        name=name,
        engine=engine,
        service=target["service"],
        database=target["database"],
        user=target.get("user", ""),
        schedule=Schedule(
            every_s=parse_duration(own["every"]) if "every" in own else None,
            cron=own.get("schedule", ""),
            timezone=own.get("timezone", "UTC"),
            jitter_s=parse_duration(own.get("jitter", "0s")),
        ),
        keep=Keep(**own["keep"]) if "keep" in own else Keep(),
        min_verified=own.get("minVerified", 2),
        verify=Verify(own.get("verify", Verify.RESTORE)),
        max_shrink_percent=own.get("maxShrinkPercent", 50),
    )
