"""What names and forms files have that lie encrypted in Git. Decrypts nothing."""

from __future__ import annotations

import base64
import binascii

ENDING = ".age"
FOR_A_PASSPHRASE = (
    "it is encrypted with a passphrase, which nobody can type here; decrypt it (age -d), and encrypt it for the keys of hosts "
    "(reconciler secrets encrypt)"
)
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BINARY = b"age-encryption.org/v1\n"
_ARMORED = b"-----BEGIN AGE ENCRYPTED FILE-----"
_POINTER = b"version https://git-lfs.github.com/"
_END = b"-----END AGE ENCRYPTED FILE-----"


def is_sealed(name: str) -> bool:
    return name.endswith(ENDING)


def as_age_wrote(content: bytes) -> bytes:
    """Without what editors and shells of Windows put around text: a byte order mark, UTF-16."""
    if content.startswith(_UTF16_BOMS):
        return content.decode("utf-16", "replace").encode()
    return content.removeprefix(_UTF8_BOM)


def is_encrypted(content: bytes) -> bool:
    """By its first bytes."""
    plain = as_age_wrote(content)
    return plain.startswith(_BINARY) or plain.lstrip().startswith(_ARMORED)


def wrong_form(content: bytes) -> str:
    """Why this is no file of age, "" where it is one. Never tells what is in it: it may be a secret in the clear."""
    if is_encrypted(content):
        return ""
    plain = as_age_wrote(content)
    if plain.startswith(_POINTER):
        return (
            "it is a pointer of Git LFS, which is not fetched here; it is small enough for Git itself: git lfs untrack"
        )
    if not plain.strip():
        return "it is empty, as a file is whose encrypting failed; encrypt it anew (reconciler secrets encrypt)"
    if _ARMORED in plain:
        return (
            "it holds more than what age wrote, as after a merge with conflicts; keep one of its versions: git checkout "
            "--ours or --theirs, and the file"
        )
    return (
        "it is not encrypted, though its name ends in .age. What it holds is in Git in the clear: change it wherever it is "
        "used, and encrypt the new one (reconciler secrets encrypt)"
    )


def recipient_count(content: bytes) -> int:
    """For how many recipients it is encrypted; age does not tell which. 0 where that cannot be read."""
    return sum(line.startswith(b"-> X25519 ") for line in _header(content))


def is_for_passphrase(content: bytes) -> bool:
    """Whether somebody has to type something to decrypt it."""
    return any(line.startswith(b"-> scrypt ") for line in _header(content))


def _header(content: bytes) -> list[bytes]:
    plain = as_age_wrote(content)
    raw = plain if plain.startswith(_BINARY) else _unarmored(plain)
    return raw.partition(b"\n---")[0].splitlines()


def _unarmored(content: bytes) -> bytes:
    body = content.strip().removeprefix(_ARMORED).removesuffix(_END)
    try:
        return base64.b64decode(b"".join(body.split()))
    except (binascii.Error, ValueError):
        return b""
