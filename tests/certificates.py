"""A small certification authority for tests: a root, an intermediate, and server certificates good and bad.

    authority = Authority()                              # a root and its intermediate, valid around NOW
    shop = authority.issue("shop.example.com")           # a server certificate with its key and chain
    shop.chain_pem, shop.key_pem                         # what a person would drop as shop.crt and shop.key
    authority.root_pem                                   # what a client is to trust

For a real proxy give the real time: ``Authority(now=time.time())``. Everything is made in memory; keys of RSA, which
take long to make, are made once a process. Nothing here is ever checked in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from ipaddress import ip_address
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC

KeyKind = Literal["p256", "p384", "p521", "secp256k1", "rsa1024", "rsa2048", "rsa4096", "ed25519", "ed448", "dsa2048"]
_CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "secp256k1": ec.SECP256K1()}


def make_key(kind: KeyKind = "p256", which: int = 0) -> Any:
    """``which``: RSA and DSA keys of one kind and number are the same key; the others are new each time."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ed448.Ed448PrivateKey.generate() if kind == "ed448" else _slow_key(kind, which)


@cache
def _slow_key(kind: KeyKind, which: int) -> Any:
    bits = int(kind[3:])
    return dsa.generate_private_key(bits) if kind.startswith("dsa") else rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key; ``above``: its intermediates, the nearest first; ``root``: who vouches for all."""

    certificate: x509.Certificate
    key: Any
    above: tuple[x509.Certificate, ...]
    root: x509.Certificate

    @cached_property
    def pem(self) -> bytes:
        return pem(self.certificate)

    @cached_property
    def chain_pem(self) -> bytes:
        return pem(self.certificate, *self.above)

    @cached_property
    def key_pem(self) -> bytes:
        """PKCS#8."""
        return bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


class Authority:
    """``depth``: how many intermediates stand between the root and what is issued. ``issuing_key``: the lowest one's."""

    def __init__(
        self, name: str = "Test", *, now: float = NOW, kind: KeyKind = "p256", depth: int = 1, **lowest: Any
    ) -> None:
        """``lowest``: changes of the lowest intermediate, as ``issue`` takes them."""
        self.now = now
        self._key = make_key(kind, which=100)
        self.root = _certify(f"{name} Root", self._key, None, self._key, now, is_authority=True, days=3650)
        self._issuer = self.root
        self.intermediates: tuple[x509.Certificate, ...] = ()
        for level in range(depth):
            changes = {"is_authority": True, "days": 1825, **(lowest if level == depth - 1 else {})}
            key = changes.pop("key", None) or make_key(kind, which=101 + level)
            made = _certify(f"{name} Intermediate {level + 1}", key, self._issuer, self._key, now, **changes)
            self.intermediates = (made, *self.intermediates)
            self._issuer, self._key = made, key
        self.issuing_key = self._key

    @property
    def root_pem(self) -> bytes:
        return pem(self.root)

    def issue(self, *hosts: str, kind: KeyKind = "p256", key: Any = None, **changes: Any) -> Issued:
        """A server certificate for DNS names, or IP addresses where a host is one. ``key``: for one that is there already.
        ``changes``: see ``_certify``.
        """
        key = key or make_key(kind)
        name = changes.pop("name", hosts[0] if hosts else "nameless")
        made = _certify(name, key, self._issuer, self._key, self.now, hosts=hosts, **changes)
        return Issued(made, key, self.intermediates, self.root)


def self_signed(*hosts: str, now: float = NOW, kind: KeyKind = "p256", **changes: Any) -> Issued:
    key = make_key(kind)
    made = _certify(hosts[0], key, None, key, now, hosts=hosts, **changes)
    return Issued(made, key, (), made)


def weakened(certificate: x509.Certificate, digest: Literal["SHA1", "MD5"]) -> x509.Certificate:
    """As if it were signed with a hash that no library signs with any more; of an authority of RSA. (The signature itself
    is not made anew: nobody who reads it gets that far.)
    """
    sha256 = bytes.fromhex("06092a864886f70d01010b")
    der = certificate.public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(der.replace(sha256, sha256[:-1] + {"SHA1": b"\x05", "MD5": b"\x04"}[digest]))


def _certify(
    name: str,
    key: Any,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    now: float,
    *,
    hosts: Iterable[str] = (),
    days: float = 90,
    since_days: float = 1,
    is_authority: bool = False,
    usages: Iterable[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    signs: bool = True,
    san: x509.SubjectAlternativeName | None = None,
) -> x509.Certificate:
    """``since_days``, ``days``: valid from so long before ``now`` until so long after it; negative numbers turn that
    around. ``signs``: whether the key usage has digitalSignature. ``san``: in place of the one made from ``hosts``.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    moment = datetime.fromtimestamp(now, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=since_days))
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority, signs), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    alternatives = san or (x509.SubjectAlternativeName([_general_name(host) for host in hosts]) if hosts else None)
    if alternatives:
        builder = builder.add_extension(alternatives, critical=False)
    if usages and not (is_authority and not hosts):
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(is_authority: bool, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
