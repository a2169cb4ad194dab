"""Which commit a name means in a repository, and what is written on it. Changes nothing, and reaches no remote."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.model.source import Revision
from reconciler.plumbing import mirror as mirrors
from reconciler.plumbing.process import Git, GitFailedError

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # without git on the host, importing must not be what fails
from git import Repo, SymbolicReference
from git.exc import GitError

_FORMAT = "--format=%H%x00%T%x00%s%x00%an <%ae>%x00%ct"


def described(git: Git, commit: str) -> Revision:
    told = git.run("log", "-1", "--encoding=UTF-8", _FORMAT, "--end-of-options", commit)
    name, tree, subject, author, committed_at = told.decode("utf-8", "replace").rstrip("\n").split("\0")
    return Revision(name, tree, _on_one_line(subject), _on_one_line(author), int(committed_at))


def named(git: Git, name: str) -> str | None:
    try:
        told = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except GitFailedError:
        return None
    return told.decode().strip()


def tip_of(git: Git) -> str | None:
    """Of a mirror. git is asked only where the ref cannot simply be read: GitPython heeds ``GIT_DIR`` and the like, which a
    hook that calls us has set, and we do not."""
    if not git.folder.is_dir():
        return None
    return ref(git.folder, mirrors.TIP) or named(git, mirrors.TIP)


def ref(repository: Path, name: str) -> str | None:
    """The commit a ref names, read without a process; None where that is not so simple, or there is none."""
    try:
        return SymbolicReference.dereference_recursive(Repo(repository), name)
    except (GitError, OSError, ValueError):
        return None


def _on_one_line(text: str) -> str:
    """Whoever may commit must not steer the terminal of whoever reads the log."""
    return "".join(character if character.isprintable() else " " for character in text)
