"""From certificates in any order to the chain that a server sends: its own first, each next one the issuer of the last.

A link is a link when name and signature agree. Roots are left out, as every client has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from reconciler.certs.reading.findings import shown


@dataclass(frozen=True, slots=True)
class Chain:
    """``intermediates``: from the issuer of ``leaf`` upwards. ``root``: the one that the file had, too; not sent.
    ``misplaced``: whether the file had them in another order. ``strangers``: what belongs to no link.
    """

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...] = ()
    root: x509.Certificate | None = None
    misplaced: bool = False
    repeated: int = 0
    strangers: tuple[x509.Certificate, ...] = ()

    @property
    def links(self) -> tuple[x509.Certificate, ...]:
        return (self.leaf, *self.intermediates)

    @property
    def is_leaf_alone(self) -> bool:
        """Whether the intermediate seems to be missing: only a root may have issued a certificate that comes alone."""
        return not self.intermediates and self.root is None and not is_self_signed(self.leaf)


def arrange(leaf: x509.Certificate, certificates: Sequence[x509.Certificate], now: float) -> Chain:
    distinct = list(dict.fromkeys(certificates))
    links = [leaf]
    while (found := _issuer(links, distinct, now)) and not is_self_signed(found):
        links.append(found)
    places = [distinct.index(link) for link in links]
    return Chain(
        leaf,
        tuple(links[1:]),
        root=found,
        misplaced=places != sorted(places) or places[0] > 0,
        repeated=len(certificates) - len(distinct),
        strangers=tuple(each for each in distinct if each not in links and each != found),
    )


def _issuer(links: list[x509.Certificate], certificates: list[x509.Certificate], now: float) -> x509.Certificate | None:
    """Of cross-signed twins the one that is in force; of those, the first of the file."""
    candidates = [each for each in certificates if each not in links and issued(links[-1], each)]
    return min(candidates, key=lambda each: not is_in_force(each, now), default=None)


def issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    """Whether ``parent`` issued ``child``. A signature of a kind too weak to be checked counts: the name says so, and
    the weakness is found by its own rule.
    """
    if child.issuer != parent.subject:
        return False
    try:
        child.verify_directly_issued_by(parent)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        return True
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    return issued(certificate, certificate)


def is_in_force(certificate: x509.Certificate, now: float) -> bool:
    return certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp()


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def title(name: x509.Name) -> str:
    """What people call it: the common name, or else the whole name."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return shown(str(common[0].value) if common else name.rfc4514_string() or "without a name")
