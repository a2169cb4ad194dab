"""Keeps a bare mirror of one branch of the source, or of the newest tag in a range, and answers which commit is its tip.

Whatever goes wrong with the remote, the last good tip stays. It retries nothing: the loop decides when to ask again.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path

import structlog

from reconciler.model.errors import SourceError, StalledError
from reconciler.model.manifest import SourceSettings
from reconciler.model.remote import Transport, check_branch, parse_remote
from reconciler.model.source import Revision
from reconciler.planning.tag_release import choose_tag
from reconciler.plumbing import mirror as mirrors
from reconciler.plumbing.checkout import disk_errors_told, remove
from reconciler.plumbing.failure import OTHER_HASH
from reconciler.plumbing.objects import clear_suspicion, is_suspect
from reconciler.plumbing.process import Git, GitFailedError
from reconciler.plumbing.publishing import Change, publish
from reconciler.plumbing.remote import Reach
from reconciler.plumbing.writer import WriterLock

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # without git on the host, importing must not be what fails
from git import Repo, SymbolicReference
from git.exc import GitError

log = structlog.get_logger()

_FORMAT = "--format=%H%x00%T%x00%s%x00%an <%ae>%x00%ct"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = re.compile(r"(?P<base>[^~^@{}:\s-][^~^@{}:\s]*)(?P<rest>[~^][~^0-9]*)?")
_MOST_PACKS = 50


class GitSource:
    """The source of ``settings``, through the bare repository ``mirror``. Safe to use from several threads.

    Beside the mirror lie its locks (``<mirror>.lock``, ``<mirror>.writer``), and a mirror under construction.
    """

    def __init__(self, settings: SourceSettings, mirror: Path) -> None:
        self._settings = settings
        self._mirror = mirror.absolute()
        self._git = Git(mirror.absolute())
        self._writer = WriterLock(mirror.with_suffix(".lock"), mirror.with_suffix(".writer"))
        self._refs = threading.RLock()  # held while refs are written here, and while a new mirror takes its place
        self._tip: Revision | None = None
        self._sound: mirrors.Stamp | None = None

    def fetch(self) -> Revision:
        """Bring the mirror up to date; the branch's tip. A mirror that is broken is rebuilt on the way, once.

        Takes at most a few times ``settings.timeout_s``. Raises SourceError for what may mend itself or be mended
        elsewhere (the network, the server, a login, the branch), StalledError for what only the settings can mend.
        """
        reach = self._reach()
        with disk_errors_told(self._mirror), self._writer.held(self._settings.timeout_s):
            tip = self._brought_up_to_date(reach)
            self._sound = mirrors.stamp(self._mirror)
            return tip

    def tip(self) -> Revision | None:
        """The last tip that was fetched; no network, and no process unless it moved. None before the first fetch."""
        commit = self._tip_commit()
        if commit is not None and (self._tip is None or self._tip.commit != commit):
            with contextlib.suppress(SourceError):  # of a broken mirror, which the next fetch rebuilds
                self._tip = self._described(commit)
        return self._tip

    def revision(self, name: str) -> Revision:
        """The commit that ``name`` means: a commit id, whole or shortened, the branch or ``HEAD`` (``main~2``), or
        another branch or tag, for which the remote is asked. Raises StalledError, SourceError."""
        reach = self._reach()
        match = _NAME.fullmatch(name.strip())
        if match is None:
            raise _unknown(name, "it cannot name a commit, tag or branch")
        base, rest = match["base"], match["rest"] or ""
        commit = self._resolved(self._here_called(base) + rest)
        if commit is None:
            self._ask_for(reach, base)
            commit = self._resolved(mirrors.ASKED + rest)
        if commit is None:
            raise _unknown(name, f"{base!r} has no such ancestor")
        return self._described(commit)

    def keep(self, commit: str) -> None:
        """Let ``commit`` survive force-pushes and garbage collection until it is released. Cheap if it is kept."""
        ref = _kept_ref(commit)
        with self._refs:
            if _ref(self._mirror, ref) != commit:
                self._git.run("update-ref", "--no-deref", ref, commit)

    def release(self, commit: str) -> None:
        """Let it go; fine if it was not kept."""
        with self._refs:
            self._git.run("update-ref", "--no-deref", "-d", _kept_ref(commit))

    def kept(self) -> frozenset[str]:
        """The commits that are kept and were not released."""
        with self._refs:
            return mirrors.kept(self._mirror)

    def publish(self, branch: str, change: Change, message: str) -> str:
        """Commit what ``change`` makes of a branch's files ("" for the branch that is followed), and push it; the commit's
        id, "" where nothing changes. Raises SourceError, StalledError."""
        if not branch and self._settings.tag:
            raise StalledError("a tag is followed, so name the branch to write to: updates.writeBack.branch")
        branch = branch or self._settings.branch
        check_branch(branch)
        reach = self._reach()
        with disk_errors_told(self._mirror), self._writer.held(self._settings.timeout_s):
            return publish(self._git, reach, branch, change, message)

    def _reach(self) -> Reach:
        check_branch(self._settings.branch)
        return Reach(parse_remote(self._settings.url), self._settings, self._writer)

    def _brought_up_to_date(self, reach: Reach) -> Revision:
        fault = self._fault()
        if fault:
            return self._rebuilt(reach, fault)
        current = self._unmoved(reach)
        if current is not None:
            self._tidy()
            return current
        try:
            self._pull_tip(self._git, reach)
            return self._known_tip()
        except GitFailedError as error:
            return self._rebuilt(reach, self._own_fault(reach, error))

    def _pull_tip(self, git: Git, reach: Reach) -> None:
        """Into ``git``'s repository: the mirror, or one that takes its place."""
        if not self._settings.tag:
            reach.pull(git, reach.branch, mirrors.TIP)
            return
        tags, is_new = reach.tags(git), git is not self._git
        before = mirrors.followed(self._mirror)
        found = choose_tag(self._settings.tag, tags, "" if is_new else before)
        if not found.name:
            raise SourceError(
                f"no tag of {reach.where} is a version within source.tag, {self._settings.tag}: push one such as v2.1.0",
                reason="TagNotFound",
            )
        if found.is_gone:
            raise SourceError(
                f"the tag {found.name} is gone from {reach.where}, and no newer one is within source.tag, "
                f"{self._settings.tag}: what runs stays at it; push it again, or a newer one",
                reason="TagNotFound",
            )
        if not is_new and before == found.name and self._tip_commit() == tags[found.name]:
            return
        reach.pull(git, f"refs/tags/{found.name}", f"{mirrors.FOLLOWED}/{found.name}")
        if not is_new and before == found.name:
            log.warning("tag_moved", tag=found.name, before=self._tip_commit(), now=tags[found.name])
        mirrors.follow(git, found.name)

    def _fault(self) -> str:
        """Looked at closely only if somebody touched the mirror since it was last found sound."""
        with self._refs:
            if self._mirror.is_dir():
                mirrors.clear_leftovers(self._mirror)
            fault = mirrors.misshapen(self._mirror)
            if not fault and self._sound == mirrors.stamp(self._mirror) and not is_suspect(self._mirror):
                return ""
            fault = fault or mirrors.fault(self._git)
            if not fault:
                clear_suspicion(self._mirror)
            return fault

    def _unmoved(self, reach: Reach) -> Revision | None:
        """The tip, if the remote is a repository on this host whose branch did not move: no process is needed."""
        if reach.remote.transport is not Transport.LOCAL or self._settings.tag:
            return None
        tip = self.tip()
        return tip if tip is not None and _ref(Path(reach.remote.path), reach.branch) == tip.commit else None

    def _own_fault(self, reach: Reach, error: GitFailedError) -> str:
        """What is wrong with our mirror, now that a fetch failed. Raises SourceError if it is not ours."""
        if OTHER_HASH.search(error.said):
            return str(error)
        outside = reach.why(self._git, error)
        if outside is not None:
            raise outside from error
        fault = mirrors.deep_fault(self._git)
        if not fault:
            raise reach.unexplained(error) from error
        return fault

    def _rebuilt(self, reach: Reach, fault: str) -> Revision:
        is_first = not os.path.lexists(self._mirror)
        fresh = self._git.on(self._mirror.with_name(f"{self._mirror.name}.new"))
        try:
            self._fill_anew(fresh, reach)
        except GitFailedError as error:
            raise (reach.why(fresh, error) or reach.unexplained(error)) from error
        for commit in mirrors.kept(self._mirror):
            self._rescue(fresh, reach, commit)
        with self._refs:
            for commit in mirrors.kept(self._mirror) - mirrors.kept(fresh.folder):
                mirrors.rescue(fresh, self._mirror, commit)  # kept while the network was waited for
            mirrors.replace_mirror(fresh.folder, self._mirror)
        if is_first:
            log.info("mirror_created", source=reach.where)
        else:
            log.warning("mirror_rebuilt", source=reach.where, why=fault)
        return self._known_tip()

    def _fill_anew(self, fresh: Git, reach: Reach) -> None:
        """The hash that names objects is chosen when a repository is made, so it is the server's."""
        hash_name = "sha1"
        for _ in range(2):
            remove(fresh.folder)
            mirrors.create(fresh, hash_name)
            try:
                self._pull_tip(fresh, reach)
                return
            except GitFailedError as error:
                other = OTHER_HASH.search(error.said)
                if other is None or other[2] == hash_name:
                    raise
                hash_name = other[2]

    def _rescue(self, fresh: Git, reach: Reach, commit: str) -> None:
        if mirrors.rescue(fresh, self._mirror, commit):
            return
        try:
            reach.pull(fresh, commit, _kept_ref(commit))
        except SourceError as error:
            log.warning("kept_revision_lost", commit=commit, why=str(error))

    def _known_tip(self) -> Revision:
        commit = self._tip_commit()
        if commit is None:
            raise SourceError("the mirror has no tip after a fetch", reason="MirrorBroken")
        if self._tip is None or self._tip.commit != commit:
            self._tip = self._described(commit)
        return self._tip

    def _tip_commit(self) -> str | None:
        """git is asked only where the ref cannot simply be read: GitPython heeds ``GIT_DIR`` and the like, which a hook
        that calls us has set, and we do not."""
        if not self._mirror.is_dir():
            return None
        return _ref(self._mirror, mirrors.TIP) or self._resolved(mirrors.TIP)

    def _tidy(self) -> None:
        """In a quiet moment: every fetch leaves a pack, and many packs are slow to search."""
        if mirrors.pack_count(self._mirror) < _MOST_PACKS:
            return
        try:
            self._git.run("gc", "--quiet", "--prune=2.weeks.ago")
        except SourceError as error:
            log.warning("mirror_not_tidied", why=str(error))

    def _described(self, commit: str) -> Revision:
        told = self._git.run("log", "-1", "--encoding=UTF-8", _FORMAT, "--end-of-options", commit)
        name, tree, subject, author, committed_at = told.decode("utf-8", "replace").rstrip("\n").split("\0")
        return Revision(name, tree, _on_one_line(subject), _on_one_line(author), int(committed_at))

    def _resolved(self, name: str) -> str | None:
        try:
            told = self._git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except GitFailedError:
            return None
        return told.decode().strip()

    def _here_called(self, base: str) -> str:
        """The mirror knows the branch, or the tag, as its tip only, so that the branch can change its name."""
        branch = self._settings.branch
        if self._settings.tag:
            return mirrors.TIP if base in (mirrors.followed(self._mirror), "HEAD") else base
        return mirrors.TIP if base in (branch, f"origin/{branch}", f"refs/heads/{branch}", "HEAD") else base

    @property
    def _followed(self) -> str:
        return f"the tag within {self._settings.tag}" if self._settings.tag else f"the branch {self._settings.branch!r}"

    def _ask_for(self, reach: Reach, name: str) -> None:
        try:
            with disk_errors_told(self._mirror), self._writer.held(self._settings.timeout_s):
                reach.pull(self._git, name, mirrors.ASKED)
        except SourceError as error:
            outside = reach.why(self._git, error) if isinstance(error, GitFailedError) else error
            if outside is None or outside.reason == "BranchNotFound":
                why = f"neither {self._followed} nor {reach.where} has it"
            else:
                why = f"{self._followed} does not have it, and {outside}"
            raise _unknown(name, why) from error


def _ref(repository: Path, name: str) -> str | None:
    """The commit a ref names, read without a process; None where that is not so simple, or there is none."""
    try:
        return SymbolicReference.dereference_recursive(Repo(repository), name)
    except (GitError, OSError, ValueError):
        return None


def _kept_ref(commit: str) -> str:
    if _COMMIT.fullmatch(commit) is None:
        raise ValueError(f"not a whole commit id: {commit!r}")
    return f"{mirrors.KEPT}/{commit}"


def _unknown(name: str, why: str) -> StalledError:
    return StalledError(f"unknown revision {name!r}: {why}", reason="RevisionUnknown")


def _on_one_line(text: str) -> str:
    """Whoever may commit must not steer the terminal of whoever reads the log."""
    return "".join(character if character.isprintable() else " " for character in text)
