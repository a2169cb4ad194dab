"""Laws of the copies that containers mount: exactly what Git holds, proven without Git, mended in place."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.adapters.git_tree import GitTree
from reconciler.adapters.object_store import ObjectStore
from reconciler.model.errors import SourceError, StalledError, WaitingError
from reconciler.model.source import EntryKind, Revision, TreeEntry
from reconciler.plumbing import checkout
from reconciler.plumbing.fingerprint import Mark, scan, tree_id
from tests.integration.local_git import Work, git


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path / "work")
    made.write("app/conf/nginx.conf", "worker 1;\n")
    made.write("app/conf/sites/a.conf", "a\n")
    made.write("app/conf/sites.d/b.conf", "b\n")
    made.write("app/conf/run.sh", "#!/bin/sh\n", mode=0o755)
    made.link("app/conf/sites/current", "../nginx.conf")
    made.write("app/same-as-run", "#!/bin/sh\n")
    made.commit()
    return made


SETTLED_NS = 20_000_000  # still longer than a tick of any Linux, and tests need not wait as long as a server can


@pytest.fixture
def store(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setattr("reconciler.adapters.object_store._SETTLED_NS", SETTLED_NS)
    return ObjectStore(tmp_path / "objects", work.folder / ".git")


def entry(work: Work, path: str) -> TreeEntry:
    tree = work.git("rev-parse", "HEAD^{tree}")
    return GitTree(work.folder / ".git").entries(Revision("0" * 40, tree, "", "", 0))[path]


def settle(path: Path) -> None:
    """As if it had been written long ago: the clock of the file system ticks slower than tests run."""
    deadline = time.monotonic() + 10
    newest = max(item.lstat().st_ctime_ns for item in (path, *path.rglob("*")))
    while time.time_ns() - newest <= SETTLED_NS and time.monotonic() < deadline:
        time.sleep(0.005)


def writable(path: Path) -> Path:
    """Root may write anyway; other users' tests need this, too."""
    path.chmod(0o755 if path.is_dir() else 0o644)
    return path


# --- where and what ---


def test_the_path_is_known_before_anything_is_written(work: Work, store: ObjectStore, tmp_path: Path) -> None:
    conf, script = entry(work, "app/conf"), entry(work, "app/conf/run.sh")
    assert store.path(conf) == tmp_path / "objects" / conf.object_id / "conf"
    assert store.path(script) == tmp_path / "objects" / f"{script.object_id}-x" / "run.sh"
    assert not (tmp_path / "objects").exists()


def test_one_content_as_a_file_and_as_a_program_are_two_copies(work: Work, store: ObjectStore) -> None:
    script, text = entry(work, "app/conf/run.sh"), entry(work, "app/same-as-run")
    assert script.object_id == text.object_id
    assert stat.S_IMODE(store.ensure(script).stat().st_mode) == 0o755
    assert stat.S_IMODE(store.ensure(text).stat().st_mode) == 0o644
    assert store.verify([script, text]) == ()


def test_a_folder_is_copied_whole_with_the_modes_of_a_checkout(work: Work, store: ObjectStore) -> None:
    path = store.ensure(entry(work, "app/conf"))
    found = {str(item.relative_to(path)): oct(stat.S_IMODE(item.lstat().st_mode)) for item in (path, *path.rglob("*"))}
    del found["sites/current"]
    assert found == {
        ".": "0o755",
        "nginx.conf": "0o644",
        "run.sh": "0o755",
        "sites": "0o755",
        "sites/a.conf": "0o644",
        "sites.d": "0o755",
        "sites.d/b.conf": "0o644",
    }
    assert os.readlink(path / "sites/current") == "../nginx.conf"
    assert (path / "sites/current").read_text() == "worker 1;\n"


def test_the_whole_repository_can_be_mounted(work: Work, store: ObjectStore) -> None:
    path = store.ensure(entry(work, ""))
    assert (path / "app/conf/nginx.conf").read_text() == "worker 1;\n"
    assert store.verify([entry(work, "")]) == ()


