"""What Git holds: a revision and the entries of its tree. Values only; reading them is an adapter's work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Why a source does not answer, as docs/events.md tells.
OF_THE_SOURCE = frozenset(
    {
        "AuthenticationFailed",
        "BranchNotFound",
        "Busy",
        "CertificateUntrusted",
        "FetchFailed",
        "FetchTimedOut",
        "HostKeyChanged",
        "HostKeyUnknown",
        "MirrorBroken",
        "RepositoryEmpty",
        "RepositoryNotFound",
        "RepositoryPartial",
        "TagNotFound",
        "TransportRefused",
    }
)


class EntryKind(StrEnum):
    FILE = "file"
    EXECUTABLE = "executable"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit. ``commit`` and ``tree`` are full object ids, ``committed_at`` is seconds since the epoch (UTC)."""

    commit: str
    tree: str
    subject: str
    author: str
    committed_at: int

    @property
    def short(self) -> str:
        return self.commit[:9]


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a revision's tree. ``path`` is relative to the repository's root, with ``/``."""

    path: str
    kind: EntryKind
    object_id: str
