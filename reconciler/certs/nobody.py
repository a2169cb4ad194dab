"""The certificate that is shown for names which nobody has one for: made once, and worth nothing but to be known by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from reconciler.certs.rendering import Default

_LASTS = timedelta(days=3650)


def made_default(now: float) -> Default:
    """``now``: seconds since the epoch. Its names are nobody's: ACME orders nothing for a name that it has."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "no certificate for this name")])
    began = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + _LASTS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("default.invalid")]), critical=False)
        .sign(key, SHA256())
    )
    return Default(
        chain=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        fingerprint=certificate.fingerprint(SHA256()).hex(),
    )
