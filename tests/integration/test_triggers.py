"""Laws of watching: a change on the disk is a reason to look again, at once, and reading is none."""

from __future__ import annotations

import os
import queue
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler import triggers
from reconciler.model.event import Event, Trigger
from reconciler.triggers import FolderWatcher, RefWatcher, stack_of_env_file
from tests.integration.local_git import Work, git

PATIENCE_S = 15.0

Watch = Callable[[RefWatcher | FolderWatcher], None]


class Heard:
    """The events so far, in a queue as the loop has one."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue()

    def __call__(self, event: Event) -> None:
        self.events.put(event)

    def one(self) -> Event:
        """The next event; fails where none comes."""
        return self.events.get(timeout=PATIENCE_S)

    def one_about(self, word: str) -> Event:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            event = self.events.get(timeout=PATIENCE_S)
            if word in event.detail:
                return event
        raise AssertionError(f"no event about {word}")

    def forget(self) -> None:
        while not self.events.empty():
            self.events.get_nowait()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path / "work")
    made.commit("first", {"a": "1"})
    return made


@pytest.fixture
def watch(heard: Heard) -> Iterator[Watch]:
    started: list[RefWatcher | FolderWatcher] = []

    def start(watcher: RefWatcher | FolderWatcher) -> None:
        watcher.start()
        started.append(watcher)

    yield start
    for watcher in started:
        watcher.stop()


def env_watcher(folder: Path, heard: Heard) -> FolderWatcher:
    return FolderWatcher(folder, heard, Trigger.ENVIRONMENT, stack_of_env_file, pattern="*.env")


# --- refs ---


def test_a_commit_is_heard(work: Work, heard: Heard, watch: Watch) -> None:
    watch(RefWatcher(work.folder, heard))
    work.commit("second")
    event = heard.one()
    assert (event.trigger, event.stack) == (Trigger.SOURCE, None)
    assert "heads/main changed" in event.detail


@pytest.mark.parametrize("how", ["bare", "linked work tree", "git file"])
def test_refs_are_found_wherever_git_keeps_them(
    work: Work, heard: Heard, watch: Watch, tmp_path: Path, how: str
) -> None:
    place = tmp_path / "other"
    if how == "bare":
        work.git("clone", "--quiet", "--bare", ".", str(place))
    if how == "linked work tree":
        work.git("worktree", "add", "--quiet", "--detach", str(place))
    if how == "git file":
        work.git("clone", "--quiet", f"--separate-git-dir={tmp_path / 'apart'}", ".", str(place))
    watch(RefWatcher(place, heard))
    if how == "bare":
        work.commit("second")
        work.git("push", "--quiet", str(place), "main")
    else:
        git(place, "-c", "user.name=a", "-c", "user.email=a@b", "branch", "--force", "side")
    assert heard.one().trigger is Trigger.SOURCE


def test_a_branch_that_is_deleted_from_the_packed_refs_is_heard(work: Work, heard: Heard, watch: Watch) -> None:
    work.git("branch", "side")
    work.git("pack-refs", "--all")
    watch(RefWatcher(work.folder, heard))
    work.git("branch", "--delete", "side")
    assert "packed-refs changed" in heard.one_about("packed-refs").detail


def test_work_that_moves_no_ref_is_not_heard(work: Work, heard: Heard, watch: Watch) -> None:
    watch(RefWatcher(work.folder, heard))
    work.write("b", "2")
    work.git("add", "--all")
    work.git("status")
    work.git("log", "-1")
    work.git("branch", "marker")  # the first thing that is heard is the last that was done
    assert "heads/marker" in heard.one().detail


def test_a_repository_that_is_removed_and_made_anew_is_still_watched(work: Work, heard: Heard, watch: Watch) -> None:
    watch(RefWatcher(work.folder, heard))
    shutil.rmtree(work.folder)
    again = Work(work.folder)
    again.commit("anew", {"a": "1"})
    heard.one_about("watching anew")
    _until_heard(heard, lambda: again.commit("second"), "heads/main")


def test_a_repository_that_is_not_there_yet_is_watched_when_it_comes(
    tmp_path: Path, heard: Heard, watch: Watch
) -> None:
    watch(RefWatcher(tmp_path / "later", heard))
    later = Work(tmp_path / "later")
    heard.one_about("watching anew")
    _until_heard(heard, lambda: later.commit("first"), "heads/main")


def _until_heard(heard: Heard, act: Callable[[], object], about: str) -> None:
    """Repeated, as the folder may have been made in more than one step and be watched from the last one on."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        heard.forget()
        act()
        try:
            while about not in heard.events.get(timeout=2).detail:
                pass
            return
        except queue.Empty:
            continue
    raise AssertionError("it is not watched")


# --- folders ---


def test_the_folder_is_made_where_it_is_missing_and_for_its_owner_only(
    tmp_path: Path, heard: Heard, watch: Watch
) -> None:
    watch(env_watcher(tmp_path / "root" / "env", heard))
    assert (tmp_path / "root" / "env").stat().st_mode & 0o777 == 0o700


