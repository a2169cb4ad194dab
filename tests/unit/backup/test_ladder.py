"""What is said of a backup at which level, and what an engine's scripts are understood to have said."""

from __future__ import annotations

import pytest

from reconciler.backup import ladder
from reconciler.backup.entry import Finding
from reconciler.backup.words import Said, said
from reconciler.model.backup import Level


@pytest.mark.parametrize(
    ("status", "size", "last", "words"),
    [
        (1, 5000, None, "no server"),
        (0, 0, None, "empty"),
        (0, 400, 1000, "60 % smaller"),
        (0, 500, 1000, ""),
        (0, 1, None, ""),
    ],
)
def test_a_dump_is_made_when_it_ended_well_and_is_about_as_large_as_before(
    status: int, size: int, last: int | None, words: str
) -> None:
    finding = ladder.made(status, "no server" if status else "", size, last, 50)
    assert (finding is not None) == bool(words)
    if finding:
        assert finding.level is Level.L0
        assert words in finding.problem


def test_a_shrunken_dump_is_fine_where_everything_is_allowed() -> None:
    assert ladder.made(0, "", 1, 1_000_000, 100) is None


def test_a_restore_is_counted_table_by_table() -> None:
    noted = {"public.a": 5, "public.b": 1, "public.c": 0}
    assert ladder.counted(noted, dict(noted)) is None
    assert ladder.counted(noted, {"public.a": 4, "public.c": 0, "public.d": 2}) == Finding(
        Level.L3,
        "public.a had 5 rows and has 4 after the restore; public.b is missing after the restore; "
        "public.d is new after the restore",
    )


def test_what_is_no_number_is_compared_too() -> None:
    assert ladder.compared({"listing": "a"}, {"listing": "a"}) is None
    finding = ladder.compared({"listing": "a"}, {"listing": "b"})
    assert finding is not None
    assert (finding.level, finding.problem) == (Level.L3, "the listing is another one after the restore")


def test_of_many_wrong_tables_some_are_named() -> None:
    finding = ladder.counted({f"public.t{number}": 1 for number in range(9)}, {})
    assert finding is not None
    assert finding.problem.endswith("and 6 more")


def test_facts_are_told_from_complaints() -> None:
    text = '@server 15.20 (Debian)\n@set ENCODING UTF8\n@status 0\nnotice: hm\n@count 3 "\\"odd one\\".\\"t\\tab\\""\n@count 0 "public.t"\n@digest ab12 "list"\n@size 7\n@free 0\n@status 3\n@status 0\n'
    assert said(text) == Said(
        "15.20 (Debian)",
        3,
        {'"odd one"."t\tab"': 3, "public.t": 0},
        {"list": "ab12"},
        {"ENCODING": "UTF8"},
        7,
        0,
        "notice: hm",
    )


@pytest.mark.parametrize("line", ['@count many "t"', "@count 3 t", "@status well"])
def test_a_fact_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        said(line)
