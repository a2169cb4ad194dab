"""A signal to a container's first process, past the engine: where it runs on this very machine, and we may.

The engine takes every signal that it is asked to send (``docker kill``, HUP as well) for a wish to end the container, and
never restarts it by itself afterwards, whatever its restart policy: seen with engine 26.1.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def is_signalled(details: Mapping[str, Any], name: str) -> bool:
    """``details``: what the engine says of the container. False where it must be asked to do it."""
    process = (details.get("State") or {}).get("Pid") or 0
    number = getattr(signal, name, None)
    if not process or number is None:
        return False
    try:
        handle = os.pidfd_open(process)
    except OSError:
        return False
    try:
        # Held by its handle, so that no other process can take its number between the look and the signal.
        if not _is_of(process, str(details.get("Id"))):
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _is_of(process: int, container: str) -> bool:
    """By its control groups. Another engine's process of that number, or one in another namespace, is not."""
    try:
        return bool(container) and container in Path(f"/proc/{process}/cgroup").read_text()
    except OSError:
        return False
