"""What the certificates room speaks of. Values only; no ``repr`` of theirs shows a key."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file of ``certs/``, read once and whole.

    ``mode``: permission bits. ``changed_at``: seconds since the epoch. ``fault``: why its content was not taken ("" if
    it was): too large, unreadable, a link that leads out of the folder. ``passing``: it may be over in a moment.
    """

    name: str
    content: bytes = field(repr=False)
    mode: int = 0o600
    changed_at: float = 0.0
    fault: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its key, normalised: what is published is these bytes and no others.

    ``chain``: PEM, the server certificate first, then its intermediates, no root, LF line ends. ``key``: PEM, PKCS#8.
    ``domains``: the DNS names of the SAN, in small letters, sorted. ``fingerprint``: SHA-256 of the server certificate's
    DER, in hex. Times are seconds since the epoch.
    """

    name: str
    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    domains: tuple[str, ...]
    issuer: str
    fingerprint: str
    not_before: float
    not_after: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What the files of one name turned out to be.

    ``pair`` is None where ``problems`` (one line each: what, and how to mend it) keep it from being served.
    ``incomplete``: the problems may be those of files that are still arriving: a half that is missing, cut or of
    another pair. ``not_before``: set where nothing is wrong but that its time has not come.
    ``warnings``: what was mended, or is odd; they keep nothing from being served.
    """

    name: str
    pair: Pair | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    incomplete: bool = False
    not_before: float | None = None
