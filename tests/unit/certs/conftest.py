"""Hosts for the laws of the keeper, closed when a law is through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.certs.scene import Scene


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def scene(*hosts: str, **more: Any) -> Scene:
        made.append(Scene(tmp_path / str(len(made)), *hosts, **more))
        return made[-1]

    yield scene
    for each in made:
        each.close()


@pytest.fixture
def scene(make: Callable[..., Scene]) -> Scene:
    return make("a.test", "b.test")
