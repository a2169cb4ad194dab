"""Laws of following tags: the newest within a range, whatever becomes of it; never an older one than before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reconciler.adapters.git_source import GitSource
from reconciler.model.errors import InvalidInputError, SourceError
from reconciler.model.manifest import SourceSettings
from reconciler.planning.tag_release import choose_tag
from reconciler.settings import load_settings
from tests.integration.local_git import Work


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path / "work")
    made.commit("first", {"README": "hello\n"})
    return made


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mirror.git"


def source_of(work: Work, mirror: Path, within: str = ">=2.0 <3") -> GitSource:
    return GitSource(SourceSettings(url=str(work.folder), tag=within, timeout_s=30.0), mirror)


def release(work: Work, *tags: str, annotated: bool = False) -> str:
    commit = work.commit(f"release {tags[0]}", {"version": tags[0]})
    for tag in tags:
        work.git("tag", *(("--annotate", "--message", tag) if annotated else ()), tag)
    return commit


@pytest.mark.parametrize("annotated", [True, False], ids=["annotated", "lightweight"])
def test_the_newest_tag_within_the_range_is_followed_whatever_the_branch_does(
    work: Work, mirror: Path, annotated: bool
) -> None:
    release(work, "v1.9.0", annotated=annotated)
    wanted = release(work, "v2.10.0", annotated=annotated)
    release(work, "v2.9.0", annotated=annotated)
    release(work, "v3.0.0", "latest", "v2.11.0-rc.1", annotated=annotated)
    work.commit("unreleased", {"version": "none"})
    source = source_of(work, mirror)
    assert source.fetch().commit == wanted
    assert source.fetch().commit == wanted
    newer = release(work, "v2.10.1", annotated=annotated)
    assert source.fetch().commit == newer
    assert source_of(work, mirror).tip() == source.tip()  # after a restart, too
    assert source.revision("v2.10.1").commit == newer
    assert source.revision("main").commit == newer


def test_a_tag_that_is_moved_is_followed_and_said_to_be(work: Work, mirror: Path) -> None:
    release(work, "v2.0.0")
    source = source_of(work, mirror)
    source.fetch()
    moved = work.commit("again", {"version": "again"})
    work.git("tag", "--force", "v2.0.0")
    with capture_logs() as logged:
        assert source.fetch().commit == moved
    assert [entry["tag"] for entry in logged if entry["event"] == "tag_moved"] == ["v2.0.0"]


def test_a_tag_that_is_deleted_stays_followed_until_a_newer_one_is_there(work: Work, mirror: Path) -> None:
    release(work, "v2.0.0")
    wanted = release(work, "v2.1.0")
    source_of(work, mirror).fetch()
    work.git("tag", "--delete", "v2.1.0")
    source = source_of(work, mirror)
    with pytest.raises(SourceError, match=r"v2\.1\.0 is gone") as raised:
        source.fetch()
    assert raised.value.reason == "TagNotFound"
    tip = source.tip()
    assert tip is not None
    assert tip.commit == wanted
    newer = release(work, "v2.1.1")
    assert source.fetch().commit == newer


def test_without_a_tag_in_the_range_it_is_said_what_to_push(work: Work, mirror: Path) -> None:
    release(work, "v1.0.0")
    with pytest.raises(SourceError, match=r"no tag .* within source\.tag, >=2\.0 <3: push one") as raised:
        source_of(work, mirror).fetch()
    assert raised.value.reason == "TagNotFound"


def test_another_range_may_go_to_an_older_tag(work: Work, mirror: Path) -> None:
    older = release(work, "v1.5.0")
    release(work, "v2.0.0")
    source_of(work, mirror).fetch()
    assert source_of(work, mirror, "^1.0").fetch().commit == older


def test_a_mirror_that_is_broken_is_rebuilt_at_the_tag(work: Work, mirror: Path) -> None:
    wanted = release(work, "v2.0.0", annotated=True)
    source = source_of(work, mirror)
    source.fetch()
    shutil.rmtree(mirror / "objects")
    assert source.fetch().commit == wanted


def test_a_branch_can_be_followed_again(work: Work, mirror: Path) -> None:
    release(work, "v2.0.0")
    source_of(work, mirror).fetch()
    commit = work.commit("unreleased", {"version": "none"})
    assert GitSource(SourceSettings(url=str(work.folder), branch="main"), mirror).fetch().commit == commit


@pytest.mark.parametrize(
    ("tags", "followed", "name", "is_gone"),
    [
        (("v2.0.0", "2.1"), "", "2.1", False),
        (("v2.1.0", "2.1"), "", "v2.1.0", False),
        (("main", "v1.0.0"), "", "", False),
        (("v2.0.0",), "v2.1.0", "v2.1.0", True),
        ((), "v2.1.0", "v2.1.0", True),
        (("v2.2.0",), "v2.1.0", "v2.2.0", False),
        (("v2.0.0",), "v3.0.0", "v2.0.0", False),  # another range than before
    ],
)
def test_the_tag_is_chosen(tags: tuple[str, ...], followed: str, name: str, is_gone: bool) -> None:
    found = choose_tag(">=2.0 <3", tags, followed)
    assert (found.name, found.is_gone) == (name, is_gone)


def test_settings_name_a_range_or_a_branch_but_not_both() -> None:
    settings = load_settings(b'source: {url: /srv/config.git, tag: ">=2.0 <3"}\n', "host.yaml")
    assert settings.source.tag == ">=2.0 <3"
    for text in ('tag: "^2", branch: main', 'tag: "two"'):
        with pytest.raises(InvalidInputError, match=r"host\.yaml:1: source"):
            load_settings(f"source: {{url: /srv/config.git, {text}}}\n".encode(), "host.yaml")
