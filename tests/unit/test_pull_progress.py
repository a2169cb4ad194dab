"""A pull says enough, and not too much."""

from __future__ import annotations

from reconciler.adapters.docker_engine.pull_progress import PullProgress
from tests.fakes.clock import FakeClock


def message(layer: str, status: str, came: int = 0, total: int = 0) -> dict[str, object]:
    return {"id": layer, "status": status, "progressDetail": {"current": came, "total": total} if total else {}}


def test_a_line_now_and_then_tells_how_far_it_is() -> None:
    clock, lines = FakeClock(), list[str]()
    progress = PullProgress("shop:1", lines.append, clock.monotonic)
    progress.take({"status": "Pulling from shop", "id": "1"})
    for megabytes in range(100):
        progress.take(message("a", "Downloading", megabytes * 10**6, 100 * 10**6))
        clock.advance(0.1)
    progress.take(message("b", "Already exists"))
    clock.advance(2)
    progress.take(message("a", "Download complete"))
    clock.advance(2)
    progress.take(message("a", "Pull complete"))
    assert lines[0] == "pulling shop:1"
    assert lines[1] == "pulling shop:1: 10.0 of 100.0 MB, 0 of 1 layers done"
    assert lines[-1] == "pulling shop:1: 100.0 of 100.0 MB, 2 of 2 layers done"
    assert len(lines) <= 14


def test_nothing_new_is_not_said_again() -> None:
    clock, lines = FakeClock(), list[str]()
    progress = PullProgress("shop:1", lines.append, clock.monotonic)
    for _ in range(100):
        progress.take({"status": "Waiting", "id": "a"})
        clock.advance(5)
    assert lines == ["pulling shop:1"]
