"""The rules that a chain has to keep before it may be served: what is refused, and what is only said.

Rules for what browsers and the proxy accept; each refusal says how to mend it. They ask nobody outside.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from reconciler.certs import names
from reconciler.certs.reading import chain as chains
from reconciler.certs.reading import keys
from reconciler.certs.reading.chain import Chain
from reconciler.certs.reading.findings import Problem, shown
from reconciler.model.moment import shown_moment

_WEAK_HASHES = (hashes.SHA1, hashes.MD5)
_DAY_S = 86400
_MOST_NAMES = 5


def problems(chain: Chain, now: float) -> tuple[Problem, ...]:
    """What keeps the chain from being served, its time apart."""
    return tuple(Problem(line) for line in (*_of_leaf(chain), *_of_intermediates(chain, now)))


def expiry(leaf: x509.Certificate, now: float) -> Problem | None:
    ended = leaf.not_valid_after_utc
    if now <= ended.timestamp():
        return None
    days = int((now - ended.timestamp()) // _DAY_S)
    return Problem(f"expired on {shown_moment(ended.timestamp())} ({days} days ago): renew it and drop the new pair")


def start(chain: Chain, now: float) -> float | None:
    """The moment from which the whole chain is valid, if that is still to come."""
    latest = max(link.not_valid_before_utc.timestamp() for link in chain.links)
    return latest if latest > now else None


def early(not_before: float) -> Problem:
    return Problem(f"not valid before {shown_moment(not_before)}; it is taken then by itself")


def domains(leaf: x509.Certificate) -> tuple[str, ...]:
    """The DNS names it is for, in canonical form; what could be no name of a host is not among them."""
    return tuple(sorted({name for each in _dns_names(leaf) if names.is_pattern(name := names.canonical(each))}))


def warnings(chain: Chain) -> tuple[str, ...]:
    return tuple(_oddities(chain))


# Refusals


def _of_leaf(chain: Chain) -> Iterator[str]:
    leaf = chain.leaf
    if any(chains.issued(each, leaf) for each in (*chain.strangers, *chain.intermediates)):
        yield (
            f"the key is that of the authority '{chains.title(leaf.subject)}', not of a server certificate that it issued:"
            " drop the key of the server certificate"
        )
        return
    if weak := keys.weakness(leaf):
        yield f"its key is {weak}: make a new key (EC P-256, or RSA with 2048 bits) and have it certified"
    if hashed := _weak_hash(leaf):
        yield f"it is signed with {hashed}, which browsers refuse: have it issued anew with SHA-256"
    if not domains(leaf):
        yield _nameless(leaf)
    usages = _usages(leaf)
    if usages and not usages & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        yield "it is not for servers (its extended key usage lacks serverAuth): have it issued as a server certificate"


def _nameless(leaf: x509.Certificate) -> str:
    mend = "have it issued with its host names as DNS names (subjectAltName)"
    names_of_any_kind = _san(leaf)
    if names_of_any_kind is None or not list(names_of_any_kind):
        return f"it names no host: browsers ignore its common name '{chains.title(leaf.subject)}'; {mend}"
    if _dns_names(leaf):
        return f"none of its DNS names could be the name of a host; {mend}"
    if names_of_any_kind.get_values_for_type(x509.IPAddress):
        return f"it is for IP addresses only, and sites are reached by name; {mend}"
    return f"it names no host, only names of other kinds; {mend}"


def _of_intermediates(chain: Chain, now: float) -> Iterator[str]:
    for each in chain.intermediates:
        name = f"the intermediate '{chains.title(each.subject)}'"
        mend = "put the intermediates into the file that your authority offers today"
        if now > each.not_valid_after_utc.timestamp():
            yield f"{name} expired on {shown_moment(each.not_valid_after_utc.timestamp())}: {mend}"
        if not chains.is_authority(each):
            yield f"{name} is no authority, and may not issue certificates: {mend}"
        if weak := keys.weakness(each):
            yield f"{name} is weak, its key is {weak}: {mend}"
        if hashed := _weak_hash(each):
            yield f"{name} is signed with {hashed}, which browsers refuse: {mend}"


def _weak_hash(certificate: x509.Certificate) -> str:
    try:
        used = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "an algorithm that is not known"
    return used.name.upper() if isinstance(used, _WEAK_HASHES) else ""


# Warnings


def _oddities(chain: Chain) -> Iterator[str]:
    leaf = chain.leaf
    if rare := keys.rarity(leaf):
        yield f"its key is {rare}: prefer EC P-256"
    if not _usages(leaf):
        yield "it does not say what it is for (no extended key usage); some clients want serverAuth"
    if chains.is_self_signed(leaf):
        yield "it is self-signed: clients will not trust it unless they are told to"
    elif chains.is_authority(leaf):
        yield "it is the certificate of an authority (CA:TRUE); some browsers refuse one as a server's"
    if not _may_sign(leaf):
        yield "its key usage lacks digitalSignature, which TLS 1.3 needs: some clients will refuse it"
    if left_out := [each for each in _dns_names(leaf) if not names.is_pattern(names.canonical(each))]:
        yield f"these of its names could be no host's, and are not served: {', '.join(map(shown, left_out[:_MOST_NAMES]))}"


def _may_sign(leaf: x509.Certificate) -> bool:
    try:
        return leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True


# Extensions


def _san(leaf: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _dns_names(leaf: x509.Certificate) -> list[str]:
    san = _san(leaf)
    return san.get_values_for_type(x509.DNSName) if san else []


def _usages(leaf: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    try:
        return frozenset(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return frozenset()
