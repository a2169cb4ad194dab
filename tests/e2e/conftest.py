"""A world for each scenario, or a host for all of a module; what the daemons said is shown when one fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    try:
        yield made
    finally:
        made.clean()
        print(made.logs())


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose daemon runs for all scenarios of a module, each with a stack of its own.

    Nothing is looked for at an interval: what is found in time is found through events.
    """
    made = World(tmp_path_factory.mktemp("host"))
    made.write_settings(interval="1h")
    try:
        with made.daemon():
            yield made
    finally:
        made.clean()
        print(made.logs())
