from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.backup.desk import Desk, make_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with make_desk(tmp_path) as made:
        yield made
