"""The blocks in a file, whatever wrote them. Any bytes will do here: what the blocks mean is another's question."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.certs.reading.pem import Block, parse

ONE, TWO = bytes(range(100)), bytes(range(150, 250))


def block(der: bytes, label: str = "CERTIFICATE") -> bytes:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


BOTH = block(ONE) + block(TWO)
BLOCKS = (Block("CERTIFICATE", ONE), Block("CERTIFICATE", TWO))


@pytest.mark.parametrize(
    ("content", "repair"),
    [
        (BOTH, ()),
        (b"\n\n" + BOTH + b"\n \n", ()),
        (BOTH.rstrip(), ()),
        (b"\xef\xbb\xbf" + BOTH, ("BOM",)),
        (block(ONE) + b"\xef\xbb\xbf" + block(TWO), ("BOM",)),
        (BOTH.replace(b"\n", b"\r\n"), ("CRLF",)),
        (BOTH.replace(b"\n", b"\r"), ("CRLF",)),
        (BOTH.decode().encode("utf-16"), ("UTF-16",)),
        (BOTH.decode().encode("utf-16-le"), ("UTF-16",)),
        (BOTH.decode().encode("utf-16-be"), ("UTF-16",)),
        (BOTH.decode().replace("\n", "\r\n").encode("utf-16"), ("UTF-16", "CRLF")),
        (block(ONE).rstrip() + block(TWO), ("glued",)),
        (BOTH.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----"), ("glued",)),
        (BOTH.replace(b"\n", b"\\n"), ("'\\n'",)),
        (b"subject=CN = shop\n" + BOTH, ("text",)),
        (block(ONE) + b"Issuer: somebody\n" + block(TWO), ("text",)),
        (BOTH + b"# the end\n", ("text",)),
        (BOTH.replace(b"\n", b"\n  "), ()),
    ],
)
def test_blocks_are_found_whatever_tool_wrote_them_and_what_was_mended_is_said(
    content: bytes, repair: tuple[str, ...]
) -> None:
    found = parse(content)
    assert found.blocks == BLOCKS
    assert found.damage == ""
    assert len(found.repairs) == len(repair)
    assert all(word in line for word, line in zip(repair, found.repairs, strict=True))


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b"", "empty"),
        (b" \r\n\0\0", "empty"),
        (b"hello", "neither"),
        (b"\xef\xbb\xbf", "neither"),
        (b"<html>Please log in</html>", "neither"),
        (b"\x89PNG\r\n\x1a\n", "neither"),
        (block(ONE)[:60], "cut off"),
        (block(ONE)[:12], "cut off"),
        (block(ONE) + b"-----BEG", "cut off"),
        (block(ONE) + b"-", "cut off"),
        (block(ONE) + block(TWO)[:-2], "cut off"),
        (block(ONE)[:60] + block(TWO), "cut off"),
        (block(ONE)[40:], "cut off"),
        (block(ONE).replace(b"END CERT", b"END X509 CERT"), "damaged"),
        (block(ONE).replace(b"AAEC", b"AA!C"), "damaged"),
        (block(ONE).replace(b"AAEC", b"AAEC****"), "damaged"),
        (block(b""), "damaged"),
        (block(ONE) + b"\0" * 40, "zero bytes"),
        (b"\x30\x82\x01\x00" + ONE, "cut off"),
        (b"\x30\x82\x01", "cut off"),
        (b"\x30\x03\x02\x01\x05junk", "not DER"),
    ],
)
def test_a_file_that_may_be_cut_is_damaged_even_where_some_of_its_blocks_are_whole(content: bytes, damage: str) -> None:
    assert damage in parse(content).damage


def test_der_is_taken_as_it_is_one_piece_or_several() -> None:
    piece = b"\x30\x03\x02\x01\x05"
    assert parse(piece).blocks == (Block("DER", piece),)
    assert parse(piece + piece + b"\n").blocks == (Block("DER", piece), Block("DER", piece))
    assert "DER" in parse(piece).repairs[0]


def test_the_headers_of_a_legacy_key_say_that_it_is_encrypted() -> None:
    headers = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00AA\n\n"
    content = block(ONE, "RSA PRIVATE KEY").replace(b"-----BEGIN RSA PRIVATE KEY-----\n", headers)
    assert parse(content).blocks == (Block("RSA PRIVATE KEY", ONE, encrypted=True),)


def test_no_repr_shows_what_is_in_a_block() -> None:
    assert r"\x01\x02" not in repr(parse(BOTH))


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_are_too_odd_to_be_answered(content: bytes) -> None:
    found = parse(content)
    assert found.blocks or found.damage


@given(st.integers(0, len(BOTH)))
@settings(max_examples=200, deadline=None)
def test_what_is_cut_within_a_block_is_damaged_at_every_byte(length: int) -> None:
    found = parse(BOTH[:length])
    whole = {len(block(ONE)) - 1: 1, len(block(ONE)): 1, len(BOTH) - 1: 2, len(BOTH): 2}
    assert (found.damage == "") == (length in whole)
    assert found.damage or found.blocks == BLOCKS[: whole[length]]
