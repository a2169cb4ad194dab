"""Would browsers trust it? A strict verification against the public roots, for warnings only.

A private authority is a fair choice, so nothing here refuses a pair. It asks no network: no revocation, no missing
intermediate is fetched. The roots are read at the first question, and kept.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from reconciler.certs.model import Pair
from reconciler.certs.reading.chain import is_self_signed, issued, title

_STAND_IN = "name"


class Trust:
    """``roots``: PEM of the authorities to trust; None for those that certifi ships (about 5 ms to read, once)."""

    def __init__(self, roots: bytes | None = None) -> None:
        self._given = roots

    @cached_property
    def _roots(self) -> list[x509.Certificate]:
        content = Path(certifi.where()).read_bytes() if self._given is None else self._given
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one public root has a serial number of zero
            return x509.load_pem_x509_certificates(content)

    @cached_property
    def _store(self) -> Store:
        return Store(self._roots)

    def issued(self, leaf: x509.Certificate) -> bool:
        """Whether a root itself issued it, so that no intermediate is missing."""
        return any(issued(leaf, root) for root in self._roots)

    def doubts(self, pair: Pair, now: float) -> tuple[str, ...]:
        """Why a browser may refuse the pair; nothing for a self-signed one or one without names, of which
        more was said already.
        """
        leaf, *intermediates = x509.load_pem_x509_certificates(pair.chain)
        if not pair.domains or is_self_signed(leaf) or self._accepts(leaf, intermediates, pair.domains[0], now):
            return ()
        line = (
            f"no public authority vouches for it (it was issued by '{title(leaf.issuer)}'): only clients that trust that"
            " authority will accept it"
        )
        return (line,)

    def _accepts(self, leaf: x509.Certificate, intermediates: list[x509.Certificate], domain: str, now: float) -> bool:
        # The verification asks for one host, not for a pattern: any name below a wildcard will do.
        host = x509.DNSName(domain.replace("*", _STAND_IN, 1))
        when = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
        try:
            PolicyBuilder().store(self._store).time(when).build_server_verifier(host).verify(leaf, intermediates)
        except (VerificationError, ValueError):
            return False
        return True
