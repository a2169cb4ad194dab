"""Whether the machine is large enough, and its clock right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.requires import Requires
from reconciler.model.size import parse_size, shown_size
from reconciler.preflight import machine
from reconciler.preflight.facts import Capacity, ClockSeen, Disk
from reconciler.preflight.finding import Level

GB = 10**9
WANTED = Requires(cpus=4, memory=8 * GB, disk=50 * GB)
NOON = 1_767_268_800.0
KEPT = ClockSeen(NOON, is_kept=True)


@pytest.mark.parametrize(
    ("seen", "levels"),
    [
        (Capacity(4, 8 * GB), ("ok", "ok")),
        (Capacity(4, int(7.7 * GB)), ("ok", "ok")),  # what an 8 GB machine has left
        (Capacity(2, 4 * GB), ("warning", "warning")),
        (Capacity(8, 7 * GB), ("ok", "warning")),
    ],
)
def test_a_small_machine_is_worth_a_warning_and_never_more(seen: Capacity, levels: tuple[str, str]) -> None:
    assert (machine.cpus(WANTED, seen, "web").level, machine.memory(WANTED, seen, "web").level) == levels


def test_a_disk_that_a_stack_has_filled_itself_is_judged_by_its_size() -> None:
    seen = Disk("/srv", free=10 * GB, size=60 * GB)
    assert machine.disk(WANTED, seen, "web", is_used=False).level is Level.WARNING
    assert machine.disk(WANTED, seen, "web", is_used=True).level is Level.OK


@pytest.mark.parametrize(("free", "level"), [(2 * GB, "ok"), (GB // 2, "warning"), (GB // 10, "error")])
def test_a_disk_that_is_nearly_full_is_an_error_when_state_finds_no_room(free: int, level: str) -> None:
    assert machine.least_disk(Disk("/srv", free, 60 * GB)).level == level


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (KEPT, "ok", "plausible"),
        (replace(KEPT, told_by="git.example.com", told=NOON + 30), "ok", "right, says git.example.com"),
        (replace(KEPT, told_by="git.example.com", told=NOON - 600), "warning", "10 minutes ahead of git.example.com"),
        (replace(KEPT, told_by="git.example.com", told=NOON + 9e6), "error", "104 days behind git.example.com"),
        (replace(KEPT, committed_at=NOON + 7200), "warning", "2 hours behind the newest commit"),
        (replace(KEPT, committed_at=NOON - 9e9), "ok", "plausible"),
        (replace(KEPT, is_kept=False), "warning", "plausible, but nothing keeps it so"),
        (replace(KEPT, is_kept=None), "ok", "plausible"),
    ],
)
def test_a_clock_is_held_against_whoever_knows_better(seen: ClockSeen, level: str, words: str) -> None:
    found = machine.clock(seen)
    assert (found.level, found.found) == (level, words)
    assert bool(found.mend) is (level != "ok")


@pytest.mark.parametrize(
    ("text", "shown"), [("8GB", "8 GB"), ("512MB", "512 MB"), ("1500MB", "1.5 GB"), ("2TB", "2 TB")]
)
def test_a_size_is_shown_as_people_write_it(text: str, shown: str) -> None:
    assert shown_size(parse_size(text)) == shown


@pytest.mark.parametrize("text", ["8", "8 GB", "8gb", "-1GB", "8GiB", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)
