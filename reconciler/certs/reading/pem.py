"""Bytes of a file -> the blocks in it, whatever editor or tool wrote them: PEM or DER, BOM, UTF-16, CRLF, glued, junk.

It knows nothing of certificates or keys. A file that may be cut short is said to be damaged, never guessed at.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

DER_LABEL = "DER"

_MARKER = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
_BEGIN = b"-----BEGIN "
_UTF8_BOM = b"\xef\xbb\xbf"
_SEQUENCE = 0x30

_CUT = "is cut off in the middle of a block"
_GARBLED = "has a block whose content is damaged"
_ZEROS = "holds zero bytes, as a file does that is still being copied"


@dataclass(frozen=True, slots=True)
class Block:
    """``label``: what its BEGIN line says, or ``DER``. ``encrypted``: by its headers (the legacy form of OpenSSL)."""

    label: str
    der: bytes = field(repr=False)
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """``repairs``: what was odd and is mended in ``blocks``. ``damage``: what is wrong beyond mending, "" if nothing."""

    blocks: tuple[Block, ...] = ()
    repairs: tuple[str, ...] = ()
    damage: str = ""


def parse(content: bytes) -> Contents:
    if not content.strip(b" \t\r\n\0"):
        return Contents(damage="is empty")
    if _is_der(content):
        return _parse_der(content)
    text, repairs = _plain(content)
    contents = _parse_pem(text)
    return Contents(contents.blocks, (*repairs, *contents.repairs), contents.damage)


# Text as it should have been written


def _plain(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    repairs = []
    if codec := _utf16(content):
        content = content.decode(codec, "ignore").removeprefix("\ufeff").encode("utf-8", "replace")
        repairs.append("is UTF-16")
    if _UTF8_BOM in content:
        content = content.replace(_UTF8_BOM, b"")
        repairs.append("has a byte order mark (BOM)")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        repairs.append("has line ends of Windows (CRLF)")
    if b"-----\\n" in content:
        content = content.replace(b"\\r", b"").replace(b"\\n", b"\n")
        repairs.append(r"has the two characters '\n' for its line ends")
    return content, tuple(repairs)


def _utf16(content: bytes) -> str:
    """By its mark, or by the zero byte that every character of plain English has in it."""
    head = content[:2]
    if head == b"\xff\xfe" or (len(head) == 2 and head[1] == 0 != head[0]):
        return "utf-16-le"
    if head == b"\xfe\xff" or (len(head) == 2 and head[0] == 0 != head[1]):
        return "utf-16-be"
    return ""


# PEM


def _parse_pem(text: bytes) -> Contents:
    """Walks from marker to marker: only what stands between a BEGIN and the END of the same label is a block."""
    blocks: list[Block] = []
    opened: re.Match[bytes] | None = None
    outside, glued, damage, rest = [], False, "", 0
    for marker in _MARKER.finditer(text):
        if marker[1] == b"BEGIN":
            damage = damage or (_CUT if opened else "")
            outside.append(b"" if opened else text[rest : marker.start()])
            glued = glued or _is_glued(text, marker)
            opened, rest = marker, marker.end()
            continue
        block = _block(opened, text[rest : marker.start()], marker)
        damage = damage or ("" if block else _GARBLED if opened else _CUT)
        blocks += [block] if block else []
        opened, rest = None, marker.end()
    tail = text[rest:]
    outside.append(b"" if opened else tail)
    damage = damage or (_CUT if opened or _is_begun(tail) else _ZEROS if any(b"\0" in part for part in outside) else "")
    if not blocks and not damage:
        return Contents(damage="holds neither a PEM block (-----BEGIN ...) nor DER")
    return Contents(tuple(blocks), _oddities(glued, outside), damage)


def _block(opened: re.Match[bytes] | None, raw: bytes, closing: re.Match[bytes]) -> Block | None:
    if opened is None or opened[2] != closing[2]:
        return None
    lines = raw.split(b"\n")
    encrypted = any(b":" in line and b"ENCRYPTED" in line for line in lines)
    body = b"".join(b"".join(line.split()) for line in lines if b":" not in line)
    try:
        der = base64.b64decode(body, validate=True)
    except binascii.Error:
        return None
    return Block(opened[2].decode("ascii"), der, encrypted) if der else None


def _is_glued(text: bytes, marker: re.Match[bytes]) -> bool:
    before, after = text[: marker.start()][-1:], text[marker.end() :][:1]
    return before not in (b"", b"\n", b" ", b"\t") or after not in (b"", b"\n", b" ", b"\t")


def _is_begun(tail: bytes) -> bool:
    """Whether the file ends in the first part of a BEGIN line: a chain cut there reads like one without its rest."""
    last = tail.rsplit(b"\n", 1)[-1].strip()
    return bool(last) and (_BEGIN.startswith(last) or last.startswith(_BEGIN))


def _oddities(glued: bool, outside: list[bytes]) -> tuple[str, ...]:
    odd = ["has lines glued together around a BEGIN line"] if glued else []
    if any(part.strip() for part in outside):
        odd.append("has text around its blocks")
    return tuple(odd)


# DER


def _is_der(content: bytes) -> bool:
    """Explanatory text may begin with the same byte, a zero digit; text has no control characters."""
    is_text = all(byte >= 0x20 or byte in b"\t\n\r" for byte in content[:1024])
    return content[0] == _SEQUENCE and not is_text and _MARKER.search(content) is None


def _parse_der(content: bytes) -> Contents:
    """One sequence, or several one after the other; each says its own length."""
    blocks: list[Block] = []
    rest = content
    while rest.strip(b"\r\n"):
        end = _der_end(rest)
        if end is None or end > len(rest):
            return Contents(tuple(blocks), damage=_CUT if end else "has something after its DER that is not DER")
        blocks.append(Block(DER_LABEL, rest[:end]))
        rest = rest[end:]
    return Contents(tuple(blocks), ("is DER (binary)",))


def _der_end(content: bytes) -> int | None:
    """Where the sequence at the start ends; None where none starts. A cut length counts as a very long one."""
    if content[0] != _SEQUENCE:
        return None
    if len(content) < 2:
        return len(content) + 1
    short = content[1]
    if short < 0x80:
        return 2 + short
    size = short & 0x7F
    if not 1 <= size <= 4:
        return None
    if len(content) < 2 + size:
        return len(content) + 1
    return 2 + size + int.from_bytes(content[2 : 2 + size], "big")
