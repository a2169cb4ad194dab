"""What every law below the engine is tried under: nothing is logged anywhere unless a law asks for it, and how long a law
takes says more about the machine than about the law."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings


@pytest.fixture(autouse=True)
def quiet_logging() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


def untimed() -> None:
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
