"""Private keys: reading them without delay, whether one belongs to a certificate, which kinds are good for TLS.

No function here returns or raises text that came from a key.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

FEWEST_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_PSS = x509.ObjectIdentifier("1.2.840.113549.1.1.10")
# The last is what OpenSSL reports of a key of a right form and wrong content.
_UNREADABLE = (ValueError, UnsupportedAlgorithm, InternalError)
_PROOF = b"this key belongs to this certificate"


class EncryptedKeyError(Exception):
    """The key is behind a passphrase."""


class UnreadableKeyError(Exception):
    """It is no key, a damaged one, or of a kind that is not known."""


def load(der: bytes) -> PrivateKeyTypes:
    """PKCS#8, PKCS#1 or SEC1. OpenSSL's own check of an RSA key takes 36 ms (2048) to 250 ms (4096): ``belongs`` proves by
    a signature what matters, in one. Raises EncryptedKeyError, UnreadableKeyError.
    """
    try:
        return load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise EncryptedKeyError from None
    except _UNREADABLE:
        raise UnreadableKeyError from None


def pkcs8(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def identity(key: PrivateKeyTypes) -> bytes:
    """The public half: equal for two files of one key, and equal to ``spki`` of its certificates."""
    return _spki(key.public_key())


def spki(certificate: x509.Certificate) -> bytes:
    """The public key of a certificate, encoded anew (a point may have been compressed); b"" if of no known kind."""
    try:
        return _spki(certificate.public_key())
    except _UNREADABLE:
        return b""


def _spki(public: PublicKeyTypes) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def proves(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    """Whether the certificate's public key accepts what the key signs. Kinds that are refused anyway are not asked."""
    public = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey):
            public.verify(
                key.sign(_PROOF, padding.PKCS1v15(), hashes.SHA256()), _PROOF, padding.PKCS1v15(), hashes.SHA256()
            )
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(key.sign(_PROOF, ec.ECDSA(hashes.SHA256())), _PROOF, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PrivateKey) and isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(key.sign(_PROOF), _PROOF)
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def weakness(certificate: x509.Certificate) -> str:
    """Why its kind of key is refused, in words that follow "its key is"; "" if it is good."""
    if certificate.public_key_algorithm_oid == _RSA_PSS:
        return "restricted to RSA-PSS, which the proxy cannot read"
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=bits) if bits < FEWEST_RSA_BITS:
            return f"RSA with {bits} bits, which browsers refuse"
        case ec.EllipticCurvePublicKey(curve=curve) if not isinstance(curve, _CURVES):
            return f"on the curve {curve.name}, which browsers do not know"
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey():
            return "" if _is_plain(certificate) else "written in a rare form, which the proxy cannot read"
    return "of a kind that TLS does not use"


def _is_plain(certificate: x509.Certificate) -> bool:
    """Whether its public key stands there in the usual encoding, the only one that Go reads: a curve by its name, not by
    its parameters, and a point uncompressed.
    """
    return spki(certificate) in certificate.tbs_certificate_bytes


def rarity(certificate: x509.Certificate) -> str:
    """Why some clients will not understand its key, in words that follow "its key is"; "" if all do."""
    match certificate.public_key():
        case ed25519.Ed25519PublicKey():
            return "Ed25519, which browsers do not understand"
        case ec.EllipticCurvePublicKey(curve=ec.SECP521R1()):
            return "on the curve P-521, which some browsers do not understand"
    return ""
