"""The limits that ``docker update`` can set: reads them in one form, and says what to send to have them back. Pure.

The engine takes 0 in an update as "leave it", so most limits cannot be lifted again (measured on 26.1: ``Memory`` -1
is refused, ``NanoCpus`` 0 is ignored). A limit as large as the host limits nothing, so it is read as 0, and lifting a
limit means setting it to that size: a living container is mended without a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.errors import StalledError

Value = str | int

RESTART_NAME = "RestartPolicy.Name"
RESTART_COUNT = "RestartPolicy.MaximumRetryCount"

# The values that Docker documents as what a container has when none is given.
_DEFAULT_CPU_SHARES = 1024
_DEFAULT_CPU_PERIOD_US = 100_000
_DEFAULT_BLKIO_WEIGHT = 500


@dataclass(frozen=True, slots=True)
class Capacity:
    """The host's size: processors, and memory in bytes."""

    cpus: int
    memory: int


def normal(host_config: Mapping[str, Any], capacity: Capacity) -> tuple[tuple[str, Value], ...]:
    """Every key that ``docker update`` can set, sorted; 0 or "" where there is no limit."""
    read: Callable[[str], int] = lambda key: max(int(host_config.get(key) or 0), 0)  # noqa: E731
    memory = read("Memory") if read("Memory") < capacity.memory else 0
    policy = host_config.get("RestartPolicy") or {}
    values: dict[str, Value] = {
        "BlkioWeight": _unless(read("BlkioWeight"), _DEFAULT_BLKIO_WEIGHT),
        "CpuPeriod": _unless(read("CpuPeriod"), _DEFAULT_CPU_PERIOD_US),
        "CpuQuota": read("CpuQuota"),
        "CpuShares": _unless(read("CpuShares"), _DEFAULT_CPU_SHARES),
        "CpusetCpus": _unless_all(str(host_config.get("CpusetCpus") or ""), capacity.cpus),
        "CpusetMems": str(host_config.get("CpusetMems") or ""),
        "Memory": memory,
        "MemoryReservation": read("MemoryReservation"),
        "MemorySwap": int(host_config.get("MemorySwap") or 0) if memory else 0,
        "NanoCpus": read("NanoCpus") if read("NanoCpus") < capacity.cpus * 10**9 else 0,
        "PidsLimit": read("PidsLimit"),
        RESTART_COUNT: int(policy.get("MaximumRetryCount") or 0),
        RESTART_NAME: str(policy.get("Name") or "no"),
    }
    return tuple(sorted(values.items()))


def update_bodies(
    wanted: Mapping[str, Value], host_config: Mapping[str, Any], capacity: Capacity
) -> tuple[dict[str, object], ...]:
    """What to ``POST /containers/{id}/update``, one after the other, so that a container with ``host_config`` reads as
    ``wanted`` (keys as ``normal`` gives them; those left out stay). Raises StalledError for what no engine can undo."""
    now = dict(normal(host_config, capacity))
    target = now | dict(wanted)
    changed = {key for key, value in target.items() if now.get(key) != value}
    body: dict[str, object] = {key: _sent(key, target[key], capacity) for key in sorted(changed - _TOGETHER)}
    if changed & _RESTART:
        body["RestartPolicy"] = {"Name": target[RESTART_NAME], "MaximumRetryCount": target[RESTART_COUNT]}
    if not changed & _MEMORY:
        return (body,) if body else ()
    memory, swap = int(target["Memory"]), int(target["MemorySwap"])
    together = body | _memory(memory, swap, capacity)
    return (together, {"MemorySwap": -1}) if memory and swap == -1 else (together,)


_MEMORY = {"Memory", "MemorySwap"}
_RESTART = {RESTART_NAME, RESTART_COUNT}
_TOGETHER = _MEMORY | _RESTART


def _sent(key: str, value: Value, capacity: Capacity) -> Value:
    if value not in (0, ""):
        return value
    lifted: dict[str, Value] = {
        "BlkioWeight": _DEFAULT_BLKIO_WEIGHT,
        "CpuPeriod": _DEFAULT_CPU_PERIOD_US,
        "CpuQuota": -1,
        "CpuShares": _DEFAULT_CPU_SHARES,
        "CpusetCpus": f"0-{capacity.cpus - 1}" if capacity.cpus > 1 else "0",
        "MemoryReservation": -1,
        "NanoCpus": capacity.cpus * 10**9,
        "PidsLimit": -1,
    }
    if key not in lifted:
        raise StalledError(
            f"{key} cannot be lifted from a container that lives; remove the container, and it is made anew",
            reason="UpdateRefused",
        )
    return lifted[key]


def _memory(memory: int, swap: int, capacity: Capacity) -> dict[str, object]:
    """Both at once, because the engine refuses a memory limit above the swap limit that it still knows; and no swap
    limit (-1) only afterwards, because runc fails on it together with a higher memory limit (cgroup v1). Without a
    swap limit of its own, a container may swap as much as it has memory: the engine's own rule at creation."""
    if not memory:
        return {"Memory": capacity.memory, "MemorySwap": 2 * capacity.memory}
    if swap == -1:
        return {"Memory": memory, "MemorySwap": 2 * max(memory, capacity.memory)}
    return {"Memory": memory, "MemorySwap": swap or 2 * memory}


def _unless(value: int, default: int) -> int:
    return 0 if value == default else value


def _unless_all(cpuset: str, cpus: int) -> str:
    return "" if _cpus_of(cpuset) == frozenset(range(cpus)) else cpuset


def _cpus_of(cpuset: str) -> frozenset[int]:
    found: set[int] = set()
    for part in filter(None, cpuset.split(",")):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
