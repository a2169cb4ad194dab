"""Setting variables in an environment file changes what they are, and nothing else of what a person wrote there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.env_files import EnvFolder
from reconciler.model.errors import InvalidInputError
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.dotenv_writing import quoted, with_variables

WRITTEN = b"""\
# Ours; ask Ann before you change anything.
B="two words"   # why
export A=1 # first

C=
KEY='-----BEGIN-----
abc
-----END-----'
A=2
"""
# Values that were hard to quote once; the contract tests hold them against Compose, too.
HARD = (
    "plain-1.2/3:4@5%6+7,8=9",
    "two words",
    "",
    " around ",
    "it's",
    'say "it"',
    'it\'s "both"',
    "pa$word ${X} $$",
    "back\\slash",
    "ends in \\",
    "it's \\ends in \\",
    "\\'\\\"\\$\\n",
    "# no comment",
    "a #b",
    "two\nlines",
    "it's\ntwo\nlines\n",
    "tab\there",
    "cr\rhere",
    "grüße 日本 🙂",
    "'",
    '"',
    "\\",
    "$",
)


def written(content: bytes, **values: str) -> str:
    return with_variables(content, "env/web.env", values, "Set for you.").decode()


def test_a_variable_that_is_there_changes_in_its_place() -> None:
    assert written(WRITTEN, A="3", B="x", C="new").splitlines() == [
        "# Ours; ask Ann before you change anything.",
        "B=x   # why",
        "export A=1 # first",
        "",
        "C=new",
        "KEY='-----BEGIN-----",
        "abc",
        "-----END-----'",
        "A=3",
    ]


def test_a_new_variable_comes_to_the_end_below_its_heading() -> None:
    assert written(b"A=1", B="2", C="a b") == "A=1\n\n# Set for you.\nB=2\nC='a b'\n"
    assert written(b"", B="2") == "# Set for you.\nB=2\n"


def test_what_is_so_already_is_not_written_otherwise() -> None:
    assert written(WRITTEN, B="two words", A="2", C="") == WRITTEN.decode()


@pytest.mark.parametrize("value", HARD)
def test_a_value_is_read_back_as_it_was_set(value: str) -> None:
    assert read_dotenv(f"A={quoted(value)}\nB=1\n".encode(), "f").values == {"A": value, "B": "1"}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.text(st.characters(codec="utf-8")))
def test_any_value_that_is_taken_is_read_back_and_leaves_the_others_alone(value: str, other: str) -> None:
    before = with_variables(WRITTEN, "f", {"OTHER": other.replace("\0", "")})
    after = with_variables(before, "f", {"B": value, "NEW": value})
    expected = {**read_dotenv(before, "f").values, "B": value, "NEW": value}
    assert read_dotenv(after, "f").values == expected


@pytest.mark.parametrize(
    ("content", "values", "told"),
    [
        (b"A='never closed\n", {"B": "hunter2"}, "env/web.env:1: A: a value is opened with ' on this line"),
        (b"A=1\n", {"B": "a\0hunter2"}, "env/web.env: B: its value holds a NUL character"),
        (b"A=1\n", {"B C": "hunter2"}, "env/web.env: B C: no variable can have this name"),
    ],
)
def test_what_cannot_be_written_is_refused_without_its_value(content: bytes, values: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        with_variables(content, "env/web.env", values)
    assert str(raised.value).startswith(told)
    assert "hunter2" not in str(raised.value)


def folder(tmp_path: Path) -> EnvFolder:
    return EnvFolder(tmp_path / "env", tmp_path / "state" / "staging" / "env")


def test_a_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert folder(tmp_path).put("web", {"A": "1"})
    path = tmp_path / "env" / "web.env"
    assert path.read_text() == "A=1\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_setting_what_is_set_touches_nothing(tmp_path: Path) -> None:
    folder(tmp_path).put("web", {"A": "1"})
    before = (tmp_path / "env" / "web.env").stat()
    assert not folder(tmp_path).put("web", {"A": "1"})
    assert (tmp_path / "env" / "web.env").stat() == before


def test_a_link_to_a_file_elsewhere_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "kept.env").write_text("A=1\n")
    (tmp_path / "env" / "web.env").symlink_to(tmp_path / "kept.env")
    folder(tmp_path).put("web", {"A": "2"})
    assert (tmp_path / "env" / "web.env").is_symlink()
    assert (tmp_path / "kept.env").read_text() == "A=2\n"


def test_what_was_set_is_what_is_read_next(tmp_path: Path) -> None:
    env = folder(tmp_path)
    assert env.read("web") is None
    env.put("web", {"A": "1"})
    env.put("web", {"B": "2"}, "Made once.")
    assert env.read("web") == b"A=1\n\n# Made once.\nB=2\n"
