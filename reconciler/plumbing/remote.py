"""Fetches from the remote into a bare repository, and tells why that failed. It decides nothing about the mirror."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.errors import SourceError
from reconciler.model.manifest import SourceSettings
from reconciler.model.remote import Remote, redacted
from reconciler.plumbing.connection import connected, receive_pack, upload_pack
from reconciler.plumbing.failure import BRANCH_MISSING, explain, missing_branch
from reconciler.plumbing.process import Git, GitFailedError, GitTimeLimitError
from reconciler.plumbing.writer import WriterLock


@dataclass(frozen=True, slots=True)
class Reach:
    """The way to ``remote`` with the logins and the time limit of ``settings``; ``writer`` is held by what runs."""

    remote: Remote
    settings: SourceSettings
    writer: WriterLock

    @property
    def where(self) -> str:
        """The remote's address, fit to be shown."""
        return redacted(self.remote.address)

    @property
    def branch(self) -> str:
        return f"refs/heads/{self.settings.branch}"

    def pull(self, git: Git, source: str, into: str) -> None:
        """Make the ref ``into`` what ``source`` is at the remote: a ref, or a commit id where the server gives those.

        Raises GitFailedError (see ``why``), and SourceError for what is known before or after it: a file that is
        missing here, a time limit that has passed.
        """
        try:
            self._git(git).run(
                "fetch",
                "--quiet",
                "--force",  # a force-push is just a new tip
                "--no-tags",
                "--no-write-fetch-head",
                "--update-shallow",
                "--no-auto-maintenance",
                *upload_pack(self.remote),
                "--",
                self.remote.address,
                f"+{source}:{into}",
            )
        except GitTimeLimitError as error:
            limit = self.settings.timeout_s
            raise GitTimeLimitError(
                f"fetching {self.where} took longer than source.timeout, {limit:g} s, and was ended"
            ) from error

    def push(self, git: Git, commit: str, ref: str) -> None:
        """Make ``ref`` of the remote ``commit``, if that only adds to it. Raises GitFailedError (its ``said`` tells of the
        refusal), SourceError as ``pull`` does."""
        self._git(git).run(
            "push",
            "--quiet",
            "--no-verify",
            *receive_pack(self.remote),
            "--",
            self.remote.address,
            f"{commit}:{ref}",
        )

    def why(self, git: Git, error: GitFailedError) -> SourceError | None:
        """What a failed pull means; None where it is not known to be the remote's fault, or the way's to it."""
        if BRANCH_MISSING.search(error.said) and self.settings.tag:
            return SourceError(f"a tag went away from {self.where} while it was fetched", reason="TagNotFound")
        if BRANCH_MISSING.search(error.said):
            return missing_branch(self.remote, self.settings.branch, self._heads(git))
        return explain(error.said, self.remote, self.settings)

    def unexplained(self, error: GitFailedError) -> SourceError:
        return SourceError(f"fetching {self.where} failed: {error}")

    def tags(self, git: Git) -> Mapping[str, str]:
        """The remote's tags: the object that each leads to, behind an annotated one. Raises as ``pull`` does."""
        listed = self._git(git).run(
            "ls-remote", "--tags", "--quiet", *upload_pack(self.remote), "--", self.remote.address
        )
        found: dict[str, str] = {}
        for line in listed.decode("utf-8", "replace").splitlines():
            object_id, _, ref = line.partition("\t")
            name = ref.removeprefix("refs/tags/")
            if name.endswith("^{}") or name not in found:  # the object behind comes right after its tag
                found[name.removesuffix("^{}")] = object_id
        return found

    def _heads(self, git: Git) -> tuple[str, ...]:
        """The names of the remote's branches."""
        listed = self._git(git).run(
            "ls-remote", "--heads", "--quiet", *upload_pack(self.remote), "--", self.remote.address
        )
        names = (line.partition("\t")[2] for line in listed.decode("utf-8", "replace").splitlines())
        return tuple(name.removeprefix("refs/heads/") for name in names)

    def _git(self, git: Git) -> Git:
        limited = Git(git.folder, limit_s=self.settings.timeout_s, writer=self.writer)
        return connected(limited, self.remote, self.settings)