def test_what_is_there_is_neither_written_nor_asked_for_again(
    work: Work, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = entry(work, "app/conf")
    inode = store.ensure(conf).stat().st_ino
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    assert store.ensure(conf).stat().st_ino == inode
    assert store.verify([conf]) == ()


def test_a_content_that_is_not_what_its_id_says_never_gets_in(work: Work, store: ObjectStore, tmp_path: Path) -> None:
    """The mirror's disk lies: zlib and the index agree, the content is another."""
    text = entry(work, "app/same-as-run")
    place = work.folder / ".git/objects" / text.object_id[:2] / text.object_id[2:]
    other = entry(work, "app/conf/nginx.conf").object_id
    place.chmod(0o600)
    shutil.copy(work.folder / ".git/objects" / other[:2] / other[2:], place)
    with pytest.raises(SourceError):
        store.ensure(text)
    assert not store.path(text).exists()
    assert list(store.path(text).parent.iterdir()) == []


@pytest.mark.parametrize("target", ["../../outside", "/etc/passwd", "sites/../../same-as-run"])
def test_a_folder_with_a_link_out_of_itself_is_refused(work: Work, store: ObjectStore, target: str) -> None:
    work.link("app/conf/out", target)
    work.commit()
    with pytest.raises(StalledError, match=r"app/conf/out: is a symbolic link to .* which leads out of the mounted"):
        store.ensure(entry(work, "app/conf"))
    assert not store.path(entry(work, "app/conf")).exists()


def test_a_submodule_and_a_bare_link_are_refused(work: Work, store: ObjectStore) -> None:
    commit = work.git("rev-parse", "HEAD")
    work.git("update-index", "--add", "--cacheinfo", f"160000,{commit},app/conf/module")
    work.git("commit", "--quiet", "--message", "a submodule")
    for path in ("app/conf", "app/conf/module"):
        with pytest.raises(StalledError, match="app/conf/module: is a Git submodule"):
            store.ensure(entry(work, path))
    with pytest.raises(StalledError, match="is a symbolic link"):
        store.ensure(entry(work, "app/conf/sites/current"))


# --- telling a change ---

CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda conf: writable(conf / "nginx.conf").write_text("worker 9;\n"),
    "content of the same size and time": lambda conf: same_size_and_time(conf / "nginx.conf"),
    "appended": lambda conf: writable(conf / "nginx.conf").open("a").write("x"),
    "mode of a file": lambda conf: (conf / "nginx.conf").chmod(0o600),
    "mode of a folder": lambda conf: (conf / "sites").chmod(0o777),
    "mode of the folder itself": lambda conf: conf.chmod(0o700),
    "foreign file": lambda conf: (writable(conf) / "new").write_text("x"),
    "foreign folder": lambda conf: (writable(conf) / "new").mkdir(),
    "foreign pipe": lambda conf: os.mkfifo(writable(conf) / "pipe"),
    "foreign socket": lambda conf: a_socket(writable(conf) / "sock"),
    "missing file": lambda conf: (writable(conf) / "nginx.conf").unlink(),
    "missing folder": lambda conf: checkout.remove(writable(conf) / "sites"),
    "file became a link": lambda conf: become(writable(conf) / "nginx.conf", lambda path: path.symlink_to("run.sh")),
    "file became a folder": lambda conf: become(writable(conf) / "nginx.conf", Path.mkdir),
    "file became a pipe": lambda conf: become(writable(conf) / "nginx.conf", os.mkfifo),
    "folder became a link": lambda conf: become(writable(conf) / "sites", lambda path: path.symlink_to("/etc")),
    "folder became a file": lambda conf: become(writable(conf) / "sites", Path.touch),
    "link leads elsewhere": lambda conf: become(
        writable(conf / "sites") / "current", lambda path: path.symlink_to("/etc/shadow")
    ),
    "everything": checkout.remove,
    "became a file": lambda conf: become(conf, Path.touch),
    "became a link": lambda conf: become(conf, lambda path: path.symlink_to("/etc")),
}


def same_size_and_time(path: Path) -> None:
    before = path.stat()
    writable(path).write_text("worker 9;\n")
    path.chmod(0o644)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def become(path: Path, make: Callable[[Path], object]) -> None:
    checkout.remove(path)
    make(path)


