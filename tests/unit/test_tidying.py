"""Laws of tidying: what no kept release names goes, what may be in use stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.adapters.journal import SqliteJournal
from reconciler.adapters.release_store import ReleaseFiles
from reconciler.execution.observe import Snapshot
from reconciler.execution.shelf import Shelf
from reconciler.execution.tidying import Tidier
from reconciler.model.desired import Release
from reconciler.model.observed import Container
from reconciler.model.record import Outcome, StackRecord
from reconciler.model.source import EntryKind, TreeEntry
from tests.builders import made, manifest, release
from tests.fakes.engine import FakeEngine
from tests.fakes.host import FakeHost


class World:
    """A host of which only the shelf and the journal are real. ``collected``: what each collecting was told to keep."""

    def __init__(self, root: Path, **kept: int) -> None:
        (root / "state").mkdir()
        self.journal = SqliteJournal(root / "state" / "state.db", synchronous="OFF")
        self.commits: set[str] = set()
        self.containers: list[Container] = []
        self.collected: list[frozenset[str]] = []
        self.shelf = Shelf(self.journal, ReleaseFiles(root), self.commits.add, self.commits.discard, **kept)
        self.engine = FakeHost()
        self.tidier = Tidier(
            source=cast(Any, self),
            objects=cast(Any, self),
            journal=self.journal,
            images=self.journal.images,
            shelf=self.shelf,
            observer=cast(Any, self),
            engine=FakeEngine(self.engine),
        )

    def look(self) -> Snapshot:
        return Snapshot(tuple(self.containers), ())

    def kept(self) -> frozenset[str]:
        return frozenset(self.commits)

    def release(self, commit: str) -> None:
        self.commits.discard(commit)

    def collect(self, keep: frozenset[str]) -> None:
        self.collected.append(keep)

    def apply(self, version: str) -> Release:
        """A release of its own commit, which mounts an object of its own; it runs."""
        found = release({"web": {"image": f"web:{version}"}})
        for name, image_id in found.images.items():
            self.engine.add_image(name, image_id)
        entry = TreeEntry(f"shop/{version}", EntryKind.FILE, f"object-{version}")
        opened = self.shelf.open(replace(found, revision=version, objects=(entry,)), manifest(), "", "", 0.0)
        self.shelf.close(opened, Outcome.APPLIED, 0.0)
        record = StackRecord(
            opened.stack, applied_release=opened.number, applied_revision=version, attempted_revision=version
        )
        self.journal.save_stack(record)
        self.shelf.tidy(opened.stack, record)
        self.containers = [made(opened, "web")]
        return opened


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.journal.close()


def test_objects_and_commits_of_releases_that_nobody_can_go_back_to_are_let_go(world: World) -> None:
    for number in range(1, 14):
        world.apply(f"v{number}")
    world.tidier.tidy()
    newest = {f"v{number}" for number in range(4, 14)}
    assert world.collected == [frozenset(f"object-{version}" for version in newest)]
    assert world.commits == newest


def test_a_commit_that_a_status_names_is_kept(world: World) -> None:
    world.apply("v1")
    world.commits |= {"newer", "forgotten"}
    record = world.journal.stack("shop")
    assert record is not None
    world.journal.save_stack(replace(record, applied_revision="newer"))
    world.tidier.tidy()
    assert world.commits == {"v1", "newer"}


def test_nothing_is_collected_while_a_container_of_ours_is_of_no_kept_release(world: World) -> None:
    world.apply("v1")
    world.containers.append(replace(world.containers[0], id="lost", definition="of a release whose record was lost"))
    world.tidier.tidy()
    assert world.collected == []
    world.containers[-1] = replace(world.containers[-1], owned=False)
    world.tidier.tidy()
    assert len(world.collected) == 1


def releases(world: World, count: int, brought: bool = True) -> None:
    for number in range(1, count + 1):
        for name, image_id in world.apply(f"v{number}").images.items():
            if brought:
                world.journal.images.save_brought(image_id, name)


def test_an_image_goes_with_the_last_release_that_ran_it(world: World) -> None:
    releases(world, 12)
    world.tidier.tidy()
    assert {*world.engine.images} == {f"web:v{number}" for number in range(3, 13)}
    assert len(world.journal.images.brought()) == 10


def test_an_image_that_was_there_before_us_stays(world: World) -> None:
    releases(world, 12, brought=False)
    world.tidier.tidy()
    assert len(world.engine.images) == 12


def test_an_image_that_somebody_else_named_stays(world: World) -> None:
    releases(world, 12)
    world.engine.add_image("theirs:1", world.engine.images["web:v1"])
    world.tidier.tidy()
    assert {*world.engine.images} == {"theirs:1", "web:v1"} | {f"web:v{number}" for number in range(3, 13)}


def test_no_image_goes_while_a_container_of_ours_is_of_no_kept_release(world: World) -> None:
    releases(world, 12)
    world.containers.append(replace(world.containers[0], id="lost", definition="of a release whose record was lost"))
    world.tidier.tidy()
    assert len(world.engine.images) == 12


def test_an_image_that_is_gone_already_is_forgotten(world: World) -> None:
    world.journal.images.save_brought("sha256:gone", "web:old")
    world.tidier.tidy()
    assert world.journal.images.brought() == {}


def test_as_many_releases_are_kept_as_the_host_says(tmp_path: Path) -> None:
    world = World(tmp_path, kept=3)
    releases(world, 5)
    world.tidier.tidy()
    assert {*world.engine.images} == {"web:v3", "web:v4", "web:v5"}
    world.journal.close()