CHANGES: dict[str, Callable[[Path], object]] = {
    "created": lambda env: (env / "new.env").write_text("A=1"),
    "written": lambda env: (env / "app.env").write_text("A=2"),
    "appended": lambda env: (env / "app.env").open("a").write("B=1\n"),
    "mode": lambda env: (env / "app.env").chmod(0o600),
    "replaced by renaming": lambda env: ((env / "draft").write_text("A=3"), (env / "draft").rename(env / "app.env")),
    "moved in": lambda env: ((env.parent / "x").write_text("A=4"), (env.parent / "x").rename(env / "app.env")),
    "renamed": lambda env: (env / "app.env").rename(env / "app.env.bak"),
    "removed": lambda env: (env / "app.env").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_way_to_change_a_file_is_heard_with_its_stack(
    tmp_path: Path, heard: Heard, watch: Watch, change: Callable[[Path], object]
) -> None:
    env = tmp_path / "env"
    env.mkdir()
    (env / "app.env").write_text("A=1")
    watch(env_watcher(env, heard))
    change(env)
    event = heard.one()
    assert event.trigger is Trigger.ENVIRONMENT
    assert event.stack in ("app", "new")
    assert event.detail.startswith(("env/app.env changed", "env/new.env changed"))


def test_reading_and_other_names_are_not_heard(tmp_path: Path, heard: Heard, watch: Watch) -> None:
    env = tmp_path / "env"
    env.mkdir()
    (env / "app.env").write_text("A=1")
    watch(env_watcher(env, heard))
    (env / "app.env").read_text()
    list(env.iterdir())
    (env / ".app.env.swp").write_text("x")
    (env / "notes.txt").write_text("x")
    (env / ".tmp-1.env").write_text("x")
    (env / "marker.env").write_text("A=1")
    assert heard.one().stack == "marker"


def test_changes_deep_in_a_folder_are_heard_new_folders_included(tmp_path: Path, heard: Heard, watch: Watch) -> None:
    objects = tmp_path / "objects"
    (objects / "1" / "conf" / "sites").mkdir(parents=True)
    (objects / "1" / "conf" / "sites" / "a").write_text("a")
    watch(FolderWatcher(objects, heard, Trigger.OBJECT, lambda _: None))
    (objects / "1" / "conf" / "sites" / "a").write_text("b")
    assert heard.one() == Event(Trigger.OBJECT, detail="objects/1/conf/sites/a changed")
    (objects / "2").mkdir()
    heard.one_about("objects/2 changed")
    _until_heard(heard, lambda: (objects / "2" / "b").write_text("x"), "objects/2/b")


def test_our_own_unfinished_work_is_not_heard(tmp_path: Path, heard: Heard, watch: Watch) -> None:
    objects = tmp_path / "objects"
    (objects / "1").mkdir(parents=True)
    watch(FolderWatcher(objects, heard, Trigger.OBJECT, lambda _: None))
    (objects / "1" / ".tmp-x").mkdir()
    (objects / "1" / ".tmp-x" / "file").write_text("x")
    (objects / "1" / ".tmp-x" / "file").rename(objects / "1" / "file")
    assert heard.one().detail == "objects/1/file changed"


def test_a_folder_that_is_removed_is_made_anew_and_watched(tmp_path: Path, heard: Heard, watch: Watch) -> None:
    env = tmp_path / "env"
    watch(env_watcher(env, heard))
    shutil.rmtree(env)
    heard.one_about("watching anew")
    _until_heard(heard, lambda: (env / "app.env").write_text("A=1"), "app.env")


def test_a_folder_made_anew_with_the_inode_of_the_old_one_is_watched(
    tmp_path: Path,
    heard: Heard,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """File systems hand out a number again as soon as it is free: then nothing but the watch's own end tells."""
    monkeypatch.setattr(triggers, "_identity", lambda _: (1, 1))
    env = tmp_path / "env"
    watch(env_watcher(env, heard))
    env.rmdir()
    env.mkdir(exist_ok=True)
    heard.one_about("watching anew")
    _until_heard(heard, lambda: (env / "app.env").write_text("A=1"), "app.env")


def test_a_folder_that_was_replaced_by_another_is_watched(tmp_path: Path, heard: Heard, watch: Watch) -> None:
    env, other = tmp_path / "env", tmp_path / "other"
    other.mkdir()
    watch(env_watcher(env, heard))
    env.rename(tmp_path / "old")
    other.rename(env)
    heard.one_about("watching anew")
    _until_heard(heard, lambda: (env / "app.env").write_text("A=1"), "app.env")


def test_where_the_kernel_lets_nobody_watch_it_looks_now_and_then(
    tmp_path: Path,
    heard: Heard,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(triggers, "Observer", refuse)
    monkeypatch.setattr(triggers, "_BLIND_LOOK_EVERY_S", 0.01)
    watch(env_watcher(tmp_path / "env", heard))
    assert "cannot watch, so looking" in heard.one().detail
    monkeypatch.undo()
    heard.one_about("watching anew")
    _until_heard(heard, lambda: (tmp_path / "env" / "app.env").write_text("A=1"), "app.env")


def test_nothing_is_heard_after_the_end(tmp_path: Path, heard: Heard) -> None:
    watcher = env_watcher(tmp_path / "env", heard)
    watcher.start()
    watcher.stop()
    (tmp_path / "env" / "app.env").write_text("A=1")
    os.sync()
    assert heard.events.empty()
    watcher.stop()


def test_a_name_of_an_env_file_is_its_stack() -> None:
    assert stack_of_env_file(Path("upsignon.env")) == "upsignon"
    assert stack_of_env_file(Path("upsignon.renewal.json")) == "upsignon"
    assert stack_of_env_file(Path(".env")) is None
