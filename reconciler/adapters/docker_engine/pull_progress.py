"""What people see of a pull: the engine's many messages folded into a line now and then. No I/O of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

_SECONDS_BETWEEN_LINES = 1.0
_DONE = ("Pull complete", "Already exists")


class PullProgress:
    """``told`` gets a line at once, then at most one a second, and none after the end."""

    def __init__(
        self, reference: str, told: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reference = reference
        self._told = told
        self._monotonic = monotonic
        self._last_at: float | None = None
        self._last_line = ""
        self._layers: dict[str, tuple[int, int]] = {}  # bytes that came, of bytes in all
        self._done: set[str] = set()

    def take(self, message: Mapping[str, Any]) -> None:
        """One message of the engine's stream."""
        self._count(message)
        now = self._monotonic()
        if self._last_at is not None and now - self._last_at < _SECONDS_BETWEEN_LINES:
            return
        line = self._line()
        if line != self._last_line:
            self._last_at, self._last_line = now, line
            self._told(line)

    def _count(self, message: Mapping[str, Any]) -> None:
        layer, status = str(message.get("id") or ""), str(message.get("status") or "")
        if not layer or status.startswith("Pulling from"):
            return
        detail = message.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
        elif status == "Download complete" and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
        elif status.startswith(_DONE):
            self._done.add(layer)
        self._layers.setdefault(layer, (0, 0))

    def _line(self) -> str:
        came, total = (sum(column) for column in zip(*self._layers.values(), strict=True)) if self._layers else (0, 0)
        if not total:
            return f"pulling {self._reference}"
        return (
            f"pulling {self._reference}: {_megabytes(came)} of {_megabytes(total)} MB, "
            f"{len(self._done)} of {len(self._layers)} layers done"
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
