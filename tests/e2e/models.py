"""Small Compose models of containers that start at once and end quickly: what the scenarios run."""

from __future__ import annotations

from typing import Any

Service = dict[str, Any]
Model = dict[str, Any]

# For a healthcheck: seen to be healthy at once, whatever the interval is afterwards.
PROMPT = {"start_period": "1m", "start_interval": "200ms"}
# Ends at SIGTERM, and until then costs nothing.
LIVE = "trap 'exit 0' TERM; sleep 1d & wait"


def service(**more: Any) -> Service:
    """Runs until it is told to end."""
    return {"image": "rig/busybox:1", "command": ["sh", "-c", LIVE], **more}


def checked(test: list[str] | None = None, **more: Any) -> Service:
    """The same with a healthcheck, which says yes unless ``test`` says otherwise. What is sure to say yes is not asked
    again and again: each time costs a process in the container."""
    often = {"interval": "200ms"} if test else {"interval": "1m", **PROMPT}
    health = {"test": ["CMD", *(test or ["true"])], **often, "timeout": "2s", "retries": 2}
    return service(healthcheck=health, **more)


def script(text: str, **more: Any) -> Service:
    return {"image": "rig/busybox:1", "command": ["sh", "-c", text], **more}


def stack(**services: Service) -> Model:
    return {"services": services}


def version(number: int) -> dict[str, str]:
    """For ``environment``: makes a service another one."""
    return {"VERSION": str(number)}
