"""Which file of ``certs/`` belongs to which pair, and in which role, by its name alone.

What has no ending that a certificate, key or bundle has, and what editors and copying tools leave about, is not ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from reconciler.certs.model import DroppedFile


class Role(Enum):
    CERTIFICATE = "certificate"
    KEY = "key"
    BUNDLE = "bundle"
    PASSWORD = "password"


# The longer endings first: ``shop.privkey.pem`` is the key of ``shop``.
_ENDINGS = {
    ".fullchain.pem": Role.CERTIFICATE,
    ".privkey.pem": Role.KEY,
    ".key.pem": Role.KEY,
    ".crt.pem": Role.CERTIFICATE,
    ".cert.pem": Role.CERTIFICATE,
    ".crt": Role.CERTIFICATE,
    ".pem": Role.CERTIFICATE,
    ".cer": Role.CERTIFICATE,
    ".cert": Role.CERTIFICATE,
    ".der": Role.CERTIFICATE,
    ".key": Role.KEY,
    ".p12": Role.BUNDLE,
    ".pfx": Role.BUNDLE,
    ".pass": Role.PASSWORD,
}
# Hidden files (rsync: ``.shop.crt.Xy12``), locks (``~$``, ``#shop.crt#``). What has its mark at the end
# (``~``, ``.swp``, ``.part``, ``.tmp``, vim's ``4913``) has no ending of ours.
_PASSING = (".", "~", "#")


def group(files: Iterable[DroppedFile]) -> Mapping[str, tuple[DroppedFile, ...]]:
    """The files of each pair, both sorted by name."""
    pairs: dict[str, list[DroppedFile]] = {}
    for file in sorted(files, key=lambda each: each.name):
        if place := place_of(file.name):
            pairs.setdefault(place[0], []).append(file)
    return {name: tuple(pairs[name]) for name in sorted(pairs)}


def place_of(filename: str) -> tuple[str, Role] | None:
    """The pair's name and the file's role in it; None where it is no file of a pair."""
    if filename.startswith(_PASSING):
        return None
    for ending, role in _ENDINGS.items():
        if len(filename) > len(ending) and filename.lower().endswith(ending):
            return filename[: -len(ending)], role
    return None
