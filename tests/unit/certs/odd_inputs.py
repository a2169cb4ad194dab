"""The table of everything odd and bad that people drop into ``certs/``, and what each is told. All made here: no
certificate and no key is checked in.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reconciler.certs.model import DroppedFile
from tests.certificates import Authority, Issued, make_key, pem, self_signed, weakened

Files = dict[str, bytes | DroppedFile]
Verdict = Literal["taken", "waiting", "refused"]

CA = Authority()
DEEP = Authority("Deep", depth=2)
OF_RSA = Authority("Old", kind="rsa2048")
SHOP = CA.issue("shop.example.com", "www.shop.example.com")
OTHER = CA.issue("other.example.com")
RSA = CA.issue("shop.example.com", kind="rsa2048")
HIGH = DEEP.issue("shop.example.com")
PASSWORD = b"correct horse"


@dataclass(frozen=True)
class Case:
    """``says``: a pattern that exactly one line must have; none for a pair that is taken without a word."""

    title: str
    files: Callable[[], Files]
    verdict: Verdict
    says: str = ""


def drop(issued: Issued, *, chain: bytes | None = None, key: bytes | None = None) -> Files:
    return {
        "shop.crt": issued.chain_pem if chain is None else chain,
        "shop.key": issued.key_pem if key is None else key,
    }


def key_as(issued: Issued, form: Any, encoding: Any = Encoding.PEM, encryption: Any = None) -> bytes:
    made: bytes = issued.key.private_bytes(encoding, form, encryption or NoEncryption())
    return made


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def bundle(issued: Issued, password: bytes | None = PASSWORD, **changes: Any) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    parts = {"key": issued.key, "cert": issued.certificate, "cas": issued.above, **changes}
    return pkcs12.serialize_key_and_certificates(b"shop", parts["key"], parts["cert"], parts["cas"], encryption)


def as_ber(content: bytes) -> bytes:
    """The same sequence without its length, as Java writes a bundle."""
    head = 2 + (content[1] & 0x7F if content[1] & 0x80 else 0)
    return b"\x30\x80" + content[head:] + b"\0\0"


def names(*alternatives: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(alternatives)


def request() -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(SHOP.key, SHA256())
    return made.public_bytes(Encoding.PEM)


def legacy_encrypted() -> bytes:
    return key_as(RSA, PrivateFormat.TraditionalOpenSSL, encryption=BestAvailableEncryption(PASSWORD))


def bare(label: str, content: bytes = b"anything") -> bytes:
    return f"-----BEGIN {label}-----\n{base64.b64encode(content).decode()}\n-----END {label}-----\n".encode()


CHAIN, KEY, LEAF, ABOVE = SHOP.chain_pem, SHOP.key_pem, SHOP.pem, pem(*SHOP.above)
PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL
EXPIRED: dict[str, Any] = {"days": -3, "since_days": 90}
FUTURE: dict[str, Any] = {"since_days": -2}


def with_point_compressed(certificate: x509.Certificate) -> x509.Certificate:
    """Of a P-256 key: its point is 32 bytes shorter then, and so is all that it stands in. (No longer rightly signed.)"""
    public = certificate.public_key()
    assert isinstance(public, EllipticCurvePublicKey)
    long = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    short = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    head = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d03010703")
    content = der(certificate).replace(b"\x30\x59" + head + b"\x42\0" + long, b"\x30\x39" + head + b"\x22\0" + short)
    lengths = [(int.from_bytes(content[at : at + 2], "big") - 32).to_bytes(2, "big") for at in (2, 6)]
    return x509.load_der_x509_certificate(content[:2] + lengths[0] + content[4:6] + lengths[1] + content[8:])


def weak_leaf(digest: Literal["SHA1", "MD5"]) -> Files:
    made = OF_RSA.issue("shop.example.com")
    return drop(made, chain=pem(weakened(made.certificate, digest), *made.above))


def weak_intermediate() -> Files:
    made = OF_RSA.issue("shop.example.com")
    return drop(made, chain=made.pem + pem(weakened(made.above[0], "SHA1")))


def under(**lowest: Any) -> Files:
    return drop(Authority(**lowest).issue("shop.example.com"))


def authority_key() -> bytes:
    """The chain of ``SHOP`` with the key of its intermediate, as of one who mixed up two files of a private CA."""
    return key_as(Issued(SHOP.certificate, CA.issuing_key, (), CA.root), PKCS8)


TAKEN = [
    Case("crt and key", lambda: drop(SHOP), "taken"),
    Case("two intermediates", lambda: drop(HIGH), "taken"),
    Case("an RSA pair", lambda: drop(RSA), "taken"),
    Case("P-384", lambda: drop(CA.issue("shop.example.com", kind="p384")), "taken"),
    Case("a wildcard", lambda: drop(CA.issue("*.example.com", "example.com")), "taken"),
    Case("names .pem", lambda: {"shop.pem": CHAIN, "shop.key": KEY}, "taken"),
    Case("names .cer", lambda: {"shop.cer": CHAIN, "shop.key": KEY}, "taken"),
    Case("names .cert", lambda: {"shop.cert": CHAIN, "shop.key": KEY}, "taken"),
    Case("names of capitals", lambda: {"shop.CRT": CHAIN, "shop.Key": KEY}, "taken"),
    Case("names .key.pem", lambda: {"shop.crt": CHAIN, "shop.key.pem": KEY}, "taken"),
    Case("certbot's, with a name", lambda: {"shop.fullchain.pem": CHAIN, "shop.privkey.pem": KEY}, "taken"),
    Case("PKCS#1", lambda: drop(RSA, key=key_as(RSA, TRADITIONAL)), "taken"),
    Case("SEC1", lambda: drop(SHOP, key=key_as(SHOP, TRADITIONAL)), "taken"),
    Case("EC PARAMETERS", lambda: drop(SHOP, key=bare("EC PARAMETERS") + key_as(SHOP, TRADITIONAL)), "taken"),
    Case("an IP address beside a name", lambda: drop(CA.issue("shop.example.com", "192.0.2.1")), "taken"),
    Case("no blank at the end", lambda: drop(SHOP, chain=CHAIN.rstrip(), key=KEY.rstrip()), "taken"),
    Case("p12 with pass", lambda: {"shop.p12": bundle(SHOP), "shop.pass": PASSWORD + b"\r\n"}, "taken"),
    Case("p12 of Java's form", lambda: {"shop.p12": as_ber(bundle(SHOP)), "shop.pass": PASSWORD}, "taken"),
    Case("pfx without password", lambda: {"shop.pfx": bundle(SHOP, None)}, "taken"),
]

MENDED = [
    Case(
        "BOM, certificate",
        lambda: drop(SHOP, chain=b"\xef\xbb\xbf" + CHAIN),
        "taken",
        r"shop\.crt has a byte order mark",
    ),
    Case("BOM, key", lambda: drop(SHOP, key=b"\xef\xbb\xbf" + KEY), "taken", r"shop\.key has a byte order mark"),
    Case("UTF-16", lambda: drop(SHOP, chain=CHAIN.decode().encode("utf-16")), "taken", r"shop\.crt is UTF-16"),
    Case("CRLF", lambda: drop(SHOP, chain=CHAIN.replace(b"\n", b"\r\n")), "taken", r"shop\.crt .*CRLF"),
    Case("written backslash-n", lambda: drop(SHOP, key=KEY.replace(b"\n", b"\\n")), "taken", r"shop\.key .*'\\n'"),
    Case("glued", lambda: drop(SHOP, chain=LEAF.rstrip() + ABOVE), "taken", r"shop\.crt .*glued"),
    Case("text around", lambda: drop(SHOP, chain=b"Bag Attributes\n" + CHAIN), "taken", "text around"),
    Case("DER certificate", lambda: drop(SHOP, chain=der(SHOP.certificate) + der(SHOP.above[0])), "taken", "is DER"),
    Case("DER key, PKCS#8", lambda: drop(SHOP, key=key_as(SHOP, PKCS8, Encoding.DER)), "taken", r"shop\.key is DER"),
    Case(
        "DER key, PKCS#1", lambda: drop(RSA, key=key_as(RSA, TRADITIONAL, Encoding.DER)), "taken", r"shop\.key is DER"
    ),
    Case("wrong order", lambda: drop(SHOP, chain=ABOVE + LEAF), "taken", "wrong order"),
    Case("reversed", lambda: drop(HIGH, chain=pem(*reversed((HIGH.certificate, *HIGH.above)))), "taken", "wrong order"),
    Case(
        "intermediates swapped",
        lambda: drop(HIGH, chain=pem(HIGH.certificate, *reversed(HIGH.above))),
        "taken",
        "wrong order",
    ),
    Case("root included", lambda: drop(SHOP, chain=CHAIN + CA.root_pem), "taken", "the root 'Test Root' was left out"),
    Case("duplicate", lambda: drop(SHOP, chain=CHAIN + ABOVE), "taken", "stood there twice"),
    Case(
        "unrelated", lambda: drop(SHOP, chain=CHAIN + OTHER.pem), "taken", r"'other\.example\.com' belongs to no link"
    ),
    Case("key in the certificate file", lambda: {"shop.crt": CHAIN + KEY}, "taken", r"shop\.crt holds a private key"),
    Case("key first, in one .pem", lambda: {"shop.pem": KEY + CHAIN}, "taken", r"shop\.pem holds a private key"),
    Case("chain in the key file", lambda: {"shop.key": KEY + CHAIN}, "taken", r"shop\.key holds the certificate"),
    Case("a second chain", lambda: drop(SHOP, key=KEY + OTHER.pem), "taken", r"shop\.key holds certificates, too"),
    Case("a public key", lambda: drop(SHOP, chain=CHAIN + bare("PUBLIC KEY")), "taken", "a block PUBLIC KEY"),
    Case("a second key", lambda: drop(SHOP, key=KEY + OTHER.key_pem), "taken", "another key"),
    Case("a stray password", lambda: {**drop(SHOP), "shop.pass": PASSWORD}, "taken", r"shop\.pass is not needed"),
]

ODD = [
    Case(
        "no intermediate",
        lambda: drop(SHOP, chain=LEAF),
        "taken",
        "intermediate certificate of 'Test Intermediate 1' is missing",
    ),
    Case("no usage", lambda: drop(CA.issue("shop.example.com", usages=())), "taken", "no extended key usage"),
    Case("Ed25519", lambda: drop(CA.issue("shop.example.com", kind="ed25519")), "taken", "Ed25519"),
    Case("P-521", lambda: drop(CA.issue("shop.example.com", kind="p521")), "taken", "P-521"),
    Case("self-signed", lambda: drop(self_signed("shop.example.com")), "taken", "self-signed"),
    Case(
        "self-signed, as `req -x509` does",
        lambda: drop(self_signed("a.test", is_authority=True)),
        "taken",
        "self-signed",
    ),
    Case("an authority's", lambda: drop(CA.issue("shop.example.com", is_authority=True)), "taken", "CA:TRUE"),
    Case("no digitalSignature", lambda: drop(CA.issue("shop.example.com", signs=False)), "taken", "digitalSignature"),
    Case(
        "an open key",
        lambda: {"shop.crt": CHAIN, "shop.key": DroppedFile("shop.key", KEY, 0o644)},
        "taken",
        r"0644.*chmod 600 shop\.key",
    ),
    Case(
        "an open password",
        lambda: {"shop.p12": bundle(SHOP), "shop.pass": DroppedFile("shop.pass", PASSWORD, 0o640)},
        "taken",
        r"chmod 600 shop\.pass",
    ),
    Case(
        "a name no host has",
        lambda: drop(CA.issue("a.test", san=names(x509.DNSName("a.test"), x509.DNSName("{{x}}")))),
        "taken",
        r"could be no host's.*\{\{x\}\}",
    ),
]

WAITING = [
    Case("no key", lambda: {"shop.crt": CHAIN}, "waiting", r"shop\.key is missing.*shop\.crt"),
    Case("no certificate", lambda: {"shop.key": KEY}, "waiting", r"shop\.crt is missing.*shop\.key"),
    Case(
        "only an intermediate", lambda: {"ca.crt": ABOVE}, "waiting", r"ca\.crt holds certificates of authorities only"
    ),
    Case("empty certificate", lambda: drop(SHOP, chain=b""), "waiting", r"shop\.crt is empty"),
    Case("empty key", lambda: drop(SHOP, key=b"\n"), "waiting", r"shop\.key is empty"),
    Case("no PEM", lambda: drop(SHOP, chain=b"<html>Log in</html>"), "waiting", r"shop\.crt holds neither a PEM block"),
    Case("cut in the leaf", lambda: drop(SHOP, chain=CHAIN[:300]), "waiting", r"shop\.crt is cut off"),
    Case("cut in the intermediate", lambda: drop(SHOP, chain=CHAIN[:-300]), "waiting", r"shop\.crt is cut off"),
    Case("cut in a BEGIN line", lambda: drop(SHOP, chain=LEAF + b"-----BEGIN C"), "waiting", r"shop\.crt is cut off"),
    Case("key cut", lambda: drop(SHOP, key=KEY[:100]), "waiting", r"shop\.key is cut off"),
    Case("DER cut", lambda: drop(SHOP, chain=der(SHOP.certificate)[:200]), "waiting", r"shop\.crt is cut off"),
    Case("space kept, not yet written", lambda: drop(SHOP, chain=LEAF + b"\0" * 99), "waiting", "zero bytes"),
    Case("base64 damaged", lambda: drop(SHOP, chain=LEAF.replace(b"MII", b"M!I", 1)), "waiting", "damaged"),
    Case(
        "no certificate in the block",
        lambda: drop(SHOP, chain=LEAF + bare("CERTIFICATE")),
        "waiting",
        r"block 2 of shop\.crt is not a certificate",
    ),
    Case(
        "no key in the block",
        lambda: drop(SHOP, key=bare("PRIVATE KEY")),
        "waiting",
        r"block 1 of shop\.key is not a key",
    ),
    Case(
        "DER of something",
        lambda: drop(SHOP, chain=bytes.fromhex("3003020105")),
        "waiting",
        "neither a certificate nor a key",
    ),
    Case(
        "another pair's key", lambda: drop(SHOP, key=OTHER.key_pem), "waiting", r"belongs to none.*'shop\.example\.com'"
    ),
    Case("p12 cut", lambda: {"shop.p12": bundle(SHOP)[:-9], "shop.pass": PASSWORD}, "waiting", r"shop\.p12 is cut off"),
    Case(
        "p12 of Java's form, cut",
        lambda: {"shop.p12": as_ber(bundle(SHOP))[:-2], "shop.pass": PASSWORD},
        "waiting",
        r"shop\.p12 is cut off",
    ),
    Case(
        "a certificate called key", lambda: {"shop.key": CHAIN}, "waiting", r"shop\.key holds a certificate and no key"
    ),
    Case("a key called crt", lambda: {"shop.crt": KEY}, "waiting", r"shop\.crt holds a key and no certificate"),
    Case("p12, no pass", lambda: {"shop.p12": bundle(SHOP)}, "waiting", r"behind a password: write it into shop\.pass"),
    Case(
        "p12, wrong pass",
        lambda: {"shop.p12": bundle(SHOP), "shop.pass": b"battery"},
        "waiting",
        r"password in shop\.pass does not open",
    ),
    Case("pass alone", lambda: {"shop.pass": PASSWORD}, "waiting", r"shop\.p12 is missing"),
    Case("certbot's flat chain", lambda: {"fullchain.pem": CHAIN}, "waiting", "rename fullchain.pem to NAME.crt"),
    Case("certbot's flat key", lambda: {"privkey.pem": KEY}, "waiting", "privkey.pem to NAME.key"),
]

REFUSED = [
    Case(
        "expired",
        lambda: drop(CA.issue("a.test", **EXPIRED)),
        "refused",
        r"expired on 2027-01-12 08:00 UTC \(3 days ago\): renew",
    ),
    Case(
        "not yet valid",
        lambda: drop(CA.issue("a.test", **FUTURE)),
        "refused",
        r"not valid before 2027-01-17 08:00 UTC; it is taken then by itself",
    ),
    Case("no SAN", lambda: drop(CA.issue(name="shop.example.com")), "refused", r"common name 'shop\.example\.com'"),
    Case("IP only", lambda: drop(CA.issue("192.0.2.1", "2001:db8::1")), "refused", "IP addresses only"),
    Case(
        "mail only",
        lambda: drop(CA.issue("a", san=names(x509.RFC822Name("a@b.test")))),
        "refused",
        "names of other kinds",
    ),
    Case(
        "no host's name",
        lambda: drop(CA.issue("a", san=names(x509.DNSName("a b")))),
        "refused",
        "none of its DNS names",
    ),
    Case("RSA-1024", lambda: drop(CA.issue("a.test", kind="rsa1024")), "refused", "RSA with 1024 bits"),
    Case("secp256k1", lambda: drop(CA.issue("a.test", kind="secp256k1")), "refused", "curve secp256k1"),
    Case(
        "a compressed point",
        lambda: drop(SHOP, chain=pem(with_point_compressed(SHOP.certificate))),
        "refused",
        "its key is written in a rare form",
    ),
    Case("DSA", lambda: drop(CA.issue("a.test", kind="dsa2048")), "refused", "a kind that TLS does not use"),
    Case("Ed448", lambda: drop(CA.issue("a.test", kind="ed448")), "refused", "a kind that TLS does not use"),
    Case("SHA-1", lambda: weak_leaf("SHA1"), "refused", "it is signed with SHA1"),
    Case("MD5", lambda: weak_leaf("MD5"), "refused", "it is signed with MD5"),
    Case(
        "SHA-1 intermediate",
        weak_intermediate,
        "refused",
        "intermediate 'Old Intermediate 1' is signed with SHA1",
    ),
    Case(
        "for clients",
        lambda: drop(CA.issue("a.test", usages=[ExtendedKeyUsageOID.CLIENT_AUTH])),
        "refused",
        "serverAuth",
    ),
    Case("intermediate expired", lambda: under(**EXPIRED), "refused", "intermediate 'Test Intermediate 1' expired on"),
    Case("intermediate no CA", lambda: under(is_authority=False), "refused", "is no authority"),
    Case("intermediate of RSA-1024", lambda: under(key=make_key("rsa1024")), "refused", "intermediate .* is weak"),
    Case("the authority's key", lambda: drop(SHOP, key=authority_key()), "refused", "the key is that of the authority"),
    Case(
        "encrypted PKCS#8",
        lambda: drop(SHOP, key=key_as(SHOP, PKCS8, encryption=BestAvailableEncryption(PASSWORD))),
        "refused",
        r"shop\.key is behind a passphrase.*openssl pkey",
    ),
    Case("encrypted, legacy", lambda: drop(RSA, key=legacy_encrypted()), "refused", "behind a passphrase"),
    Case(
        "encrypted, DER",
        lambda: drop(SHOP, key=key_as(SHOP, PKCS8, Encoding.DER, BestAvailableEncryption(PASSWORD))),
        "refused",
        "behind a passphrase",
    ),
    Case("OpenSSH", lambda: drop(SHOP, key=key_as(SHOP, PrivateFormat.OpenSSH)), "refused", "OpenSSH"),
    Case("request", lambda: drop(SHOP, chain=request()), "refused", r"shop\.crt holds a certificate request"),
    Case("PKCS#7", lambda: drop(SHOP, chain=bare("PKCS7")), "refused", "openssl pkcs7 -print_certs"),
    Case("trusted", lambda: drop(SHOP, chain=bare("TRUSTED CERTIFICATE")), "refused", "TRUSTED form"),
    Case(
        "public key",
        lambda: drop(SHOP, key=SHOP.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
        "refused",
        "a public key alone",
    ),
    Case(
        "two certificate files",
        lambda: {**drop(SHOP), "shop.pem": OTHER.chain_pem},
        "refused",
        r"shop\.crt and shop\.pem both hold certificates",
    ),
    Case(
        "two key files",
        lambda: {**drop(SHOP), "shop.privkey.pem": KEY},
        "refused",
        r"shop\.key and shop\.privkey\.pem both hold keys",
    ),
    Case(
        "p12 beside crt",
        lambda: {**drop(SHOP), "shop.p12": bundle(SHOP)},
        "refused",
        r"shop\.p12 .*remove either it or shop\.crt, shop\.key",
    ),
    Case("p12 without key", lambda: {"shop.p12": bundle(SHOP, None, key=None)}, "refused", r"shop\.p12 holds no key"),
    Case("p12 that is PEM", lambda: {"shop.p12": CHAIN + KEY}, "refused", r"is PEM, not PKCS#12"),
    Case(
        "two pairs in one",
        lambda: {"shop.pem": CHAIN + KEY + OTHER.pem + OTHER.key_pem},
        "refused",
        r"2 certificates with their keys",
    ),
    Case("too large", lambda: drop(SHOP, chain=CHAIN * 400), "refused", r"shop\.crt is larger than 256 KiB"),
    Case(
        "unreadable",
        lambda: {"shop.crt": DroppedFile("shop.crt", b"", fault="may not be read"), "shop.key": KEY},
        "refused",
        r"shop\.crt: may not be read",
    ),
]


CASES = [*TAKEN, *MENDED, *ODD, *WAITING, *REFUSED]
