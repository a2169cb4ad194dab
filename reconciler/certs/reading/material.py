"""One dropped file -> the certificates and keys in it, with what is wrong and what was mended.

A file is judged by what it holds, not by what it is called: a key in a certificate file is found, and said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from reconciler.certs.model import DroppedFile
from reconciler.certs.reading import keys, pem
from reconciler.certs.reading.findings import Problem, shown

LARGEST_BYTES = 256 * 1024
_COPY_AGAIN = "copy it again, whole"

_CERTIFICATES = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_KEYS = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"})
_SILENT = frozenset({"EC PARAMETERS"})
_STRANGERS = {
    "CERTIFICATE REQUEST": "a certificate request: send it to your authority, and drop the certificate that comes back",
    "NEW CERTIFICATE REQUEST": "a certificate request: send it to your authority, and drop the certificate that comes back",
    "TRUSTED CERTIFICATE": "OpenSSL's TRUSTED form: convert it with `openssl x509 -in OLD -out NAME.crt`",
    "PKCS7": "a PKCS#7 bundle: convert it with `openssl pkcs7 -print_certs -in OLD -out NAME.crt`",
    "CMS": "a PKCS#7 bundle: convert it with `openssl pkcs7 -print_certs -in OLD -out NAME.crt`",
    "PUBLIC KEY": "a public key alone: drop the private key (NAME.key)",
}


@dataclass(frozen=True, slots=True)
class Material:
    """``certificates`` and ``keys``: in the order of the file. ``ordered``: whether that order says something."""

    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PrivateKeyTypes, ...] = field(default=(), repr=False)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    ordered: bool = True


def together(parts: Iterable[Material]) -> Material:
    parts = tuple(parts)
    return Material(
        tuple(each for part in parts for each in part.certificates),
        tuple(each for part in parts for each in part.keys),
        tuple(each for part in parts for each in part.problems),
        tuple(each for part in parts for each in part.warnings),
        all(part.ordered for part in parts),
    )


def fault(file: DroppedFile) -> Problem | None:
    """Why a file is not looked into at all."""
    if file.fault:
        return Problem(f"{shown(file.name)}: {file.fault}", arriving=file.passing)
    if len(file.content) > LARGEST_BYTES:
        return Problem(f"{shown(file.name)} is larger than 256 KiB: drop the certificate and its intermediates only")
    return None


def exposure(file: DroppedFile) -> tuple[str, ...]:
    """The warning about a file with a secret in it that others on this host may read."""
    if not file.mode & 0o077:
        return ()
    name = shown(file.name)
    return (f"{name} may be read by others than its owner (mode {file.mode & 0o7777:04o}): chmod 600 {name}",)


def material(file: DroppedFile) -> Material:
    if found := fault(file):
        return Material(problems=(found,))
    contents, name = pem.parse(file.content), shown(file.name)
    if contents.damage:
        return Material(problems=(Problem(f"{name} {contents.damage}: {_COPY_AGAIN}", arriving=True),))
    whole = together(_of_block(name, index, block) for index, block in enumerate(contents.blocks, start=1))
    if not whole.certificates and not whole.keys and not whole.problems:
        return Material(problems=(_nothing(name, contents.blocks),))
    mended = tuple(f"{name} {repair}: it was mended for the proxy" for repair in contents.repairs)
    exposed = exposure(file) if whole.keys else ()
    return together((Material(warnings=(*mended, *exposed)), whole))


def _of_block(name: str, index: int, block: pem.Block) -> Material:
    if block.label in _CERTIFICATES:
        return _certificate(name, index, block)
    if block.label in _KEYS or block.label == "ENCRYPTED PRIVATE KEY":
        return _key(name, index, block)
    if block.label == pem.DER_LABEL:
        return _binary(name, index, block)
    if block.label == "OPENSSH PRIVATE KEY":
        line = f"{name} holds a key in OpenSSH's form: convert it with `ssh-keygen -p -m PKCS8 -f` on a copy of it"
        return Material(problems=(Problem(line),))
    if block.label in _SILENT:
        return Material()
    return Material(warnings=(f"{name} holds a block {shown(block.label)}, which was left out",))


def _certificate(name: str, index: int, block: pem.Block) -> Material:
    try:
        return Material(certificates=(x509.load_der_x509_certificate(block.der),))
    except (ValueError, x509.InvalidVersion):
        line = f"block {index} of {name} is not a certificate that can be read: {_COPY_AGAIN}, or have it issued anew"
        return Material(problems=(Problem(line, arriving=True),))


def _key(name: str, index: int, block: pem.Block) -> Material:
    if block.encrypted or block.label == "ENCRYPTED PRIVATE KEY":
        return _encrypted(name)
    try:
        return Material(keys=(keys.load(block.der),))
    except keys.EncryptedKeyError:
        return _encrypted(name)
    except keys.UnreadableKeyError:
        line = f"block {index} of {name} is not a key that can be read: {_COPY_AGAIN}, as RSA or as EC (P-256, P-384)"
        return Material(problems=(Problem(line, arriving=True),))


def _encrypted(name: str) -> Material:
    line = f"the key in {name} is behind a passphrase: drop it without, e.g. `openssl pkey -in OLD -out NAME.key`"
    return Material(problems=(Problem(line),))


def _binary(name: str, index: int, block: pem.Block) -> Material:
    """DER does not say what it is: a certificate, or a key."""
    as_certificate = _certificate(name, index, block)
    if as_certificate.certificates:
        return as_certificate
    as_key = _key(name, index, block)
    if as_key.keys or not as_key.problems[0].arriving:
        return as_key
    line = (
        f"{name} is DER, but neither a certificate nor a key: {_COPY_AGAIN}; a PKCS#12 bundle must be called NAME.p12"
    )
    return Material(problems=(Problem(line, arriving=True),))


def _nothing(name: str, blocks: tuple[pem.Block, ...]) -> Problem:
    for block in blocks:
        if block.label in _STRANGERS:
            return Problem(f"{name} holds {_STRANGERS[block.label]}")
    return Problem(f"{name} holds neither a certificate nor a private key: drop both as PEM (NAME.crt and NAME.key)")
