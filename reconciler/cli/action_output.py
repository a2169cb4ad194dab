"""How what an action prints reaches whoever asked: as it comes, or as JSON. Keeps nothing of it."""

from __future__ import annotations

import codecs
import time
from typing import TYPE_CHECKING, TextIO

from reconciler.cli import output
from reconciler.cli.errors import FAILED, INTERRUPTED
from reconciler.model.duration import written_duration
from reconciler.model.moment import iso_moment

if TYPE_CHECKING:
    from reconciler.model.action import Action, ActionEnd

_MOST_COLLECTED = 4 * 1024 * 1024
TIMED_OUT = 3


class Passed:
    """Passes pieces on to a stream: to a pipe as they are, to a terminal without what could steer it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream.buffer
        self._is_terminal = stream.isatty()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, piece: bytes) -> None:
        if self._is_terminal:
            text = self._decoder.decode(piece).replace("\r\n", "\n")
            piece = output.printable(text).encode()
        self._stream.write(piece)
        self._stream.flush()


class Collected:
    """The first megabytes, as a text."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def __call__(self, piece: bytes) -> None:
        self._kept.extend(piece[: max(0, _MOST_COLLECTED - len(self._kept))])

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")


def valid_until(end: ActionEnd, valid_for_s: float) -> str:
    """Counted from its beginning: it may have been made then."""
    until = end.began_at + valid_for_s
    shown = output.local(until) if valid_for_s >= 12 * 3600 else time.strftime("%H:%M:%S", time.localtime(until))
    return f"valid until {shown}, {written_duration(valid_for_s)}"


def as_object(action: Action) -> dict[str, object]:
    return {
        "name": action.name,
        "service": action.service,
        "command": list(action.command),
        "description": action.description,
        "timeoutSeconds": action.timeout_s,
        "validForSeconds": action.valid_for_s,
        "atInit": action.at_init,
        "renews": action.renews,
    }


def ended_object(stack: str, action: Action, end: ActionEnd, fault: str, out: str, errors: str) -> dict[str, object]:
    until = None if action.valid_for_s is None or not end.worked else end.began_at + action.valid_for_s
    return {
        "stack": stack,
        "action": action.name,
        "service": action.service,
        "container": end.container,
        "exitCode": end.status,
        "fault": fault,
        "output": out,
        "errors": errors,
        "beganAt": iso_moment(end.began_at),
        "durationSeconds": round(end.lasted_s, 3),
        "validUntil": iso_moment(until),
    }


def code_of(end: ActionEnd) -> int:
    """The program's exit status."""
    if end.interrupted:
        return INTERRUPTED
    if end.status is None:
        return TIMED_OUT
    return FAILED if end.status else 0
