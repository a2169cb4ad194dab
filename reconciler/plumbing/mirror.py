"""The bare mirror as files and refs: making it, telling whether it is sound, and clearing what killed gits left in it.

It reaches no remote.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reconciler.plumbing.checkout import remove
from reconciler.plumbing.process import Git, GitFailedError

TIP = "refs/heads/tip"  # the last good tip of the branch, whatever the branch is called
ASKED = "refs/reconciler/asked"  # what a person asked for last and the branch does not hold
KEPT = "refs/reconciler/kept"
FOLLOWED = "refs/reconciler/followed"  # below it the one tag that the tip is at, under its own name

Stamp = frozenset[tuple[str, int, int, int]]

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LEFTOVER = re.compile(r".*\.(lock|keep)|tmp_.*|incoming-.*|gc\.pid")


def create(git: Git, hash_name: str) -> None:
    """Raises GitFailedError, OSError."""
    git.folder.mkdir(parents=True)
    git.run("init", "--bare", "--quiet", "--template=", f"--object-format={hash_name}")
    (git.folder / "HEAD").write_text(f"ref: {TIP}\n")


def fault(git: Git) -> str:
    """Why the mirror cannot be relied on; empty if the tip and everything kept can be read, down to the last file."""
    shape = misshapen(git.folder)
    if shape:
        return shape
    try:
        commits = git.run("for-each-ref", "--format=%(objectname)", TIP, KEPT)
        if commits:
            git.run("rev-list", "--no-walk", "--verify-objects", "--quiet", "--stdin", stdin=commits, strict=True)
    except GitFailedError as error:
        return str(error)
    return ""


def misshapen(mirror: Path) -> str:
    """Why it is no mirror of ours at all, from a few small files; empty where it looks like one."""
    if not os.path.lexists(mirror):
        return "it does not exist"
    if not mirror.is_dir():
        return "it is no folder"
    if _text(mirror / "HEAD") != f"ref: {TIP}\n":
        return "its HEAD is broken"
    if "bare = true" not in _text(mirror / "config"):
        return "its configuration is broken"
    for path in (mirror / "refs").rglob("*"):
        if path.is_file() and not _OBJECT_ID.fullmatch(_text(path).strip()):
            return f"its ref {path.relative_to(mirror)} is broken"
    return ""


def deep_fault(git: Git) -> str:
    """The same for the whole history, which takes long: for when a fetch failed and nobody knows why."""
    shallow_fault = fault(git)
    if shallow_fault:
        return shallow_fault
    try:
        git.run("fsck", "--full", "--no-dangling", "--no-reflogs", "--no-progress")
    except GitFailedError as error:
        return str(error)
    return ""


def kept(mirror: Path) -> frozenset[str]:
    """The commits that are kept, also of a mirror that git cannot read any more: the refs' names tell them."""
    folder = mirror / KEPT
    loose = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    packed = {line.rpartition("/")[2] for line in _text(mirror / "packed-refs").splitlines() if f" {KEPT}/" in line}
    return frozenset(name for name in loose | packed if _OBJECT_ID.fullmatch(name))


def kept_ref(commit: str) -> str:
    """Raises ValueError for what is no whole commit id."""
    if _OBJECT_ID.fullmatch(commit) is None:
        raise ValueError(f"not a whole commit id: {commit!r}")
    return f"{KEPT}/{commit}"


def followed(mirror: Path) -> str:
    """The name of the tag that the tip is at; "" for none."""
    folder = mirror / FOLLOWED
    loose = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    lines = _text(mirror / "packed-refs").splitlines()
    packed = [line.rpartition("/")[2] for line in lines if f" {FOLLOWED}/" in line]
    return next(iter((*loose, *packed)), "")


def follow(git: Git, name: str) -> None:
    """The tip is what the fetched tag ``name`` means. Of two tags that are there for a moment, the tip is at either."""
    commit = git.run("rev-parse", "--verify", "--quiet", f"{FOLLOWED}/{name}^{{commit}}").decode().strip()
    git.run("update-ref", "--no-deref", TIP, commit)
    others = git.run("for-each-ref", "--format=%(refname)", FOLLOWED).decode().split()
    for ref in others:
        if ref != f"{FOLLOWED}/{name}":
            git.run("update-ref", "--no-deref", "-d", ref)


def stamp(mirror: Path) -> Stamp:
    """Equal stamps: nobody touched an object, the tip or the configuration in between. A look at a few dozen files,
    since objects come in packs."""
    paths = [f"{mirror}/{name}" for name in ("HEAD", "config", "packed-refs", TIP)]
    for folder, _, files in os.walk(mirror / "objects"):
        paths += (f"{folder}/{name}" for name in files)
    return frozenset(entry for path in paths for entry in _looked_at(path))


def clear_leftovers(mirror: Path) -> None:
    """Only while the writer lock is held: then no git lives that these could belong to."""
    for folder, folders, files in os.walk(mirror):
        for name in (*files, *folders):
            if _LEFTOVER.fullmatch(name):
                remove(Path(folder, name))


def rescue(fresh: Git, old: Path, commit: str) -> bool:
    """Keep ``commit`` in the new mirror ``fresh`` too, with its history, if that or the broken ``old`` mirror has it.

    Of the old one only the objects are asked: its refs and its configuration may be what is broken.
    """
    borrowing = replace(fresh, environment={"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(old / "objects")})
    try:
        if not _has(fresh, commit):
            pack = str(fresh.folder / "objects" / "pack" / "pack")
            borrowing.run("pack-objects", "--quiet", "--revs", pack, stdin=f"{commit}\n".encode())
        fresh.run("rev-list", "--no-walk", "--verify-objects", "--quiet", commit, strict=True)
        fresh.run("update-ref", "--no-deref", kept_ref(commit), commit)
    except GitFailedError:
        return False
    return True


def replace_mirror(fresh: Path, mirror: Path) -> None:
    """Put ``fresh`` in the place of whatever is there."""
    old = mirror.with_name(f"{mirror.name}.old")
    remove(old)
    if os.path.lexists(mirror):
        mirror.rename(old)
    fresh.rename(mirror)
    remove(old)


def pack_count(mirror: Path) -> int:
    return sum(1 for _ in (mirror / "objects" / "pack").glob("*.pack"))


def _has(git: Git, commit: str) -> bool:
    try:
        git.run("rev-list", "--quiet", "--objects", commit)
    except GitFailedError:
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _looked_at(path: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        status = os.lstat(path)
    except OSError:
        return
    yield path, status.st_ino, status.st_size, status.st_mtime_ns
