"""Laws of giving a release up for a newer commit."""

from __future__ import annotations

from reconciler.execution.newer import Newer, Said
from reconciler.execution.work import Work
from reconciler.model.manifest import Manifest, Rollout
from reconciler.model.source import Revision


class Git:
    """``says``: what each commit says, None for what cannot be applied. ``asked``: how often it was rendered."""

    def __init__(self, **says: Said | None) -> None:
        self.says = says
        self.now = "first"
        self.asked = 0

    def tip(self) -> Revision:
        return Revision(self.now, "tree", "", "Ada", 0)

    def told_by(self, name: str, revision: Revision) -> Said | None:
        assert name == "shop"
        self.asked += 1
        return self.says[revision.commit]


def newer(git: Git) -> Newer:
    work = Work("shop", Manifest("shop", "shop", ("compose.yaml",)), git.tip())
    return Newer(work, git.tip, git.told_by)


BROKEN, MENDED = Said("broken", Rollout()), Said("mended", Rollout())


def test_a_commit_that_says_something_else_is_a_reason_to_wait_no_longer() -> None:
    git = Git(first=BROKEN, second=MENDED)
    ask = newer(git)
    assert ask() == ""
    git.now = "second"
    assert ask() == "commit second says something else"


def test_a_commit_that_rolls_it_out_otherwise_is_one_too() -> None:
    """More patience, or a mended probe: waiting for the old one is in vain."""
    git = Git(first=BROKEN, second=Said(BROKEN.digest, Rollout(timeout_s=900.0)))
    ask = newer(git)
    git.now = "second"
    assert ask() == "commit second says something else"


def test_a_commit_about_something_else_is_none() -> None:
    git = Git(first=BROKEN, second=BROKEN)
    ask = newer(git)
    git.now = "second"
    assert ask() == ""


def test_a_commit_that_cannot_be_applied_is_none() -> None:
    git = Git(first=BROKEN, second=None)
    ask = newer(git)
    git.now = "second"
    assert ask() == ""


def test_each_commit_is_rendered_once_however_often_it_is_asked() -> None:
    git = Git(first=BROKEN, second=BROKEN)
    ask = newer(git)
    git.now = "second"
    for _ in range(100):
        ask()
    assert git.asked == 2