def a_socket(path: Path) -> None:
    """Its name may be longer than a socket's address can be."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("was_known", [True, False], ids=["known", "after a restart"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_folder_is_told_and_restored(
    work: Work, store: ObjectStore, change: Callable[[Path], object], was_known: bool, tmp_path: Path
) -> None:
    conf = entry(work, "app/conf")
    path = store.ensure(conf)
    if was_known:
        settle(path)
        assert store.verify([conf]) == ()
    change(path)
    if not was_known:
        store = ObjectStore(tmp_path / "objects", work.folder / ".git")
    assert store.verify([conf]) == (conf,)
    store.restore(conf)
    assert store.verify([conf]) == ()
    assert git(work.folder, "rev-parse", "HEAD:app/conf") == tree_id(scan(path, 40, 10**6), 40)


FILE_CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda path: writable(path).write_text("worker 9;\n"),
    "longer": lambda path: writable(path).write_text("worker 9;\n" * 1000),
    "empty": lambda path: writable(path).write_text(""),
    "mode": lambda path: path.chmod(0o600),
    "made a program": lambda path: path.chmod(0o755),
    "missing": Path.unlink,
    "became a folder": lambda path: become(path, Path.mkdir),
    "became a link": lambda path: become(path, lambda place: place.symlink_to("/etc/passwd")),
    "became a pipe": lambda path: become(path, os.mkfifo),
}


@pytest.mark.parametrize("change", FILE_CHANGES.values(), ids=FILE_CHANGES.keys())
def test_a_changed_file_is_told_and_restored(work: Work, store: ObjectStore, change: Callable[[Path], object]) -> None:
    file = entry(work, "app/conf/nginx.conf")
    path = store.ensure(file)
    settle(path)
    assert store.verify([file]) == ()
    change(path)
    assert store.verify([file]) == (file,)
    store.restore(file)
    assert store.verify([file]) == ()
    assert path.read_text() == "worker 1;\n"
    assert not path.is_symlink()


def test_the_inodes_that_containers_have_mounted_stay(work: Work, store: ObjectStore) -> None:
    file, conf = entry(work, "app/conf/nginx.conf"), entry(work, "app/conf")
    mounted = [store.ensure(file), store.ensure(conf), store.path(conf) / "sites", store.path(conf) / "nginx.conf"]
    inodes = [path.stat().st_ino for path in mounted]
    for path in (mounted[0], mounted[3]):
        writable(path).write_text("changed")
    (writable(mounted[1]) / "new").write_text("x")
    for changed in store.verify([file, conf]):
        store.restore(changed)
    assert [path.stat().st_ino for path in mounted] == inodes
    assert store.verify([file, conf]) == ()


def test_a_program_that_runs_is_mended_all_the_same(work: Work, store: ObjectStore) -> None:
    program = Path(shutil.which("sleep") or "/bin/sleep").read_bytes()
    work.write("app/prog", program, mode=0o755)
    work.commit()
    prog = entry(work, "app/prog")
    path = store.ensure(prog)
    path.chmod(0o700)
    with subprocess.Popen([str(path), "600"]) as running:
        try:
            assert store.verify([prog]) == (prog,)
            store.restore(prog)
            assert store.verify([prog]) == ()
        finally:
            running.kill()


def test_restoring_never_writes_through_a_link_or_to_a_second_name(
    work: Work, store: ObjectStore, tmp_path: Path
) -> None:
    """A container owns its mounts: it may put a link to the host's own files where we are going to write."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("precious", "a.conf"):
        (outside / name).write_text("precious")
        (outside / name).chmod(0o600)
    conf = entry(work, "app/conf")
    path = store.ensure(conf)
    writable(path)
    become(path / "sites", lambda place: place.symlink_to(outside))
    become(path / "nginx.conf", lambda place: os.link(outside / "precious", place))
    store.restore(conf)
    assert store.verify([conf]) == ()
    assert {item.name: item.read_text() for item in outside.iterdir()} == {
        "precious": "precious",
        "a.conf": "precious",
    }
    assert (outside / "precious").stat().st_mode & 0o777 == 0o600


