"""Writing images back: just the image, whatever the file looks like; pushed without force; and nothing comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from reconciler.adapters.git_source import GitSource
from reconciler.adapters.journal import SqliteJournal
from reconciler.model.manifest import SourceSettings
from reconciler.model.updates import ImagePolicy, ImageRecord, Track, Updates, WriteBack
from reconciler.planning.pinning import pin_of
from reconciler.plumbing import publishing
from reconciler.updates.editing import CannotEditError, Places, edited
from reconciler.updates.writing import WriteBacks, Written
from tests.builders import manifest, release
from tests.fakes.clock import FakeClock
from tests.integration.local_git import Work, git

WEB = ImageRecord("shop", "web", "example.com/web", "semver", tag="2.1.0", digest="sha256:ab")
PIN = "example.com/web:2.1.0@sha256:ab"


def edit(compose: str, env: str | None = None, by_host: frozenset[str] = frozenset()) -> dict[str, str]:
    files = {"compose.yaml": compose, **({} if env is None else {"stack.env": env})}
    places = Places(("compose.yaml",), ("stack.env",), by_host)
    return dict(edited(WEB, places, files.get))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("image: example.com/web:2.0.0", f"image: {PIN}"),
        ("image:   'example.com/web:2.0.0'   # the shop", f"image:   '{PIN}'   # the shop"),
        ('image: "example.com/web:2.0.0"', f'image: "{PIN}"'),
        ("image: ${WEB_IMAGE:-example.com/web:2.0.0}", f"image: ${{WEB_IMAGE:-{PIN}}}"),
        ('image: "example.com/web:${TAG-2.0.0}"', 'image: "example.com/web:${TAG-2.1.0@sha256:ab}"'),
    ],
)
def test_just_the_image_changes_and_all_else_stays_byte_by_byte(before: str, after: str) -> None:
    frame = (
        "# Größe\nservices:\n\n  db: {image: 'example.com/web:2.0.0'}\n  web:   # first\n    {}\n    ports: [ '80' ]\n"
    )
    assert edit(frame.replace("{}", before)) == {"compose.yaml": frame.replace("{}", after)}


def test_what_is_written_already_changes_nothing() -> None:
    assert edit(f"services: {{web: {{image: '{PIN}'}}}}\n") == {}


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        (
            "# images\nWEB_IMAGE=example.com/web:2.0.0 # pinned\nOTHER=1\n",
            f"# images\nWEB_IMAGE={PIN} # pinned\nOTHER=1\n",
        ),
        ("export WEB_IMAGE = 'old'\n", f"export WEB_IMAGE = '{PIN}'\n"),
        ("WEB_IMAGE=\n", f"WEB_IMAGE={PIN}\n"),
        ("WEB_IMAGE=first\nWEB_IMAGE=second", f"WEB_IMAGE=first\nWEB_IMAGE={PIN}"),
    ],
)
def test_a_variable_is_changed_in_the_env_file_that_sets_it(env: str, wanted: str) -> None:
    assert edit("services: {web: {image: '${WEB_IMAGE}'}}\n", env) == {"stack.env": wanted}


def test_of_a_tag_in_a_variable_the_tag_is_written() -> None:
    compose = "services: {web: {image: 'example.com/web:${TAG}'}}\n"
    assert edit(compose, "TAG=2.0.0\n") == {"stack.env": "TAG=2.1.0@sha256:ab\n"}


@pytest.mark.parametrize(
    ("compose", "env", "words"),
    [
        ("services: {db: {image: x}}\n", None, "none of compose.yaml writes services.web.image"),
        ("services: {web: {image: '${WEB_IMAGE}'}}\n", None, "in no env file"),
        ("services: {web: {image: '${HOST_IMAGE}'}}\n", None, "by this host itself"),
        ("services: {web: {image: '${REPO}/web:2'}}\n", None, "put together from variables"),
        ("services: {web: {image: '${T}', labels: {v: '${T}'}}}\n", "T=1\n", "used 2 times"),
        ("x-i: &i example.com/web:2\nservices: {web: {image: *i}, db: {image: *i}}\n", None, "shared with others"),
        ("services: {web: &web {image: x:1}, db: *web}\n", None, "shared with others"),
    ],
)
def test_what_cannot_be_written_alone_is_left_and_says_why(compose: str, env: str | None, words: str) -> None:
    with pytest.raises(CannotEditError, match=words):
        edit(compose, env, frozenset({"HOST_IMAGE"}))


def test_what_was_written_is_what_runs_so_no_release_comes_of_it() -> None:
    for policy in (ImagePolicy(Track.DIGEST), ImagePolicy(Track.SEMVER, "^2")):
        assert pin_of(PIN, policy, WEB) == PIN


class Stage:
    def __init__(self, folder: Path) -> None:
        self.work = Work(folder / "work")
        self.work.commit("first", {"shop/compose.yaml": "services:\n  web:\n    image: example.com/web:2.0.0  # us\n"})
        self.remote = folder / "remote.git"
        self.work.git("clone", "--quiet", "--bare", ".", str(self.remote))
        self.work.git("remote", "add", "origin", str(self.remote))
        self.source = GitSource(SourceSettings(url=str(self.remote), timeout_s=30.0), folder / "state" / "mirror.git")
        self.source.fetch()
        self.journal = SqliteJournal(folder / "state.db", synchronous="OFF")
        self.journal.updates.save_image(WEB)
        self.clock = FakeClock()
        self.backs = WriteBacks(self.source, self.journal.updates, self.journal, self.clock)

    def turn(self, branch: str = "", image: str = PIN) -> float:
        updates = Updates(
            images=MappingProxyType({"web": ImagePolicy(Track.SEMVER, "^2")}), write_back=WriteBack(branch)
        )
        applied = release({"web": {"image": image}})
        return self.backs.turn([Written(replace(manifest(), updates=updates), applied, frozenset())])

    def file(self, branch: str = "main") -> str:
        return git(self.remote, "show", f"{branch}:shop/compose.yaml")

    def told(self) -> list[str]:
        return [event.reason for event in self.journal.events(stack="shop")]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.journal.close()


def test_a_proven_image_is_committed_once(stage: Stage) -> None:
    stage.turn()
    stage.turn()
    assert stage.file() == f"services:\n  web:\n    image: {PIN}  # us"
    assert git(stage.remote, "log", "--format=%an %s", "-2", "main") == "reconciler shop: web to 2.1.0\nAnn first"
    assert stage.told() == ["WrittenBack"]


def test_an_image_that_is_not_proven_is_not_written(stage: Stage) -> None:
    stage.turn(image="example.com/web:2.0.0@sha256:aa")
    assert "2.0.0" in stage.file()


def test_another_branch_begins_at_the_tip_and_is_added_to(stage: Stage) -> None:
    stage.turn(branch="images")
    stage.journal.updates.save_image(replace(WEB, tag="2.2.0", digest="sha256:cd"))
    stage.turn(branch="images", image="example.com/web:2.2.0@sha256:cd")
    assert "2.2.0@sha256:cd" in stage.file("images")
    assert "2.0.0" in stage.file("main")
    assert len(git(stage.remote, "log", "--format=%h", "images").splitlines()) == 3


def test_what_somebody_pushed_meanwhile_is_kept(stage: Stage) -> None:
    stage.work.commit("theirs", {"shop/README": "hello\n"})
    stage.work.git("push", "--quiet", "origin", "main")
    stage.turn()
    assert PIN in stage.file()
    assert git(stage.remote, "show", "main:shop/README") == "hello"


def test_a_push_that_is_refused_is_said_once_and_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = stage.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected branch >&2\nexit 1\n")
    hook.chmod(0o755)
    for made in range(3):
        # Each is another commit.
        monkeypatch.setitem(publishing._AUTHOR, "GIT_COMMITTER_DATE", f"{1_700_000_000 + made} +0000")
        stage.clock.advance(stage.turn() + 1)
    assert stage.told() == ["WriteBackFailed"]
    (event,) = stage.journal.events(stack="shop")
    assert "does not take a commit to main" in event.message
    assert "protected branch" in event.message
    hook.unlink()
    stage.turn()
    assert PIN in stage.file()
    assert stage.told()[-1] == "WrittenBack"


def test_a_file_that_has_no_such_image_any_more_is_a_matter_for_somebody(stage: Stage) -> None:
    stage.work.commit("renamed", {"shop/compose.yaml": "services: {server: {image: x}}\n"})
    stage.work.git("push", "--quiet", "origin", "main")
    stage.turn()
    assert stage.told() == ["WriteBackFailed"]
