"""Which image a stack is rendered with that tracks one: what was found for it, or what counts in place of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.cli.wiring import Parts
from reconciler.model.manifest import Manifest
from reconciler.model.source import Revision
from reconciler.model.updates import ImageRecord
from tests.fakes.clock import FakeClock
from tests.fakes.compose import FakeCompose
from tests.fakes.host import FakeHost
from tests.integration.cli_root import Root
from tests.integration.local_git import Work

OLD, NEW = f"r/web:1@sha256:{'a' * 64}", f"r/web:1@sha256:{'b' * 64}"


def record(reference: str) -> ImageRecord:
    name, _, digest = reference.partition("@")
    repository, _, tag = name.rpartition(":")
    return ImageRecord("shop", "web", repository, "digest", tag=tag, digest=digest)


class Stage:
    """A stack whose one service tracks its tag, committed and fetched."""

    def __init__(self, parts: Parts, work: Work) -> None:
        self.parts = parts
        work.write("shop/compose.yaml", "services: {web: {image: 'r/web:1'}}\n")
        work.write("shop/stack.yaml", "updates: {images: {web: {track: digest}}}\n")
        work.commit()
        self.revision: Revision = parts.source.fetch()

    @property
    def manifest(self) -> Manifest:
        (found,) = self.parts.desire.stacks(self.revision).manifests
        return found

    def image(self, **instead: str) -> str:
        (service,) = self.parts.desire.release(self.manifest, self.revision, instead).services
        return service.image


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    root = Root(tmp_path / "root")
    root.layout.settings.write_text(f"source: {{url: {tmp_path}/config}}\n")
    compose = FakeCompose(FakeHost(FakeClock()))
    compose.rendered["shop"] = {"name": "shop", "services": {"web": {"image": "r/web:1"}}}
    monkeypatch.setattr(Parts, "compose", compose)
    with root.journal, closing(Parts(root.layout)) as parts:
        yield Stage(parts, Work(tmp_path / "config"))


def test_before_anything_was_found_it_is_what_git_says_and_that_is_known(stage: Stage) -> None:
    assert stage.image() == "r/web:1"
    assert stage.parts.desire.unknown_images(stage.manifest, stage.revision) == ("web",)


def test_what_was_found_is_what_it_is_rendered_with_although_no_commit_came(stage: Stage) -> None:
    for found in (OLD, NEW):
        stage.parts.journal.updates.save_image(record(found))
        assert stage.image() == found
    assert stage.parts.desire.unknown_images(stage.manifest, stage.revision) == ()
    assert stage.parts.desire.declared_images(stage.manifest, stage.revision) == {"web": "r/web:1"}


def test_an_image_that_is_given_instead_counts_for_that_question_alone(stage: Stage) -> None:
    stage.parts.journal.updates.save_image(record(NEW))
    assert stage.image(web=OLD) == OLD
    assert stage.image() == NEW