def test_an_unchanged_copy_is_not_read_again(work: Work, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = entry(work, "app/conf")
    settle(store.ensure(conf))
    assert store.verify([conf]) == ()
    monkeypatch.setattr("reconciler.adapters.object_store.scan", lambda *_: pytest.fail("it was read again"))
    assert store.verify([conf]) == ()


def test_a_copy_that_changed_just_now_is_read_again(
    work: Work, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of the file system's clock a second change leaves no trace in the times. The ticks of newer
    kernels are too fine to be met by a test, so here is one that lasts as long as the test."""
    stopped_ns = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr("reconciler.adapters.object_store.mark", lambda path: Mark(((str(path),),), stopped_ns))
    file = entry(work, "app/conf/nginx.conf")
    path = store.ensure(file)
    assert store.verify([file]) == ()
    writable(path).write_text("worker 9;\n")
    assert store.verify([file]) == (file,)


def test_a_missing_copy_is_told(work: Work, store: ObjectStore) -> None:
    conf = entry(work, "app/conf")
    assert store.verify([conf]) == (conf,)


def test_a_restore_that_the_mirror_cannot_serve_is_told(work: Work, store: ObjectStore, tmp_path: Path) -> None:
    file = entry(work, "app/conf/nginx.conf")
    path = store.ensure(file)
    writable(path).write_text("changed")
    with pytest.raises(SourceError):
        ObjectStore(tmp_path / "objects", tmp_path / "nowhere").restore(file)
    assert path.read_text() == "changed"


# --- collecting ---


def test_what_no_release_names_is_collected(work: Work, tmp_path: Path) -> None:
    objects = tmp_path / "objects"
    kept, script, gone = entry(work, "app/conf"), entry(work, "app/conf/run.sh"), entry(work, "app/conf/nginx.conf")
    before = ObjectStore(objects, work.folder / ".git")
    for item in (kept, script, gone):
        before.ensure(item)
    (objects / kept.object_id / ".tmp-half").mkdir()
    store = ObjectStore(objects, work.folder / ".git")
    store.collect(frozenset({kept.object_id, script.object_id}))
    assert {path.name for path in objects.iterdir()} == {kept.object_id, f"{script.object_id}-x"}
    assert store.verify([kept, script]) == ()
    assert [path.name for path in (objects / kept.object_id).iterdir()] == ["conf"]


def test_what_was_ensured_just_now_is_spared(work: Work, store: ObjectStore) -> None:
    """One stack's pass collects while another's is about to record the release that needs the object."""
    conf = entry(work, "app/conf")
    path = store.ensure(conf)
    store.collect(frozenset())
    assert path.is_dir()


def test_collecting_where_nothing_was_ever_stored_is_fine(store: ObjectStore) -> None:
    store.collect(frozenset())


def test_threads_that_want_one_object_both_get_it(work: Work, tmp_path: Path) -> None:
    conf = entry(work, "app/conf")
    found: list[bool] = []

    def ensure() -> None:
        store = ObjectStore(tmp_path / "objects", work.folder / ".git")
        found.append((store.ensure(conf) / "nginx.conf").read_text() == "worker 1;\n")

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [True] * 6
    assert [path.name for path in (tmp_path / "objects" / conf.object_id).iterdir()] == ["conf"]


def test_a_killed_write_leaves_no_half_object(work: Work, tmp_path: Path) -> None:
    work.write("app/big", os.urandom(8_000_000))
    work.commit()
    big = entry(work, "app/big")
    script = (
        "import os, sys, threading, time; from pathlib import Path\n"
        "from reconciler.adapters.object_store import ObjectStore\n"
        "from reconciler.model.source import EntryKind, TreeEntry\n"
        "from reconciler.plumbing import checkout\n"
        "checkout.fill = lambda git, blob, file: (os.write(file, next(blob.chunks())), os.kill(os.getpid(), 9))\n"
        "ObjectStore(Path(sys.argv[1]), Path(sys.argv[2])).ensure(TreeEntry('big', EntryKind.FILE, sys.argv[3]))\n"
    )
    objects, mirror = tmp_path / "objects", work.folder / ".git"
    killed = subprocess.run((sys.executable, "-c", script, objects, mirror, big.object_id), timeout=60, check=False)
    assert killed.returncode == -9
    store = ObjectStore(objects, mirror)
    assert store.verify([big]) == (big,)
    assert store.ensure(big).read_bytes() == (work.folder / "app/big").read_bytes()


def test_a_full_disk_is_told_as_such(work: Work, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WaitingError, match="No space left on device") as caught:
        store.ensure(entry(work, "app/conf"))
    assert caught.value.reason == "DiskFull"
    monkeypatch.undo()
    assert store.verify([entry(work, "app/conf")]) == (entry(work, "app/conf"),)
    assert store.ensure(entry(work, "app/conf")).is_dir()


# By name a folder, or a file's content and whether it is a program.
Laid: TypeAlias = "dict[str, Laid | tuple[bytes, bool]]"
names = st.text(alphabet="ab.-", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
contents = st.recursive(
    st.tuples(st.binary(max_size=5), st.booleans()),
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=4),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, contents, min_size=1, max_size=5))
def test_a_folder_on_the_disk_has_the_id_that_git_gives_it(
    tmp_path_factory: pytest.TempPathFactory, tree: Laid
) -> None:
    work = Work(tmp_path_factory.mktemp("tree") / "work")
    _lay_out(work, "top", tree)
    work.commit()
    assert tree_id(scan(work.folder / "top", 40, 10**6), 40) == work.git("rev-parse", "HEAD:top")


def _lay_out(work: Work, folder: str, tree: Laid) -> None:
    for name, what in tree.items():
        if isinstance(what, dict):
            _lay_out(work, f"{folder}/{name}", what)
        else:
            content, is_program = what
            work.write(f"{folder}/{name}", content, mode=0o755 if is_program else 0o644)


def test_an_executable_entry_keeps_its_kind(work: Work) -> None:
    assert entry(work, "app/conf/run.sh").kind is EntryKind.EXECUTABLE
