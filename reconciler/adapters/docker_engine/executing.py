"""A command inside a container: begun, and waited for as long as it may take."""

from __future__ import annotations

import time

from reconciler.adapters.docker_engine.connection import Client
from reconciler.model.desired import LifecycleHook
from reconciler.model.errors import WaitingError


def executed(client: Client, container_id: str, hook: LifecycleHook, within_s: float) -> int:
    """Its exit status. Raises WaitingError(reason="HookTimedOut") when it has not ended within the time limit."""
    made = client.exec_create(
        container_id,
        list(hook.command),
        stdout=False,
        stderr=False,
        privileged=hook.privileged,
        user=hook.user,
        workdir=hook.working_dir or None,
        environment=dict(hook.environment) or None,
    )
    client.exec_start(made["Id"], detach=True)
    deadline = time.monotonic() + within_s
    pause_s = 0.01
    while time.monotonic() < deadline:
        state = client.exec_inspect(made["Id"])
        if not state["Running"] and state["ExitCode"] is not None:
            return int(state["ExitCode"])
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.5)
    raise WaitingError(f"{hook.command[0]} has not ended within {within_s:g} s", reason="HookTimedOut")
