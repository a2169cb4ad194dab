"""A reason to look again. An event shortens the wait until the next pass; it never carries an order.

Level-triggered: a pass compares everything anew and would reach the same plan without the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Trigger(StrEnum):
    SOURCE = "source"  # a ref of the repository moved, or its interval has passed
    ENVIRONMENT = "environment"  # a file in env/ changed
    ENGINE = "engine"  # the engine reported a change of a container, network or image
    CERTIFICATE = "certificate"  # a file in certs/ changed
    REGISTRY = "registry"  # a registry has a newer image
    OBJECT = "object"  # a file under state/objects was touched by somebody else
    UPSTREAMS = "upstreams"  # a file that tells proxies where services are changed
    TIMER = "timer"  # a wait has passed: retry, back-off, resume, periodic look


@dataclass(frozen=True, slots=True)
class Event:
    """``stack`` is None where the event may concern any stack. ``detail`` is for people and logs, never parsed."""

    trigger: Trigger
    stack: str | None = None
    detail: str = ""
    container_id: str | None = None
