"""Laws of trees: what Git holds is told and written out byte for byte, and nothing it holds is obeyed."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.git_tree import GitTree
from reconciler.model.errors import SourceError, StalledError
from reconciler.model.source import EntryKind, Revision, TreeEntry
from reconciler.plumbing.objects import is_suspect
from tests.integration.local_git import Work, git


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


def revision(work: Work) -> Revision:
    return Revision(work.git("rev-parse", "HEAD"), work.git("rev-parse", "HEAD^{tree}"), "", "", 0)


def tree_of(work: Work) -> GitTree:
    return GitTree(work.folder / ".git")


def forged(work: Work, *lines: str) -> str:
    """The id of a tree that no git would write. A line: mode, type, id, tab, name."""
    raw = b""
    for line in lines:
        told, name = line.split("\t")
        mode, _, object_id = told.split(" ")
        raw += f"{mode.lstrip('0')} {name}".encode() + b"\0" + bytes.fromhex(object_id)
    return work.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=raw)


def test_every_path_is_told_with_its_kind_folders_and_the_root_included(work: Work) -> None:
    work.write("app/compose.yaml", "services: {}\n")
    work.write("app/run.sh", "#!/bin/sh\n", mode=0o755)
    work.link("app/latest", "compose.yaml")
    work.write('größe \t\n"x"', "odd")
    work.commit()
    entries = tree_of(work).entries(revision(work))
    assert {path: entry.kind for path, entry in entries.items()} == {
        "": EntryKind.FOLDER,
        "app": EntryKind.FOLDER,
        "app/compose.yaml": EntryKind.FILE,
        "app/latest": EntryKind.SYMLINK,
        "app/run.sh": EntryKind.EXECUTABLE,
        'größe \t\n"x"': EntryKind.FILE,
    }
    assert all(entry.path == path for path, entry in entries.items())
    assert entries["app"].object_id == work.git("rev-parse", "HEAD:app")
    assert entries["app/run.sh"].object_id == work.git("rev-parse", "HEAD:app/run.sh")
    assert entries[""].object_id == revision(work).tree


def test_a_tree_and_a_file_are_read_once(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.commit(files={"a": "1"})
    tree = tree_of(work)
    entries = tree.entries(revision(work))
    content = tree.read(entries["a"].object_id)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    assert tree.entries(revision_like(entries)) is entries
    assert tree.read(entries["a"].object_id) == content == b"1"


def revision_like(entries: Mapping[str, TreeEntry]) -> Revision:
    return Revision("0" * 40, entries[""].object_id, "", "", 0)


def test_what_is_remembered_is_bounded(work: Work) -> None:
    tree = tree_of(work)
    for number in range(20):
        work.commit(files={"a": f"{number}" * 1_000_000})
        entries = tree.entries(revision(work))
        tree.read(entries["a"].object_id)
    assert len(tree._trees._values) <= 8
    assert sum(len(value) for value in tree._content._values.values()) <= 4 * 1024 * 1024


def test_many_files_are_read_through_one_process(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.commit(files={f"{number}": f"content {number}" * number for number in range(100)})
    tree = tree_of(work)
    entries = tree.entries(revision(work))
    started: list[object] = []
    real = subprocess.Popen

    def start(*words: Any, **more: Any) -> object:
        started.append(words)
        return real(*words, **more)

    monkeypatch.setattr(subprocess, "Popen", start)
    wanted = {entry.object_id: path for path, entry in entries.items() if path}
    assert {wanted[name]: content.decode() for name, content in tree.read_all(wanted).items()} == {
        f"{number}": f"content {number}" * number for number in range(100)
    }
    assert len(started) == 1


def test_a_file_that_is_too_large_is_not_read(work: Work) -> None:
    work.commit(files={"a": "x" * (16 * 1024 * 1024 + 1)})
    tree = tree_of(work)
    with pytest.raises(StalledError, match="at most 16777216 bytes"):
        tree.read(tree.entries(revision(work))["a"].object_id)


def test_what_the_mirror_does_not_give_is_told_and_makes_the_next_fetch_look(work: Work) -> None:
    work.commit(files={"a": "1"})
    tree = tree_of(work)
    with pytest.raises(SourceError, match="does not give object 11111"):
        tree.read("1" * 40)
    assert is_suspect(work.folder / ".git")
    with pytest.raises(SourceError, match="does not give object 22222"):
        tree.entries(Revision("2" * 40, "2" * 40, "", "", 0))


# --- problems ---


def problems(work: Work, folder: str) -> list[str]:
    tree = tree_of(work)
    return [str(problem) for problem in tree.problems(tree.entries(revision(work)), folder)]


def add_submodule(work: Work, path: str) -> None:
    commit = work.commit("for a submodule")
    work.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    work.git("commit", "--quiet", "--message", "a submodule")


def test_a_stack_without_anything_odd_has_no_problems(work: Work) -> None:
    work.write("shared/x", "1")
    work.link("app/x", "../shared/x")
    work.link("app/dangling", "nowhere")
    work.commit()
    assert problems(work, "app") == []


def test_a_submodule_concerns_only_the_stack_that_it_lies_in(work: Work) -> None:
    work.commit(files={"app/compose.yaml": "x", "other/compose.yaml": "x", "app2/compose.yaml": "x"})
    add_submodule(work, "app/vendor")
    assert len(problems(work, "app")) == 1
    assert problems(work, "app")[0].startswith("app/vendor: is a Git submodule; submodules are not fetched")
    assert problems(work, "other") == problems(work, "app2") == []
    assert len(problems(work, "")) == 1


@pytest.mark.parametrize(
    ("links", "told"),
    [
        ({"app/a": "/etc/shadow"}, ["app/a: is a symbolic link to '/etc/shadow', which is absolute"]),
        ({"app/a": "../../x"}, ["app/a: is a symbolic link to '../../x', which leads out of the repository"]),
        ({"app/a": "../b", "b": "../x"}, ["app/a: is a symbolic link to '../b', which leads out of the repository"]),
        ({"app/a": "a"}, ["app/a: is a symbolic link to 'a', which goes round in circles"]),
        ({"b": "../x"}, []),
    ],
)
def test_a_link_that_leads_out_names_itself_and_its_target(work: Work, links: dict[str, str], told: list[str]) -> None:
    work.write("app/compose.yaml", "x")
    for path, target in links.items():
        work.link(path, target)
    work.commit()
    found = problems(work, "app")
    assert len(found) == len(told)
    assert all(problem.startswith(start) for problem, start in zip(found, told, strict=True))


def test_a_name_that_is_no_text_is_told(work: Work) -> None:
    (work.folder / "app").mkdir()
    Path(os.fsdecode(os.fsencode(work.folder) + b"/app/\xff")).write_text("x")
    work.commit()
    assert problems(work, "app") == ["app/\ufffd: has a name that is not UTF-8"]


def test_a_forged_name_is_told(work: Work) -> None:
    work.commit(files={"a": "1"})
    blob = work.git("rev-parse", "HEAD:a")
    inner = forged(work, f"100644 blob {blob}\t..")
    outer = forged(work, f"040000 tree {inner}\tapp")
    tree = tree_of(work)
    entries = tree.entries(Revision("0" * 40, outer, "", "", 0))
    assert [str(problem) for problem in tree.problems(entries, "app")] == ["app/..: has a name that no file may have"]


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 5000, "x" * 17_000_000], ids=["empty", "NUL", "long", "huge"])
def test_a_link_that_no_disk_can_hold_concerns_its_own_stack_only(work: Work, tmp_path: Path, target: str) -> None:
    work.commit(files={"other/compose.yaml": "x", "app/compose.yaml": "x"})
    content = work.git("hash-object", "-w", "--stdin", stdin=target.encode())
    work.git("update-index", "--add", "--cacheinfo", f"120000,{content},app/link")
    work.git("commit", "--quiet", "--message", "forged")
    assert len(problems(work, "app")) == 1
    assert problems(work, "app")[0].endswith("which no link can have as its target")
    assert problems(work, "other") == []
    tree_of(work).export(revision(work).tree, tmp_path / "checkouts" / "x")
    assert set(contents(tmp_path / "checkouts" / "x" / "app")) == {"compose.yaml"}


def test_a_name_that_is_too_long_for_a_disk_concerns_its_own_stack_only(work: Work, tmp_path: Path) -> None:
    work.commit(files={"other/compose.yaml": "x", "app/compose.yaml": "x"})
    blob = work.git("rev-parse", "HEAD:app/compose.yaml")
    work.git("update-index", "--add", "--cacheinfo", f"100644,{blob},app/{'x' * 256}")
    work.git("commit", "--quiet", "--message", "long")
    assert len(problems(work, "app")) == 1
    assert problems(work, "other") == []
    tree_of(work).export(revision(work).tree, tmp_path / "checkouts" / "x")
    assert set(contents(tmp_path / "checkouts" / "x" / "app")) == {"compose.yaml"}


# --- writing a tree out ---


def contents(folder: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder", "")
        else:
            found[name] = (oct(stat.S_IMODE(path.stat().st_mode)), path.read_bytes().decode("latin-1"))
    return found


def test_a_checkout_holds_every_file_byte_for_byte(work: Work, tmp_path: Path) -> None:
    work.write(
        ".gitattributes", "* text=auto eol=crlf\n*.bin filter=lfs\nsecret export-ignore\nid ident export-subst\n"
    )
    work.write("text", "one\ntwo\n")
    work.write("lfs.bin", "version https://git-lfs.github.com/spec/v1\n")
    work.write("secret", "x")
    work.write("id", "$Id$ $Format:%H$")
    work.write("bytes", bytes(range(256)))
    work.write("run", "#!/bin/sh\n", mode=0o755)
    work.write("empty", "")
    work.link("app/link", "../text")
    work.commit()
    destination = tmp_path / "checkouts" / revision(work).tree
    tree_of(work).export(revision(work).tree, destination)
    assert contents(destination) == {
        ".gitattributes": ("0o644", (work.folder / ".gitattributes").read_text()),
        "text": ("0o644", "one\ntwo\n"),
        "lfs.bin": ("0o644", "version https://git-lfs.github.com/spec/v1\n"),
        "secret": ("0o644", "x"),
        "id": ("0o644", "$Id$ $Format:%H$"),
        "bytes": ("0o644", bytes(range(256)).decode("latin-1")),
        "run": ("0o755", "#!/bin/sh\n"),
        "empty": ("0o644", ""),
        "app": ("folder", ""),
        "app/link": ("link", "../text"),
    }


def test_what_leads_out_is_left_out_and_a_submodule_is_an_empty_folder(work: Work, tmp_path: Path) -> None:
    work.link("out", "../../etc/passwd")
    work.link("absolute", "/etc/passwd")
    work.link("via", "out")
    work.link("fine", "text")
    work.write("text", "x")
    work.commit()
    add_submodule(work, "module")
    destination = tmp_path / "checkouts" / "x"
    tree_of(work).export(revision(work).tree, destination)
    assert set(contents(destination)) == {"fine", "text", "module"}
    assert (destination / "module").is_dir()


def test_a_checkout_that_is_there_is_not_written_again(work: Work, tmp_path: Path) -> None:
    work.commit(files={"a": "1", "d/b": "2"})
    destination = tmp_path / "checkouts" / revision(work).tree
    tree_of(work).export(revision(work).tree, destination)
    inode = (destination / "a").stat().st_ino
    tree = tree_of(work)
    tree.export(revision(work).tree, destination)
    tree.export(revision(work).tree, destination)
    assert (destination / "a").stat().st_ino == inode


@pytest.mark.parametrize("change", ["content", "extra", "missing", "executable", "link"])
def test_a_checkout_that_somebody_changed_is_written_anew_after_a_restart(
    work: Work, tmp_path: Path, change: str
) -> None:
    work.commit(files={"a": "1", "d/b": "2"})
    destination = tmp_path / "checkouts" / revision(work).tree
    tree_of(work).export(revision(work).tree, destination)
    expected = contents(destination)
    (destination / "a").chmod(0o755 if change == "executable" else 0o644)
    destination.chmod(0o755)
    if change == "content":
        (destination / "a").write_text("3")
    if change == "extra":
        (destination / "c").write_text("3")
    if change in ("missing", "link"):
        (destination / "a").unlink()
    if change == "link":
        (destination / "a").symlink_to("/etc/passwd")
    tree_of(work).export(revision(work).tree, destination)
    assert contents(destination) == expected


def test_a_failed_checkout_leaves_nothing_behind(work: Work, tmp_path: Path) -> None:
    work.commit(files={"a": "1"})
    broken = forged(work, f"100644 blob {'1' * 40}\tmissing")
    destination = tmp_path / "checkouts" / broken
    with pytest.raises(SourceError, match="does not give object"):
        tree_of(work).export(broken, destination)
    assert list(destination.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["..", ".git", ".GIT"])
def test_a_forged_name_is_not_written(work: Work, tmp_path: Path, name: str) -> None:
    work.commit(files={"a": "1"})
    blob = work.git("rev-parse", "HEAD:a")
    inner = forged(work, f"100644 blob {blob}\t{name}")
    tree = forged(work, f"040000 tree {inner}\tapp")
    tree_of(work).export(tree, tmp_path / "checkouts" / "x")
    assert set(contents(tmp_path / "checkouts" / "x")) == {"app"}


def test_nothing_is_written_through_a_link_that_shares_its_name_with_a_folder(work: Work, tmp_path: Path) -> None:
    """A tree with two entries of one name: the classic way to write outside of a checkout."""
    outside = tmp_path / "outside"
    outside.mkdir()
    work.link("up", "../../outside")
    work.write("evil", "evil")
    work.commit()
    link, evil = work.git("rev-parse", "HEAD:up"), work.git("rev-parse", "HEAD:evil")
    folder = forged(work, f"100644 blob {evil}\tfile")
    tree = forged(work, f"120000 blob {link}\td", f"040000 tree {folder}\td")
    destination = tmp_path / "state" / "checkout"
    with contextlib.suppress(StalledError):
        tree_of(work).export(tree, destination)
    assert list(outside.iterdir()) == []


def test_checkouts_are_few_and_nothing_else_is_taken_away(work: Work, tmp_path: Path) -> None:
    tree = tree_of(work)
    checkouts = tmp_path / "checkouts"
    (checkouts / "mine").mkdir(parents=True)
    for number in range(10):
        work.commit(files={"a": f"{number}"})
        tree.export(revision(work).tree, checkouts / revision(work).tree)
        os.utime(checkouts / revision(work).tree, (number, number))
    names = {path.name for path in checkouts.iterdir()}
    assert len(names) == 6 + 1
    assert {"mine", revision(work).tree} <= names


def test_two_threads_that_want_one_checkout_both_get_it(work: Work, tmp_path: Path) -> None:
    work.commit(files={f"{number}": "x" for number in range(50)})
    destination = tmp_path / "checkouts" / revision(work).tree
    found: list[int] = []

    def export() -> None:
        GitTree(work.folder / ".git").export(revision(work).tree, destination)
        found.append(len(list(destination.iterdir())))

    threads = [threading.Thread(target=export) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [50] * 4


def test_a_repository_with_the_newer_hash_is_read_and_written(tmp_path: Path) -> None:
    work = Work(tmp_path / "sha256", "--object-format=sha256")
    work.commit(files={"d/a": "1"})
    tree = tree_of(work)
    entries = tree.entries(revision(work))
    assert len(entries["d/a"].object_id) == 64
    tree.export(revision(work).tree, tmp_path / "checkouts" / "x")
    assert (tmp_path / "checkouts" / "x" / "d" / "a").read_text() == "1"


def test_an_entry_is_a_plain_value(work: Work) -> None:
    work.commit(files={"a": "1"})
    assert tree_of(work).entries(revision(work))["a"] == TreeEntry(
        "a", EntryKind.FILE, git(work.folder, "rev-parse", "HEAD:a")
    )
