"""What names and forms files have that lie encrypted in Git. Decrypts nothing."""

from __future__ import annotations

import base64
import binascii

ENDING = ".age"
_BINARY = b"age-encryption.org/v1\n"
_ARMORED = b"-----BEGIN AGE ENCRYPTED FILE-----"
_END = b"-----END AGE ENCRYPTED FILE-----"


def is_sealed(name: str) -> bool:
    return name.endswith(ENDING)


def wrong_form(content: bytes) -> str:
    """Why this is no file of age, "" where it is one. Never tells what is in it: it may be a secret in the clear."""
    if content.startswith(_BINARY) or content.lstrip().startswith(_ARMORED):
        return ""
    return (
        "it is not encrypted, though its name ends in .age. What it holds is in Git in the clear: change it wherever it is "
        "used, and encrypt the new one (reconciler secrets encrypt)"
    )


def recipient_count(content: bytes) -> int:
    """For how many recipients it is encrypted; age does not tell which. 0 where that cannot be read."""
    raw = content if content.startswith(_BINARY) else _unarmored(content)
    header, _, _ = raw.partition(b"\n---")
    return sum(line.startswith(b"-> X25519 ") for line in header.splitlines())


def _unarmored(content: bytes) -> bytes:
    body = content.strip().removeprefix(_ARMORED).removesuffix(_END)
    try:
        return base64.b64decode(b"".join(body.split()))
    except (binascii.Error, ValueError):
        return b""
