"""From ``backups`` of stack.yaml to plans, and what a schema cannot say is wrong with them. Does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.declared.schedules import wrong_cron, wrong_zone
from reconciler.model.backup import SCRIPTS, SERVER_SCRIPTS, VERIFY_MEMORY, BackupPlan, Keep, MaxLoss, Verify
from reconciler.model.duration import parse_duration
from reconciler.model.schedule import Schedule

_NAMED = "engine"  # the key of one that is called by its name
_ENGINES = ("postgres", "mariadb", "volume", _NAMED)


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


def wrong_engines(values: Any, has: Callable[[str], bool]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Engines of the repository that lack a script. ``has``: whether there is such a file in its hooks/."""
    for name, own in values.items() if isinstance(values, dict) else ():
        named = own.get(_NAMED) if isinstance(own, dict) else None
        engine = named.get("name") if isinstance(named, dict) else None
        if isinstance(engine, str):
            needed = (
                *SCRIPTS,
                *(SERVER_SCRIPTS if any(has(f"{engine}/{script}") for script in SERVER_SCRIPTS) else ()),
            )
            for script in needed:
                if not has(f"{engine}/{script}"):
                    yield (
                        (name, _NAMED, "name"),
                        f"there is no file hooks/{engine}/{script} in Git; see docs/backups.md",
                    )
                    break


def wrong_recipients(values: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Recipients with a slip of the pen: each carries a checksum."""
    for name, own in values.items() if isinstance(values, dict) else ():
        encrypt = own.get("encrypt") if isinstance(own, dict) else None
        recipients = encrypt.get("recipients") if isinstance(encrypt, dict) else None
        for index, recipient in enumerate(recipients) if isinstance(recipients, list) else ():
            if isinstance(recipient, str) and recipient.startswith("age1") and not _is_recipient(recipient):
                yield (name, "encrypt", "recipients", index), f'"{recipient}" is mistyped: its checksum is wrong'


def _is_recipient(text: str) -> bool:
    import pyrage

    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return False
    return True


def _plan(name: str, own: Mapping[str, Any]) -> BackupPlan:
    key = next(key for key in _ENGINES if key in own)
    target = own[key]
    return BackupPlan(
        name=name,
        engine=target.get("name", key),
        service=target["service"],
        database=target["database"] if "database" in target else target["path"],
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
        stop=target.get("stop", False),
        recipients=tuple(own.get("encrypt", {}).get("recipients", ())),
        memory=own.get("verifyMemory", VERIFY_MEMORY),
        max_loss=_max_loss(own.get("maxLoss", {})),
    )


def _max_loss(values: Mapping[str, Any]) -> MaxLoss:
    given: dict[str, Any] = {"rows": values["rows"]} if "rows" in values else {}
    if "age" in values:
        given["age_s"] = parse_duration(values["age"])
    return MaxLoss(**given)
