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

from reconciler.adapters.git_source.commits import described, named, ref, tip_of
from reconciler.adapters.git_source.following import pull_tip
from reconciler.adapters.git_source.rebuilding import rebuild
from reconciler.model.errors import SourceError, StalledError
from reconciler.model.manifest import SourceSettings
from reconciler.model.remote import Transport, check_branch, parse_remote
from reconciler.model.source import Revision
from reconciler.plumbing import mirror as mirrors
from reconciler.plumbing.checkout import disk_errors_told
from reconciler.plumbing.failure import OTHER_HASH
from reconciler.plumbing.objects import clear_suspicion, is_suspect
from reconciler.plumbing.process import Git, GitFailedError
from reconciler.plumbing.publishing import Change, publish
from reconciler.plumbing.remote import Reach
from reconciler.plumbing.writer import WriterLock

log = structlog.get_logger()

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
        commit = tip_of(self._git)
        if commit is not None and (self._tip is None or self._tip.commit != commit):
            with contextlib.suppress(SourceError):  # of a broken mirror, which the next fetch rebuilds
                self._tip = described(self._git, commit)
        return self._tip

    def revision(self, name: str) -> Revision:
        """The commit that ``name`` means: a commit id, whole or shortened, the branch or ``HEAD`` (``main~2``), or
        another branch or tag, for which the remote is asked. Raises StalledError, SourceError."""
        reach = self._reach()
        match = _NAME.fullmatch(name.strip())
        if match is None:
            raise _unknown(name, "it cannot name a commit, tag or branch")
        base, rest = match["base"], match["rest"] or ""
        commit = named(self._git, self._here_called(base) + rest)
        if commit is None:
            self._ask_for(reach, base)
            commit = named(self._git, mirrors.ASKED + rest)
        if commit is None:
            raise _unknown(name, f"{base!r} has no such ancestor")
        return described(self._git, commit)

    def keep(self, commit: str) -> None:
        """Let ``commit`` survive force-pushes and garbage collection until it is released. Cheap if it is kept."""
        kept = mirrors.kept_ref(commit)
        with self._refs:
            if ref(self._mirror, kept) != commit:
                self._git.run("update-ref", "--no-deref", kept, commit)

    def release(self, commit: str) -> None:
        """Let it go; fine if it was not kept."""
        with self._refs:
            self._git.run("update-ref", "--no-deref", "-d", mirrors.kept_ref(commit))

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
            pull_tip(self._git, reach)
            return self._known_tip()
        except GitFailedError as error:
            return self._rebuilt(reach, self._own_fault(reach, error))

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
        return tip if tip is not None and ref(Path(reach.remote.path), reach.branch) == tip.commit else None

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
        rebuild(self._git, reach, self._refs)
        if is_first:
            log.info("mirror_created", source=reach.where)
        else:
            log.warning("mirror_rebuilt", source=reach.where, why=fault)
        return self._known_tip()

    def _known_tip(self) -> Revision:
        commit = tip_of(self._git)
        if commit is None:
            raise SourceError("the mirror has no tip after a fetch", reason="MirrorBroken")
        if self._tip is None or self._tip.commit != commit:
            self._tip = described(self._git, commit)
        return self._tip

    def _tidy(self) -> None:
        """In a quiet moment: every fetch leaves a pack, and many packs are slow to search."""
        if mirrors.pack_count(self._mirror) < _MOST_PACKS:
            return
        try:
            self._git.run("gc", "--quiet", "--prune=2.weeks.ago")
        except SourceError as error:
            log.warning("mirror_not_tidied", why=str(error))

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


def _unknown(name: str, why: str) -> StalledError:
    return StalledError(f"unknown revision {name!r}: {why}", reason="RevisionUnknown")
