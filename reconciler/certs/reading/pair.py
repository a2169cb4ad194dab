"""From the files of one name to a pair that may be served, or to the reason why not.

The gate of ``certs/``: what passes here is published as it stands in ``Pair``, and nothing else ever is. Pure: no disk,
no network, and the time comes in. It raises nothing, whatever the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from reconciler.certs.model import DroppedFile, Pair, Reading
from reconciler.certs.reading import chain as chains
from reconciler.certs.reading import keys, rules
from reconciler.certs.reading.chain import Chain, arrange
from reconciler.certs.reading.findings import Problem, shown
from reconciler.certs.reading.gathering import gather
from reconciler.certs.reading.grouping import group
from reconciler.certs.reading.material import Material
from reconciler.certs.reading.trust import Trust, missing_intermediate

__all__ = ["group", "read_pair"]

# What the library raises of parts that it reads only when they are looked at: extensions, keys, names.
_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InternalError,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_UNREADABLE = Problem("it has parts that cannot be understood: have it issued anew")


def read_pair(name: str, files: Iterable[DroppedFile], now: float, trust: Trust | None = None) -> Reading:
    """``files``: those that ``group`` gives for the name. ``now``: seconds since the epoch. ``trust``: for warnings about
    what the public would not trust; without it they are not given, and nothing is read or computed for them.
    """
    found = gather(name, files)
    if found.problems:
        return _refused(name, found.problems, found.warnings)
    try:
        return _judged(name, found, now, trust)
    except _ERRORS:
        return _refused(name, (_UNREADABLE,), found.warnings)


def _refused(name: str, problems: tuple[Problem, ...], warnings: tuple[str, ...]) -> Reading:
    lines = tuple(dict.fromkeys(each.text for each in problems))
    return Reading(name, problems=lines, warnings=warnings, incomplete=all(each.arriving for each in problems))


def _judged(name: str, found: Material, now: float, trust: Trust | None) -> Reading:
    matches = _matches(found)
    if len(matches) != 1:
        return _refused(name, (_unmatched(name, found, len(matches)),), found.warnings)
    leaf, key = matches[0]
    chain = arrange(leaf, found.certificates, now)
    if not keys.proves(key, leaf):
        damaged = Problem("the key is damaged, what it signs is not accepted: copy it again, whole", arriving=True)
        return _refused(name, (damaged,), found.warnings)
    pair = _pair(name, chain, key)
    warnings = (*found.warnings, *_mended(chain, found), *rules.warnings(chain), *_distrust(chain, pair, now, trust))
    return _timed(pair, chain, rules.problems(chain, now), warnings, now)


def _matches(found: Material) -> list[tuple[x509.Certificate, PrivateKeyTypes]]:
    """Each key with the first certificate of the file that is of it: there the server's own has its place."""
    by_spki: dict[bytes, x509.Certificate] = {}
    for certificate in found.certificates:
        by_spki.setdefault(keys.spki(certificate), certificate)
    distinct = {keys.identity(key): key for key in found.keys}
    return [(by_spki[identity], key) for identity, key in distinct.items() if identity in by_spki]


def _unmatched(name: str, found: Material, count: int) -> Problem:
    title = chains.title(found.certificates[0].subject)
    if count:
        return Problem(f"there are {count} certificates with their keys in {shown(name)}: give each pair its own NAME")
    line = f"the key belongs to none of the certificates (the first is '{title}'): drop the certificate and the key that belong together"
    return Problem(line, arriving=True)


def _timed(pair: Pair, chain: Chain, problems: tuple[Problem, ...], warnings: tuple[str, ...], now: float) -> Reading:
    if expired := rules.expiry(chain.leaf, now):
        return _refused(pair.name, (expired, *problems), warnings)
    if problems:
        return _refused(pair.name, problems, warnings)
    if (not_before := rules.start(chain, now)) is not None:
        return replace(_refused(pair.name, (rules.early(not_before),), warnings), not_before=not_before)
    return Reading(pair.name, pair, warnings=warnings)


def _pair(name: str, chain: Chain, key: PrivateKeyTypes) -> Pair:
    leaf = chain.leaf
    return Pair(
        name,
        chain=b"".join(link.public_bytes(Encoding.PEM) for link in chain.links),
        key=keys.pkcs8(key),
        domains=rules.domains(leaf),
        issuer=chains.title(leaf.issuer),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
    )


def _mended(chain: Chain, found: Material) -> Iterator[str]:
    if chain.misplaced and found.ordered:
        yield "the certificates were in the wrong order: the server's own comes first, then its intermediates; it was mended"
    if chain.root:
        yield f"the root '{chains.title(chain.root.subject)}' was left out: clients have their own"
    if chain.repeated:
        yield f"certificates that stood there twice were left out ({chain.repeated})"
    for stranger in chain.strangers:
        yield f"the certificate '{chains.title(stranger.subject)}' belongs to no link of the chain and was left out"
    if len({keys.identity(key) for key in found.keys}) > 1:
        yield "there is another key, which belongs to no certificate here: remove it"


def _distrust(chain: Chain, pair: Pair, now: float, trust: Trust | None) -> tuple[str, ...]:
    if chain.is_leaf_alone and not (trust and trust.issued(chain.leaf)):
        return (missing_intermediate(pair.issuer),)
    return trust.doubts(pair, now) if trust else ()
