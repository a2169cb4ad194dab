"""Would clients trust it? A strict verification against the public roots, and whether an authority of one's own issued it,
for warnings only.

A private authority is a fair choice, so nothing here refuses a pair. It asks no network: no revocation, no missing
intermediate is fetched. The roots are read at the first question, and kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from reconciler.certs.model import Pair
from reconciler.certs.reading.chain import is_self_signed, issued, title

_STAND_IN = "name"


def missing_intermediate(issuer: str) -> str:
    """What is said of a certificate alone that no known root issued."""
    return (
        f"the intermediate certificate of '{issuer}' is missing, and many clients will refuse it: append it to the certificate"
        " file"
    )


class Trust:
    """``roots``: PEM of the authorities to trust; None for those that certifi ships (about 5 ms to read, once).

    ``own``: a file with authorities of one's own, trusted besides. ``public``: whether it is worth a warning that none of
    all these vouches for a pair; without it no public root is read at all.
    """

    def __init__(self, roots: bytes | None = None, own: str | None = None, *, public: bool = True) -> None:
        self._given = roots
        self._file = own
        self._public = public

    @cached_property
    def _own(self) -> tuple[list[x509.Certificate], str]:
        """With why there are none, "" where the file can be read."""
        if self._file is None:
            return [], ""
        try:
            return x509.load_pem_x509_certificates(Path(self._file).read_bytes()), ""
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it holds no certificate in PEM"
            return [], f"certs.caFile: {self._file} cannot be read ({why}), so its authorities vouch for nothing"

    @cached_property
    def _roots(self) -> list[x509.Certificate]:
        if not self._public:
            return []
        content = Path(certifi.where()).read_bytes() if self._given is None else self._given
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one public root has a serial number of zero
            return x509.load_pem_x509_certificates(content)

    @cached_property
    def _store(self) -> Store:
        return Store(self._roots)

    def issued(self, leaf: x509.Certificate) -> bool:
        """Whether a root itself issued it, so that no intermediate is missing."""
        return any(issued(leaf, root) for roots in (self._own[0], self._roots) for root in roots)

    def judged(self, messages: Iterable[str], pair: Pair, now: float) -> tuple[str, ...]:
        """What was said of a pair where no authority was known, mended by knowing some."""
        gap = missing_intermediate(pair.issuer)
        said = (
            line for line in messages if line != gap or not self.issued(x509.load_pem_x509_certificates(pair.chain)[0])
        )
        return tuple(dict.fromkeys((*said, *self.doubts(pair, now))))

    def doubts(self, pair: Pair, now: float) -> tuple[str, ...]:
        """Why a browser may refuse the pair; nothing for a self-signed one or one without names, of which
        more was said already.
        """
        leaf, *intermediates = x509.load_pem_x509_certificates(pair.chain)
        if not self._public or not pair.domains or is_self_signed(leaf):
            return ()
        own, fault = self._own
        # Its links were checked when the pair was read; what a strict verification asks for, few own authorities have.
        if any(issued((leaf, *intermediates)[-1], root) for root in own):
            return ()
        if self._accepts(leaf, intermediates, pair.domains[0], now):
            return ()
        none = "neither a public authority nor one of certs.caFile vouches" if own else "no public authority vouches"
        line = f"{none} for it (it was issued by '{title(leaf.issuer)}'): only clients that trust that authority will accept it"
        return (fault or line,)

    def _accepts(self, leaf: x509.Certificate, intermediates: list[x509.Certificate], domain: str, now: float) -> bool:
        # The verification asks for one host, not for a pattern: any name below a wildcard will do.
        host = x509.DNSName(domain.replace("*", _STAND_IN, 1))
        when = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
        try:
            PolicyBuilder().store(self._store).time(when).build_server_verifier(host).verify(leaf, intermediates)
        except (VerificationError, ValueError):
            return False
        return True
