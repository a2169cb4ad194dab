"""In which container an action runs, and what is wrong with actions that no schema can see. Runs nothing."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.action import Action
from reconciler.model.errors import Problem
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Container, Probe, State

# The best first. One without a healthcheck counts as well as it looks.
_BY_HEALTH = (Probe.HEALTHY, Probe.NONE, Probe.STARTING, Probe.UNHEALTHY)


def action_named(manifest: Manifest, name: str) -> Action | None:
    return next((action for action in manifest.actions if action.name == name), None)


def serving(containers: Iterable[Container], stack: str, service: str, digest: str) -> Container | None:
    """The container of ``service`` to run an action in, None where none runs: a healthy one rather than one that is still
    starting, then one of the release that is proven (``digest``: of its definition), then the first."""
    found = [
        container
        for container in containers
        if container.is_ours_of(stack, service) and not container.oneoff and container.state is State.RUNNING
    ]
    return min(found, key=lambda container: _rank(container, digest), default=None)


def _rank(container: Container, digest: str) -> tuple[int, bool, int]:
    return _BY_HEALTH.index(container.probe), container.definition != digest, container.number


def wrong_action_services(
    manifest: Manifest, services: Mapping[str, Any], hint: Callable[[str], str]
) -> Iterator[Problem]:
    """Actions for services that the stack does not have. ``hint``: which may have been meant."""
    file = posixpath.join(manifest.folder, "stack.yaml")
    for action in manifest.actions:
        if action.service not in services:
            message = f'no service of this stack is named "{action.service}"{hint(action.service)}'
            yield Problem(file, 0, f"actions.{action.name}.service", message)
