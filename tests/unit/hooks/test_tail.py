"""The end of what a hook says: bounded, and without a secret however it comes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.hooks.tail import KEPT, Tail
from reconciler.planning.secrets import mask_of

SECRET = "Zr4mPq9Lw2xVb7Kd"


def fed(*chunks: bytes) -> tuple[list[str], str]:
    told: list[str] = []
    tail = Tail(told.append, mask_of({"DB_PASSWORD": SECRET}).clean)
    for chunk in chunks:
        tail.take(chunk)
    return told, tail.end()


def test_lines_are_told_as_they_come_and_the_last_one_at_the_end() -> None:
    assert fed(b"one\ntw", b"o\r\n", b"three") == (["one", "two", "three"], "one\ntwo\nthree")


def test_only_the_end_is_kept_and_begins_with_a_whole_line() -> None:
    _, kept = fed(*(b"%06d\n" % number for number in range(20_000)))
    assert len(kept) <= KEPT
    assert kept.splitlines()[0].isdigit()
    assert kept.endswith("019999")


def test_a_flood_is_not_told_line_by_line() -> None:
    told, _ = fed(b"x\n" * 50_000)
    assert len(told) == 1001


def test_no_escape_sequence_reaches_a_terminal() -> None:
    assert fed(b"\x1b[2Jgone\x07\n")[1] == "[2Jgone"


@settings(deadline=None)  # a busy machine is no fault of the code's
@given(st.integers(4075, 4100) | st.integers(0, 9000), st.integers(1, 3000), st.sampled_from([b"", b"\n", b"x"]))
def test_a_secret_is_never_cut_in_two(before: int, size: int, after: bytes) -> None:
    """Neither by the pieces in which it is read nor by those in which a long line is told."""
    text = b"-" * before + SECRET.encode() + after * 3000
    told, kept = fed(*(text[at : at + size] for at in range(0, len(text), size)))
    assert "(secret)" in "".join(told)
    assert not any(SECRET[at : at + 8] in "".join(told) + kept for at in range(len(SECRET) - 8))


def test_a_key_of_several_lines_is_not_told() -> None:
    lines = ["-----BEGIN KEY-----", "MIIEvQIBADANBgkqhkiG", "9w0BAQEFAASCBKcwggSj"]
    told: list[str] = []
    tail = Tail(told.append, mask_of({"PRIVATE_KEY": "\n".join(lines)}).clean)
    tail.take("\n".join(lines).encode())
    assert not any(line in tail.end() + "".join(told) for line in lines[1:])
