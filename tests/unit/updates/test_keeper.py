"""What is known of tracked images: asked once a slot, kept whatever goes wrong, told when it turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

from reconciler.adapters.journal import SqliteJournal
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.model.schedule import Schedule
from reconciler.model.updates import ImagePolicy, Track, Updates
from reconciler.planning.image_reference import ImageReference
from reconciler.updates.keeper import Asked, Keeper, Tracked
from tests.fakes.clock import FakeClock

HOUR, DAY = 3600.0, 86400.0
NIGHTLY = Schedule(cron="0 1 * * *", timezone="Europe/Paris")


class Shelf:
    """Stands in for all registries: digests by tag of the one repository. ``trouble``: raised instead of any answer."""

    def __init__(self) -> None:
        self.images = {"live": "sha256:a"}
        self.trouble: ReconcilerError | None = None
        self.asked = 0

    def digest(self, image: ImageReference, tag: str) -> str:
        self.asked += 1
        if self.trouble:
            raise self.trouble
        if tag not in self.images:
            raise WaitingError(f"the tag {tag} is not (or no longer) in {image.path}", reason="TagNotFound")
        return self.images[tag]

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        self.asked += 1
        if self.trouble:
            raise self.trouble
        return tuple(self.images)


class Stage:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(now=1_767_268_800.0)  # 2026-01-01 12:00 UTC
        self.shelf = Shelf()
        self.passes: list[tuple[str, str]] = []
        self.updates = Updates(images=MappingProxyType({"web": ImagePolicy(Track.DIGEST)}), schedule=NIGHTLY)
        self.declared = "example.com/shop:live"
        self.start()

    def start(self) -> None:
        self.journal = SqliteJournal(self.folder / "state.db", synchronous="OFF")
        self.keeper = Keeper(
            self.shelf, self.journal.updates, self.journal, self.clock, lambda *news: self.passes.append(news)
        )

    def restart(self) -> None:
        self.journal.close()
        self.start()

    @property
    def tracked(self) -> Tracked:
        return Tracked("shop", self.updates, {"web": self.declared})

    def turn(self, **asked: frozenset[str]) -> float:
        return self.keeper.turn([self.tracked], Asked(**asked))

    @property
    def image(self) -> str:
        return self.journal.updates.images("shop")[0].reference

    @property
    def problem(self) -> str:
        return self.journal.updates.images("shop")[0].problem

    def told(self) -> list[str]:
        return [event.reason for event in self.journal.events(stack="shop")]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.journal.close()


def test_an_image_is_looked_for_at_once_and_then_once_a_slot_also_across_restarts(stage: Stage) -> None:
    wait_s = stage.turn()
    assert stage.image == "example.com/shop:live@sha256:a"
    assert wait_s == 12 * HOUR  # until 01:00 in Paris
    stage.shelf.images["live"] = "sha256:b"
    for _ in range(3):
        stage.turn()
        stage.restart()
    stage.clock.advance(12 * HOUR - 1)
    stage.turn()
    assert (stage.shelf.asked, stage.image) == (1, "example.com/shop:live@sha256:a")
    stage.clock.advance(1)
    stage.turn()
    stage.restart()
    stage.turn()
    assert (stage.shelf.asked, stage.image) == (2, "example.com/shop:live@sha256:b")
    assert stage.passes == [("shop", "web is live now"), ("shop", "web is live now")]


def test_a_clock_that_is_set_back_asks_nothing_twice(stage: Stage) -> None:
    stage.turn()
    stage.clock.set_wall_clock(stage.clock.now() - 6 * HOUR)
    stage.turn()
    assert stage.shelf.asked == 1


@pytest.mark.parametrize(
    "trouble",
    [
        WaitingError("example.com does not answer", reason="RegistryUnavailable"),
        WaitingError("example.com answers 429", reason="RateLimited", retry_after_s=900.0),
        WaitingError("the tag live is not (or no longer) in shop", reason="TagNotFound"),
        StalledError("example.com does not let this host read", reason="RegistryDenied"),
    ],
    ids=lambda error: error.reason,
)
def test_whatever_a_registry_says_what_was_taken_stays_and_it_is_told_once(
    stage: Stage, trouble: ReconcilerError
) -> None:
    stage.turn()
    stage.shelf.trouble = trouble
    stage.clock.advance(DAY)
    for _ in range(5):
        stage.clock.advance(max(1.0, stage.turn()))
        stage.restart()
    assert stage.image == "example.com/shop:live@sha256:a"
    assert stage.problem == str(trouble)
    assert stage.told().count("ImageLookFailed") == 1
    stage.shelf.trouble = None
    stage.clock.advance(2 * HOUR)
    stage.turn()
    assert stage.problem == ""
    assert stage.told()[-1] == "ImageLookRecovered"


def test_a_registry_that_limits_is_left_alone_for_as_long_as_it_says(stage: Stage) -> None:
    stage.shelf.trouble = WaitingError("429", reason="RateLimited", retry_after_s=900.0)
    assert stage.turn() >= 900.0
    stage.clock.advance(899.0)
    stage.turn(by_hand=frozenset({"shop"}))
    assert stage.shelf.asked == 1
    stage.clock.advance(3.0)
    stage.turn(by_hand=frozenset({"shop"}))
    assert stage.shelf.asked == 2


def test_of_a_registry_that_is_away_one_image_is_asked_for_and_not_each(stage: Stage) -> None:
    policy = ImagePolicy(Track.DIGEST)
    stage.updates = Updates(images={"web": policy, "worker": policy, "db": policy}, schedule=NIGHTLY)
    stage.shelf.trouble = WaitingError("away", reason="RegistryUnavailable")
    stage.keeper.turn([Tracked("shop", stage.updates, dict.fromkeys(stage.updates.images, stage.declared))])
    assert stage.shelf.asked == 1
    assert [found.problem for found in stage.journal.updates.images("shop")] == ["away"] * 3


def test_a_registry_that_stays_away_is_asked_ever_more_seldom(stage: Stage) -> None:
    stage.updates = Updates(images=stage.updates.images, schedule=Schedule(every_s=30 * DAY))
    stage.shelf.trouble = WaitingError("away", reason="RegistryUnavailable")
    ends = stage.clock.now() + DAY
    while stage.clock.now() < ends:
        stage.clock.advance(max(1.0, min(stage.turn(), 60.0)))
    assert 20 <= stage.shelf.asked <= 60


def test_an_image_that_is_old_enough_while_its_registry_is_away_makes_nobody_ask_again_and_again(stage: Stage) -> None:
    stage.updates = Updates(images=stage.updates.images, schedule=NIGHTLY, min_age_s=HOUR)
    stage.turn()
    stage.shelf.images["live"] = "sha256:b"
    stage.turn(by_hand=frozenset({"shop"}))
    stage.shelf.trouble = WaitingError("away", reason="RegistryUnavailable")
    stage.clock.advance(2 * HOUR)
    stage.turn()
    asked = stage.shelf.asked
    assert stage.turn() > 1.0
    assert stage.shelf.asked == asked


def test_another_tag_or_policy_in_git_is_looked_for_at_once(stage: Stage) -> None:
    stage.turn()
    stage.declared, stage.shelf.images["next"] = "example.com/shop:next", "sha256:n"
    stage.turn()
    assert stage.image == "example.com/shop:next@sha256:n"
    stage.shelf.images["2.1.0"] = "sha256:v"
    stage.updates = Updates(images={"web": ImagePolicy(Track.SEMVER, within="^2.0")}, schedule=NIGHTLY)
    stage.turn()
    assert stage.image == "example.com/shop:2.1.0@sha256:v"


def test_a_version_that_is_gone_is_kept_and_said_until_a_higher_one_is_there(stage: Stage) -> None:
    stage.updates = Updates(images={"web": ImagePolicy(Track.SEMVER, within="^2.0")}, schedule=NIGHTLY)
    stage.shelf.images = {"2.0.0": "sha256:a", "2.1.0": "sha256:b"}
    stage.turn()
    del stage.shelf.images["2.1.0"]
    for _ in range(3):
        stage.clock.advance(DAY)
        stage.turn()
    assert stage.image == "example.com/shop:2.1.0@sha256:b"
    assert "the tag 2.1.0 is no longer in example.com/shop" in stage.problem
    assert stage.told().count("ImageLookFailed") == 1
    stage.shelf.images["2.1.1"] = "sha256:c"
    stage.clock.advance(DAY)
    stage.turn()
    assert (stage.image, stage.problem) == ("example.com/shop:2.1.1@sha256:c", "")


def test_nothing_is_known_of_another_repository(stage: Stage) -> None:
    stage.turn()
    stage.declared = "example.com/other:live"
    stage.shelf.trouble = WaitingError("away", reason="RegistryUnavailable")
    stage.turn()
    assert stage.image == ""


def test_an_image_that_waits_to_be_old_enough_is_taken_when_it_is(stage: Stage) -> None:
    stage.updates = Updates(images=stage.updates.images, schedule=NIGHTLY, min_age_s=30 * HOUR)
    stage.turn()
    stage.shelf.images["live"] = "sha256:b"
    stage.clock.advance(12 * HOUR)
    stage.turn()
    assert stage.image.endswith("sha256:a")
    (known,) = stage.journal.updates.images("shop")
    assert (known.waits_for, known.waits_until) == ("example.com/shop:live@sha256:b", stage.clock.now() + 30 * HOUR)
    assert stage.told()[-1] == "ImageWaits"
    stage.clock.advance(30 * HOUR)
    stage.turn()
    assert stage.image.endswith("sha256:b")


def test_a_pass_that_could_not_have_an_image_makes_a_look_but_not_one_each_time(stage: Stage) -> None:
    """The tag moved, and what it meant at the last look is gone: there is a successor."""
    stage.turn()
    stage.shelf.images["live"] = "sha256:b"
    stage.turn(failing=frozenset({"shop"}))
    assert stage.shelf.asked == 1
    stage.clock.advance(61.0)
    stage.turn(failing=frozenset({"shop"}))
    assert stage.image.endswith("sha256:b")


def test_a_service_that_is_no_longer_tracked_is_forgotten(stage: Stage) -> None:
    stage.turn()
    stage.keeper.turn([Tracked("shop", stage.updates, {})])
    assert stage.journal.updates.images("shop") == ()


def test_a_preview_writes_nothing_down(stage: Stage) -> None:
    stage.turn()
    stage.shelf.images["live"] = "sha256:b"
    assert [found.digest for found in stage.keeper.preview(stage.tracked)] == ["sha256:b"]
    assert stage.image.endswith("sha256:a")
