"""What both sides run: services that start at once and end at once, so that what is measured is the tool."""

from __future__ import annotations

import json
from typing import Any

from reconciler.adapters.compose.find import usable

_COMMAND = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"]


def model(count: int, generation: int, all_of_them: bool = False) -> str:
    """``count`` services; the first one, or each, has another environment in each generation."""
    services: dict[str, Any] = {
        f"s{number:03}": {"image": "rig/busybox:1", "command": _COMMAND, "stop_grace_period": "2s"}
        for number in range(count)
    }
    for service in list(services.values()) if all_of_them else [services["s000"]]:
        service["environment"] = {"GENERATION": str(generation)}
    return json.dumps({"services": services})


def newest_compose() -> tuple[str, ...]:
    """The Compose that the product uses, so that both sides use the same."""
    import os

    return usable(os.environ)[0].command
