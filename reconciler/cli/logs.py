"""How the program logs: lines for people on a terminal, JSON otherwise, on standard error. Holds no secret back itself,
except logins in addresses; what is logged is chosen where it is logged.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

import click

from reconciler.cli.options import Options
from reconciler.cli.output import no_colour, printable
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
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Unfailing(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    warnings.showwarning = _log_warning


def _log_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """A library's warning must not be a line that no program can parse between ours."""
    import structlog

    structlog.get_logger().debug("warning", category=category.__name__, warning=str(message))


class _Unfailing:
    """A stream whose reader may go away (``reconciler run 2>&1 | tee log``, and Ctrl-C ends both): what is logged then is
    lost, but neither a pass nor leaving in order fails of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def level_of(options: Options, *, tells_itself: bool) -> int:
    """``tells_itself``: the command prints what it does and what goes wrong; a log would say it twice."""
    if options.debug:
        return logging.DEBUG
    if tells_itself:
        return logging.INFO if options.verbose else logging.CRITICAL
    return logging.DEBUG if options.verbose else logging.INFO


def _for_people() -> list[Any]:
    import structlog

    return [structlog.processors.format_exc_info, _line]


def _line(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """``2030-01-31T18:00:00 info     fetched  revision=...``. structlog's own renderer takes a key named ``stack`` for a
    stack trace, and shows the local variables of every frame of an exception, which may hold secrets."""
    at, level, name = event.pop("timestamp"), event.pop("level"), event.pop("event")
    exception = event.pop("exception", "")
    pairs = " ".join(f"{key}={_shown(value)}" for key, value in event.items() if value not in ("", None))
    colour = {"error": "red", "critical": "red", "warning": "yellow"}.get(level)
    coloured = f"{level:<8}" if no_colour() or colour is None else click.style(f"{level:<8}", fg=colour)
    line = f"{at[:23]} {coloured} {name}  {pairs}".rstrip()
    return f"{line}\n{exception}".rstrip()


def _shown(value: object) -> str:
    text = printable(str(value))
    return repr(text) if not text or any(character in text for character in " \n=") else text


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
