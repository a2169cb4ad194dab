"""The reader of YAML: what it makes of good files, and what it says of bad ones."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.declared.documents import key_of, read_compose, read_document
from reconciler.declared.yaml_nodes import MOST_BYTES, MOST_DEPTH
from reconciler.model.errors import InvalidInputError

TAB = "a tab indents this line; YAML wants spaces"
COLON = (
    'broken YAML: a ":" where none may be: the line is indented too far, the line above lacks its ":", '
    'or a text with ": " in it needs quotes'
)
KEY = (
    "broken YAML: the line is indented wrongly, something follows a closing quote, "
    "or a quote or bracket above is not closed"
)
NO_COLON = 'broken YAML: this line lacks its ":", or a quote or bracket above it is not closed'
EMPTY = "the file is empty; write its settings, or take the file away"

UNREADABLE = [
    ("a:\n\tb: 1\n", f"f:2: {TAB}"),
    ("\ta: 1\n", f"f:1: {TAB}"),
    ("a:\n  b: 1\n\tc: 2\n", f"f:3: {TAB}"),
    ("a: 1\n   \tb: 2\n", f"f:2: {TAB}"),
    ("a: |\n  x\n\ty\n", f"f:3: {TAB}"),
    ("a: one\n\ttwo\n", f"f:2: {TAB}"),
    ("a: b: c\n", f"f:1: {COLON}"),
    ("a: 1\n b: 2\n", f"f:2: {COLON}"),
    ("a:\n  b: 1\n c: 2\n", f"f:3: {KEY}"),
    ("a: 'it's'\n", f"f:1: {KEY}"),
    ("key: value\n- item\n", f"f:2: {KEY}"),
    ("a: 1\nb\nc: 2\n", f"f:2: {NO_COLON}"),
    ("a: 1\nb\n", f"f:2: {NO_COLON}"),
    ("a: 1\nb: 'x\nc: 2\n", "f:2: broken YAML: a quote is opened on this line and never closed"),
    ('a: "x\nb: 1\n', "f:1: broken YAML: a quote is opened on this line and never closed"),
    (
        "x: 0\na: [1, 2\nb: 3\n",
        'f:2: broken YAML: a list is opened with "[" on this line and not closed, or lacks a comma',
    ),
    (
        "a: {b: 1\nc: 2\n",
        'f:1: broken YAML: a mapping is opened with "{" on this line and not closed, or lacks a comma',
    ),
    ("a: ]\n", "f:1: broken YAML: a value is missing, or begins with a character that needs quotes"),
    ("a: @x\n", "f:1: broken YAML: a text that begins with @, ` or % needs quotes"),
    ("a: `x`\n", "f:1: broken YAML: a text that begins with @, ` or % needs quotes"),
    ("a: - b\n", 'f:1: broken YAML: a "-" where none may be: put the list on its own lines'),
    ("- a\nb: 1\n", 'f:2: broken YAML: the list above goes on with "-" in its own column'),
    ("stacks: [*]\n", 'f:1: broken YAML: a text that begins with * or & needs quotes, as in "*"'),
    ('a: "\\q"\n', 'f:1: broken YAML: an unknown escape after "\\" in double quotes: double it, or use single quotes'),
    ("", f"f: {EMPTY}"),
    ("# nothing but a comment\n", f"f: {EMPTY}"),
    ("---\n...\n", f"f: {EMPTY}"),
    ("a: 1\n---\nb: 2\n", 'f:2: a second document begins here ("---"); one file, one document'),
    ("- a\n- b\n", "f:1: expected keys with values, such as name: value"),
    ("\njust text\n", "f:2: expected keys with values, such as name: value"),
    ("a: \x01\n", "f:1: a control character (U+0001); YAML allows none: take it out"),
    ("a: 1\nb: \x00\n", "f:2: a control character (U+0000); YAML allows none: take it out"),
]

# What does not keep the rest of the file from being read, and so can be told together with it.
RECOVERED = [
    ("a: 1\nb: 2\na: 3\n", ['f:3: a: duplicate key "a"; the first is on line 1']),
    ("a:\n  b: 1\n  b: 2\n", ['f:3: a.b: duplicate key "b"; the first is on line 2']),
    ("a:\n  - {b: 1, b: 2}\n", ['f:2: a[0].b: duplicate key "b"; the first is on this line, too']),
    ("a: 1\n'a': 2\n\"a\": 3\n", ['f:2: a: duplicate key "a"; the first is on line 1', 'f:3: a: duplicate key "a"; the first is on line 1']),
    ("a: *x\n", ["f:1: a: *x has no &x above it; a text that begins with * needs quotes"]),
    ("a: &x [1, *x]\n", ["f:1: a[1]: *x stands inside &x, so it would contain itself"]),
    ("a: !secret x\n", ["f:1: a: the tag !secret has no meaning in this file; take it out"]),
    ("a: {{ name }}\n", ["f:1: a: a list or mapping stands where a key belongs; a text that begins with { or [ needs quotes"]),
    ("? [a]\n: 1\n", ["f:1: a list or mapping stands where a key belongs; a text that begins with { or [ needs quotes"]),
    ("a: &x {b: 1}\nc:\n  <<: *x\n", ["f:3: c.<<: merge keys (<<) are not followed in this file; write the keys out"]),
]  # fmt: skip


def said_of(content: bytes) -> list[str]:
    try:
        return [str(problem) for problem in read_document(content, "f").problems]
    except InvalidInputError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(("text", "message"), UNREADABLE)
def test_a_file_that_cannot_be_read_is_told_by_its_line_and_in_plain_words(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_document(text.encode(), "f")
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "messages"), RECOVERED)
def test_what_does_not_keep_the_rest_from_being_read_is_told_beside_it(text: str, messages: list[str]) -> None:
    document = read_document(text.encode(), "f")
    assert [str(problem) for problem in document.problems] == messages


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: caf\xe9\n", "f:2: byte 0xe9 at offset 11 is not UTF-8; save the file as UTF-8"),
        (b"\xef\xbb\xbfa: \xff\n", "f:1: byte 0xff at offset 6 is not UTF-8; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), "f:1: the file is UTF-16; save it as UTF-8"),
        (b"a: " + b"x" * MOST_BYTES, "f: the file is larger than 1024 KiB; it cannot be meant as it is"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "f:1: lists or mappings are nested far too deeply here"),
        (b"a: " + b"[" * 500_000, "f:1: lists or mappings are nested far too deeply here"),
    ],
)
def test_bytes_that_are_no_sensible_text_are_refused_by_place(content: bytes, message: str) -> None:
    assert said_of(content) == [message]


def bomb(levels: int) -> bytes:
    lines = ["x0: &x0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
    lines += [f"x{n}: &x{n} [{','.join([f'*x{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


def test_a_yaml_bomb_is_refused_without_being_written_out() -> None:
    message = "the file holds far too much once its aliases (*name) are written out"
    assert said_of(bomb(40)) == [f"f:6: {message}"]
    assert [str(problem) for problem in read_compose(bomb(40), "f").problems] == [f"f:6: {message}"]


def test_a_ladder_of_aliases_cannot_go_deeper_than_nesting_may() -> None:
    lines = ["x0: &x0 []"] + [f"x{n}: &x{n} [*x{n - 1}]" for n in range(1, 500)]
    assert said_of("\n".join(lines).encode()) == ["f:101: lists or mappings are nested far too deeply here"]


def test_a_long_text_that_many_aliases_repeat_is_a_bomb_too() -> None:
    text = "a: &a " + "x" * 100_000 + "\nb: [" + ",".join(["*a"] * 1000) + "]\n"
    assert said_of(text.encode()) == ["f:2: the file holds far too much once its aliases (*name) are written out"]


def test_more_aliases_than_compose_can_bear_are_refused_however_little_they_repeat() -> None:
    text = "a: &a []\nb:\n" + "".join(f"  k{number}: *a\n" for number in range(6000))
    assert said_of(text.encode()) == ["f:5003: the file has more than 5000 aliases (*name)"]


def test_a_file_of_nothing_but_mistakes_is_told_of_up_to_a_bound() -> None:
    assert len(said_of(b"a: 1\n" * 10_000)) == 100


def test_nesting_up_to_the_bound_is_read() -> None:
    text = "a: " + "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1)
    assert said_of(text.encode()) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0x1f", 31),
        ("0o17", 15),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("|\n  x\n", "x\n"),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert read_document(f"key: {text}".encode(), "f").root == {"key": value}


def test_a_number_too_long_for_its_purpose_costs_nothing() -> None:
    assert read_document(b"a: " + b"9" * 100_000, "f").root == {"a": float("inf")}


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read_document(b"\xef\xbb\xbfa: 1\n", "f").root == {"a": 1}


def test_every_value_knows_its_line_and_one_that_is_missing_that_of_its_parent() -> None:
    document = read_document(b"a:\n  b: 1\n  c:\n    - x\n    - y\nd: &d {e: 1}\nf: *d\n", "f")
    paths: list[tuple[str | int, ...]] = [("a",), ("a", "b"), ("a", "c", 1), ("d", "e"), ("f",), ("f", "e"), ("a", "z")]
    assert [document.line(path) for path in paths] == [1, 2, 5, 6, 7, 6, 1]
    assert key_of(("a", "c", 1)) == "a.c[1]"


COMPOSE = [
    ("services:\n\ta: {image: x}\n", [f"f:2: {TAB}"]),
    ("services:\n  a: {image: x}\n  a: {image: y}\n", ['f:3: services.a: duplicate key "a"; the first is on line 2']),
    ("services:\n  a:\n    <<: *x\n    <<: *y\n", [
        "f:3: services.a.<<: *x has no &x above it; a text that begins with * needs quotes",
        'f:4: services.a.<<: duplicate key "<<"; the first is on line 3',
        "f:4: services.a.<<: *y has no &y above it; a text that begins with * needs quotes",
    ]),
    ("services:\n  a: &a\n    image: x\n    <<: *a\n", ["f:4: services.a.<<: *a stands inside &a, so it would contain itself"]),
    ("services: [\n", ["f:2: broken YAML: a value is missing, or begins with a character that needs quotes"]),
    ("- a\n", ["f:1: expected keys with values, such as name: value, for example services:"]),
    ("services: {}\n---\ntext\n", ["f:2: expected keys with values, such as name: value, for example services:"]),
    ("", []),
    ("# an override that overrides nothing\n", []),
    ("services: {}\n---\nservices: {}\n", []),
    ("x-a: &a {}\nservices: {}\n---\nx-b: *a\n", []),
    ("x-a: &a {image: x}\nservices:\n  b: {<<: *a}\n  c:\n    <<: [*a, {command: y}]\n", []),
    ("services:\n  a:\n    ports: !reset []\n    command: !override [x]\n    user: !!str 0\n", []),
    ("services:\n  a:\n    command: one\n      two\n", []),
    ("services: {1: {image: x}}\n", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "messages"), COMPOSE)
def test_a_compose_file_is_held_to_yaml_and_to_nothing_that_is_for_compose_to_say(
    text: str, messages: list[str]
) -> None:
    assert [str(problem) for problem in read_compose(text.encode(), "f").problems] == messages


def test_a_compose_file_names_the_files_that_compose_will_read_for_it() -> None:
    text = (
        "include: [one.yaml, {path: two.yaml}, {path: [three.yaml, four.yaml]}, '${WHICH}.yaml', 'oci://x/y']\n"
        "services:\n  a: {extends: {file: five.yaml, service: b}}\n  b: {extends: a}\n  c:\n"
    )
    assert read_compose(text.encode(), "f").references == (
        "one.yaml", "two.yaml", "three.yaml", "four.yaml", "five.yaml",
    )  # fmt: skip


YAML_LIKE = st.text(alphabet="ab:-{}[]&*!|>'\"#%@` \t\n,?<~0123.\x01\u2028\x85é", max_size=120)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=200), YAML_LIKE.map(str.encode)))
@example(b"%YAML 999999999999999.1\n---\na: 1\n")
@example(b"&a &b c: d")
@example(b"? ? ? a")
@example(b"a: !<tag:x,2000:y> &z\n")
def test_no_bytes_make_the_reader_raise_anything_but_its_own_error(content: bytes) -> None:
    for message in said_of(content):
        assert message.startswith("f:")
        assert "\n" not in message
    read_compose(content, "f")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=6), max_size=6), st.integers(1, 40))
def test_whatever_aliases_repeat_what_is_read_stays_within_bounds(shape: list[list[int]], width: int) -> None:
    lines = ["a0: &a0 [x]"]
    for number, targets in enumerate(shape, start=1):
        names = [f"*a{target}" for target in targets if target < number] * width
        lines.append(f"a{number}: &a{number} [{', '.join(names)}]")
    try:
        document = read_document("\n".join(lines).encode(), "f")
    except InvalidInputError:
        return
    assert len(document.lines) <= 2_000_000 // 16
