"""Laws of kept releases: what Compose is handed is what was saved, or nothing is handed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import MappingProxyType

import pytest

from reconciler.adapters.release_store import ReleaseFiles
from reconciler.model.errors import StalledError, WaitingError

CONTENT = {
    "model": {"name": "shop", "services": {"web": {"image": "web:1", "environment": {"KEY": "geheim é"}}}},
    "digest": "sha256:1",
    "images": {"web": "sha256:77"},
}


@pytest.fixture
def releases(tmp_path: Path) -> ReleaseFiles:
    return ReleaseFiles(tmp_path)


def test_a_release_is_loaded_as_it_was_saved(releases: ReleaseFiles, tmp_path: Path) -> None:
    path = releases.save("shop", 7, CONTENT)
    assert path == tmp_path / "state" / "releases" / "shop" / "7" / "compose.json" == releases.model_path("shop", 7)
    assert json.loads(path.read_text(encoding="utf-8")) == CONTENT["model"]
    assert releases.load("shop", 7) == CONTENT


def test_it_is_known_which_ones_are_there(releases: ReleaseFiles, tmp_path: Path) -> None:
    assert releases.numbers("shop") == frozenset()
    for stack, number in (("shop", 1), ("shop", 12), ("shop", 3), ("other", 4)):
        releases.save(stack, number, CONTENT)
    releases.remove("shop", 1)
    (tmp_path / "state" / "releases" / "shop" / "3" / "compose.json").unlink()
    assert releases.numbers("shop") == {12}


def test_read_only_values_are_saved_as_what_they_hold(releases: ReleaseFiles) -> None:
    releases.save("shop", 1, {"model": MappingProxyType({"services": ({"a": 1},)}), "names": frozenset({"b", "a"})})
    assert releases.load("shop", 1) == {"model": {"services": [{"a": 1}]}, "names": ["a", "b"]}


def test_saving_again_replaces_and_leaves_nothing_beside(releases: ReleaseFiles) -> None:
    releases.save("shop", 1, CONTENT)
    path = releases.save("shop", 1, {**CONTENT, "model": {"services": {}}})
    assert releases.load("shop", 1)["model"] == {"services": {}}
    assert sorted(found.name for found in path.parent.iterdir()) == ["compose.json", "release.json"]


def test_saving_the_same_again_writes_nothing(releases: ReleaseFiles) -> None:
    path = releases.save("shop", 1, CONTENT)
    before = path.stat().st_ino
    releases.save("shop", 1, CONTENT)
    assert path.stat().st_ino == before


def test_nobody_else_may_read_them_whatever_the_umask(releases: ReleaseFiles, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = releases.save("shop", 1, CONTENT)
    finally:
        os.umask(old)
    assert [found.stat().st_mode & 0o777 for found in path.parent.iterdir()] == [0o600, 0o600]
    for folder in (path.parent, path.parent.parent, tmp_path / "state" / "releases", tmp_path / "state"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_release_that_is_not_kept_is_told_with_what_to_do(releases: ReleaseFiles) -> None:
    with pytest.raises(StalledError, match=r"Release 9 of shop is not kept.*history") as caught:
        releases.load("shop", 9)
    assert caught.value.reason == "ReleaseMissing"


@pytest.mark.parametrize("name", ["compose.json", "release.json"])
@pytest.mark.parametrize("damage", ["", "{", '{"services": {}}', "[]", "\udce9"])
def test_a_damaged_release_is_never_handed_to_compose(releases: ReleaseFiles, name: str, damage: str) -> None:
    path = releases.save("shop", 1, CONTENT)
    path.with_name(name).write_bytes(damage.encode("utf-8", "surrogateescape"))
    with pytest.raises(StalledError, match="is damaged") as caught:
        releases.load("shop", 1)
    assert caught.value.reason == "ReleaseBroken"
    assert "geheim" not in str(caught.value)
    releases.save("shop", 1, CONTENT)
    assert releases.load("shop", 1) == CONTENT


def test_killed_between_the_two_files_no_mixture_is_loaded(
    releases: ReleaseFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.save("shop", 1, CONTENT)
    put_in_place = os.replace

    def killed_before_the_second(source: Path, target: Path) -> None:
        if target.name == "release.json":
            raise KeyboardInterrupt
        put_in_place(source, target)

    monkeypatch.setattr(os, "replace", killed_before_the_second)
    changed = {**CONTENT, "model": {"services": {}}}
    with pytest.raises(KeyboardInterrupt):
        releases.save("shop", 1, changed)
    monkeypatch.undo()
    with pytest.raises(StalledError, match="is damaged"):
        releases.load("shop", 1)
    releases.save("shop", 1, changed)
    assert releases.load("shop", 1) == changed


def test_removing_is_fine_twice_and_takes_the_empty_folder_along(releases: ReleaseFiles) -> None:
    first = releases.save("shop", 1, CONTENT)
    releases.save("shop", 2, CONTENT)
    releases.remove("shop", 1)
    releases.remove("shop", 1)
    assert not first.parent.exists()
    assert releases.load("shop", 2) == CONTENT
    releases.remove("shop", 2)
    assert not first.parent.parent.exists()


@pytest.mark.parametrize("stack", ["", "..", "../etc", "a/b", ".hidden"])
def test_no_name_leads_out_of_the_folder(releases: ReleaseFiles, stack: str) -> None:
    with pytest.raises(StalledError, match="cannot name a stack"):
        releases.save(stack, 1, CONTENT)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder belongs")
    with pytest.raises(WaitingError, match="state/releases/shop/1 cannot be written") as caught:
        ReleaseFiles(tmp_path).save("shop", 1, CONTENT)
    assert caught.value.reason == "ReleaseUnsaved"
