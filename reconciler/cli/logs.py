"""How the program logs: lines for people on a terminal, JSON otherwise, on standard error. Holds no secret back itself,
except logins in addresses; what is logged is chosen where it is logged.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from reconciler.cli.output import no_colour
from reconciler.model.remote import redacted


def configure(level: int) -> None:
    """``level``: of the standard library's ``logging``; what is below it is dropped."""
    with _rich_hidden():
        import structlog

    on_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not on_terminal),
            _without_logins,
            *(_for_people() if on_terminal else _for_programs()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def level_of(*, verbose: bool, debug: bool, default: int) -> int:
    """Verbose is one step more than the command's own."""
    if debug:
        return logging.DEBUG
    return default - 10 if verbose else default


def _for_people() -> list[Any]:
    import structlog

    # Its default shows the local variables of every frame, and those may hold secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=not no_colour(), exception_formatter=plain, pad_event_to=0)]


def _for_programs() -> list[Any]:
    import structlog

    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _without_logins(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redacted(value)
    return event


@contextmanager
def _rich_hidden() -> Iterator[None]:
    """structlog imports rich where it is installed, for tracebacks that we do not want: 4 MB of the daemon's memory
    and 50 ms of every start. Whoever imports rich afterwards gets it."""
    if "rich" in sys.modules or "structlog" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # documented: makes the import raise ImportError
    try:
        yield
    finally:
        del sys.modules["rich"]
