"""Makes a commit without a work tree and pushes it. It never forces: what somebody else pushed meanwhile wins."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from reconciler.model.errors import SourceError
from reconciler.plumbing.failure import BRANCH_MISSING
from reconciler.plumbing.mirror import TIP
from reconciler.plumbing.process import Git, GitFailedError
from reconciler.plumbing.remote import Reach

BASE = "refs/reconciler/base"  # the tip of the branch that is written to
_ATTEMPTS = 3
_MOVED_ON = re.compile(r"fetch first|non-fast-forward|cannot lock ref|failed to update ref", re.IGNORECASE)
_OBJECT_ID = re.compile(r"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
_AUTHOR = {
    "GIT_AUTHOR_NAME": "reconciler",
    "GIT_AUTHOR_EMAIL": "reconciler@localhost",
    "GIT_COMMITTER_NAME": "reconciler",
    "GIT_COMMITTER_EMAIL": "reconciler@localhost",
}

Change = Callable[[Callable[[str], bytes | None]], Mapping[str, bytes]]


def publish(git: Git, reach: Reach, branch: str, change: Change, message: str) -> str:
    """The commit's id; "" where ``change``, given a reader of the branch's files, changes none.

    A branch that is not there begins at the tip. Raises SourceError(reason="PushRefused") where the remote does not take it.
    """
    for _ in range(_ATTEMPTS):
        base = _base(git, reach, branch)
        files = change(lambda path, base=base: _content(git, base, path))  # type: ignore[misc]  # bound at once
        if not files:
            return ""
        commit = _committed(git, base, files, message)
        try:
            reach.push(git, commit, f"refs/heads/{branch}")
            return commit
        except GitFailedError as error:
            if not _MOVED_ON.search(error.said):
                raise reach.why(git, error) or _refused(reach, branch, error) from error
            refusal = _refused(reach, branch, error)
    raise refusal


def _base(git: Git, reach: Reach, branch: str) -> str:
    try:
        reach.pull(git, f"refs/heads/{branch}", BASE)
        ref = BASE
    except GitFailedError as error:
        if not BRANCH_MISSING.search(error.said):
            raise reach.why(git, error) or reach.unexplained(error) from error
        ref = TIP
    return git.run("rev-parse", "--verify", f"{ref}^{{commit}}").decode().strip()


def _content(git: Git, base: str, path: str) -> bytes | None:
    try:
        return git.run("cat-file", "blob", f"{base}:{path}")
    except GitFailedError:
        return None


def _committed(git: Git, base: str, files: Mapping[str, bytes], message: str) -> str:
    with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
        environment = {**git.environment, **_AUTHOR, "GIT_INDEX_FILE": str(Path(folder, "index"))}
        own = replace(git, environment=environment)
        own.run("read-tree", base)
        for path, content in files.items():
            blob = own.run("hash-object", "-w", "--stdin", stdin=content).decode().strip()
            mode = own.run("ls-tree", base, "--", path).decode().split(" ")[0]
            own.run("update-index", "--cacheinfo", f"{mode},{blob},{path}")
        tree = own.run("write-tree").decode().strip()
        return own.run("commit-tree", tree, "-p", base, "-F", "-", stdin=message.encode()).decode().strip()


def _refused(reach: Reach, branch: str, error: GitFailedError) -> SourceError:
    # Each try makes a commit of its own, and the same refusal is to read the same.
    said = _OBJECT_ID.sub("it", " ".join(error.said.split()))[:300]
    return SourceError(f"{reach.where} does not take a commit to {branch}: {said}", reason="PushRefused")
