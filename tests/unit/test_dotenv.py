"""``NAME=value`` files: read as Compose reads them, with mistakes told by line and never by value."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.planning.dotenv import read_dotenv

# What Compose 2.26.1 made of each, taken from `docker compose config` (tests/contract/test_dotenv.py asks it again).
READ = [
    (b"A=b\n", {"A": "b"}),
    (b"A=b", {"A": "b"}),
    (b"export A=b\r\nB=c\r\n", {"A": "b", "B": "c"}),
    (b"export\tA=1\nexportB=2\n", {"A": "1", "exportB": "2"}),
    (b"A: b\n", {"A": "b"}),
    (b"A = b\nC\t=d\n  E=f\n", {"A": "b", "C": "d", "E": "f"}),
    (
        b"# c\n\nA=1\n  # c\nB=2 # c\nC=b#c\nD=#x\nE=1 \t# x\n",
        {"A": "1", "B": "2", "C": "b#c", "D": "#x", "E": "1 \t# x"},
    ),
    (b"A=\"x\\ny\" # c\nB='x\\ny $Z'\n", {"A": "x\ny", "B": "x\\ny $Z"}),
    (b'A="a\\"b\\$c\\\\d\\0101\\q"\n', {"A": 'a"b$c\\dA\\q'}),
    (b'A="\\012\\0012\\0777\\08"\n', {"A": "\\12\n\\777\\8"}),
    (b"A='a\\'b'\n", {"A": "a'b"}),
    (b"A=it's\nB=`b`\nC=a\\nb\n", {"A": "it's", "B": "`b`", "C": "a\\nb"}),
    (b'A="multi\nline"\nB=2\n', {"A": "multi\nline", "B": "2"}),
    (b"A=' x '  \nB=x\xc2\xa0\n", {"A": " x ", "B": "x"}),
    (b"A=\nB=\n\nC=1\n", {"A": "", "B": "", "C": "1"}),
    (b"A==x\nB=a=b\n", {"A": "=x", "B": "a=b"}),
    (b"A-b.c[0]=1\n1A=2\n\xc3\x89=3\n", {"A-b.c[0]": "1", "1A": "2", "\u00c9": "3"}),
    (b"\xef\xbb\xbfA=1\n", {"A": "1"}),
    (b"A=1\nA=2\n", {"A": "2"}),
    (b'A={"a":"b"}\n', {"A": '{"a":"b"}'}),
    (b"A=1\nB=${A}${A:-2}$A\n", {"A": "1", "B": "111"}),
    (b"A=$HOST-$$-$1-x$\n", {"A": "h-$-$1-x$"}),
    (b"A=${B:-${C:-d}}x\n", {"A": "dx"}),
    (b"B=1\nA=${B:+y}${C+z}-${B-q}-${C-q}\n", {"B": "1", "A": "y-1-q"}),
    (b"B=\nA=${B?x}${B-y}${B:-z}\n", {"B": "", "A": "z"}),
    (b"A=${B:-x}}y\n", {"A": "x}y"}),
    (b'A=\\"x\\"\n', {"A": '\\"x\\"'}),
    (b'A="x" B=2\n', {"A": "x", "B": "2"}),
    (b"A\nB=1\n", {"B": "1"}),
]
BAD_DOLLAR = '"${" begins no variable; write $$ for a plain dollar sign, or put the value in single quotes'
REFUSED = [
    (b"A=1\nB C=hunter2\n", "f:2: a space in the name; write NAME=value, one variable a line"),
    (b"A!=hunter2\n", "f:1: column 2 holds a character that no name may have; write NAME=value"),
    (b"A=1\n\nMIIE+hunter2\n", "f:3: column 5 holds a character that no name may have; write NAME=value"),
    (b"=hunter2\n", 'f:1: a "=" without a name before it'),
    (b'A=1\nB="hunter2\nC=3\n', 'f:2: B: a value is opened with " on this line and never closed'),
    (b"A='hunter2", "f:1: A: a value is opened with ' on this line and never closed"),
    (b"A=hunter2${\n", f"f:1: A: {BAD_DOLLAR}"),
    (b"A=${1}hunter2\n", f"f:1: A: {BAD_DOLLAR}"),
    (b"A=${ hunter2 }\n", f"f:1: A: {BAD_DOLLAR}"),
    (b'A="${B:-hunter2\nb}"\n', f"f:1: A: {BAD_DOLLAR}"),
    (b"A=1\nB=hunter2\xe9\n", "f:2: byte 13 of the file is not UTF-8; save the file as UTF-8"),
    (b"A=hunter2\x00\n", "f:1: a NUL character, which no variable can hold; take it out"),
    (b"A=" + b"x" * 2**20, "f: the file is larger than 1024 KiB; it cannot be meant as it is"),
]
WARNED = [
    (b"\xef\xbb\xbfA=1\n", "f:1: the file begins with a byte order mark; save it without one, for other programs"),
    (b"A=1\nB=2\nA=3\n", "f:3: A: it is set on line 1 already; the last one counts"),
    (
        b"A=pa$hunter2\n",
        "f:1: A: a $ begins the name of a variable that is not set and becomes nothing; "
        "for a plain dollar sign write $$, or use single quotes",
    ),
    (
        b"A=${DB_HOTS}\n",
        "f:1: A: ${DB_HOTS} is not set and becomes nothing; for a plain dollar sign write $$, or use single quotes",
    ),
    (b'A="x"hunter2=\n', "f:1: A: what follows the closing quote is not part of the value"),
    (b"A=1\nhunter2\n", "f:2: a line without = sets nothing; write NAME=value, a value of several lines in quotes"),
]


@pytest.mark.parametrize(("content", "values"), READ)
def test_values_are_those_that_compose_reads(content: bytes, values: dict[str, str]) -> None:
    found = read_dotenv(content, "f", {"HOST": "h"})
    assert dict(found.values) == values
    assert found.names == set(values)
    assert found.problems == ()


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_what_compose_refuses_is_told_by_its_line_and_without_the_value(content: bytes, message: str) -> None:
    assert [str(problem) for problem in read_dotenv(content, "f").problems] == [message]


@pytest.mark.parametrize(("content", "message"), WARNED)
def test_what_compose_takes_otherwise_than_it_was_meant_is_a_warning(content: bytes, message: str) -> None:
    found = read_dotenv(content, "f")
    assert found.problems == ()
    assert [str(problem) for problem in found.warnings] == [message]


def test_a_mistake_does_not_hide_those_after_it() -> None:
    found = read_dotenv(b"A B=1\nC=2\nD!=3\nE=4\n", "f")
    assert [problem.line for problem in found.problems] == [1, 3]
    assert dict(found.values) == {"C": "2", "E": "4"}


def test_every_variable_knows_its_line() -> None:
    found = read_dotenv(b'# c\nA=1\nB="x\ny"\n\nexport C=2\n', "f")
    assert [(variable.name, variable.line) for variable in found.variables] == [("A", 2), ("B", 3), ("C", 6)]


def test_no_value_is_shown_where_a_variable_is_printed() -> None:
    assert "hunter2" not in repr(read_dotenv(b"A=hunter2\n", "f"))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=120), st.text(alphabet="AB=:\"'\\$${}#- \n\t\r01é", max_size=80).map(str.encode)))
def test_no_bytes_make_the_reader_raise(content: bytes) -> None:
    found = read_dotenv(content, "f")
    for problem in (*found.problems, *found.warnings):
        assert problem.file == "f"
        assert problem.line <= content.count(b"\n") + 1


SECRET = "hunter2"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="\"'\\$${} #!-\n", max_size=6), st.text(alphabet="\"'\\$${} #!-+/\n", max_size=6))
def test_no_message_holds_a_value_however_broken_its_line_is(before: str, after: str) -> None:
    assume(not before.endswith("${"))  # in braces it is the name of a variable, which may be told
    found = read_dotenv(f"A={before}{SECRET}{after}\nB=1\n".encode(), "f")
    assert SECRET not in "".join(str(problem) for problem in (*found.problems, *found.warnings))
