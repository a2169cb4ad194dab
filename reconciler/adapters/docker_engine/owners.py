"""Answers whose containers those are that were made from a folder: how a root knows itself again whose state was lost."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler import refusals
from reconciler.adapters.docker_engine.connection import Connection
from reconciler.model.desired import LABEL_ROOT

_MADE_FROM = "com.docker.compose.project.working_dir"


def owners(folder: Path) -> frozenset[str]:
    """The values of LABEL_ROOT of all containers whose Compose model lay below ``folder``.

    Raises EngineUnavailableError.
    """
    connection = Connection(os.environ)
    with connection.speaking(lambda *said: refusals.refused("list containers", *said)) as client:
        entries = client.containers(all=True, filters={"label": [LABEL_ROOT]})
    labels = [entry.get("Labels") or {} for entry in entries]
    return frozenset(found[LABEL_ROOT] for found in labels if Path(found.get(_MADE_FROM, "")).is_relative_to(folder))
