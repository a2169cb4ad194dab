"""What is wrong with a cron expression or the name of a time zone, in words. Does no I/O but to look zones up."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_A_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def wrong_cron(text: str) -> str:
    """ "" where nothing is."""
    if len(text.split()) != 5:
        return f'"{text}": write five fields: minute, hour, day of the month, month, day of the week, as in "0 3 * * *"'
    try:
        CronSim(text, _A_DAY)
    except CronSimError as error:
        return f'"{text}": {str(error).lower()}; write five fields, as in "0 3 * * *"'
    return ""


def wrong_zone(name: str) -> str:
    """ "" where nothing is."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return f'there is no time zone "{name}"; write one such as Europe/Paris'
    return ""
