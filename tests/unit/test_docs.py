"""The pages name no option, key, file or heading that is not there. Running what they say is for tests/e2e/test_docs.py."""

from __future__ import annotations

import pytest
import yaml

from reconciler.declared.stack_file import read_stack_file
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.settings import load_settings
from tests.docs.commands import complaint, named_in
from tests.docs.links import dead_links, linked_pages
from tests.docs.pages import RUNNABLE, Block, blocks, blocks_of, is_shown, pages
from tests.docs.translations import original_of

PAGES = pages()
LANGUAGES = (*RUNNABLE, "yaml", "json", "ini", "text")
MOST_NOT_RUN = 12  # blocks that nobody runs; each says why
each_page = pytest.mark.parametrize("page", PAGES)


def blocks_in(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language == language]


@each_page
def test_every_block_says_what_it_is(page: str) -> None:
    """Also those that are neither run nor read: they are text."""
    assert [(block.line, block.language) for block in blocks(page) if block.language not in LANGUAGES] == []
    assert [(block.line, block.mark) for block in blocks(page) if not block.is_marked_as_known] == []
    assert all(block.commands or block.language not in RUNNABLE for block in blocks(page))


def test_hardly_any_command_is_left_unrun() -> None:
    left = [
        (block.page, block.line, block.why_not_run)
        for page in PAGES
        for block in blocks(page)
        if block.why_not_run and original_of(page) is None  # of a translation, its original is counted
    ]
    assert len(left) <= MOST_NOT_RUN, left


@each_page
def test_every_command_that_a_page_names_is_one_that_the_program_takes(page: str) -> None:
    told = [(line, words, complaint(words)) for line, words in named_in(page)]
    assert [entry for entry in told if entry[2]] == []


@pytest.mark.parametrize(
    "words",
    ["get --watch", "backup delete web", "gett", "get web shop", "--path x get", "rollback web --restore|--wait"],
)
def test_a_command_that_is_not_there_is_found(words: str) -> None:
    assert complaint(words)


@each_page
def test_no_link_is_dead(page: str) -> None:
    assert dead_links(page) == ()


def test_every_page_can_be_found_from_the_first_one() -> None:
    found, rest = set[str](), {"README.md"}
    while rest:
        found |= rest
        rest = {page for known in rest for page in linked_pages(known) if page in PAGES} - found
    assert set(PAGES) - found - {"hooks/README.md"} == set()


@pytest.mark.parametrize("block", blocks_in("yaml"), ids=lambda block: f"{block.page}:{block.line}")
def test_a_yaml_block_is_taken_by_the_program_it_is_for(block: Block) -> None:
    """By a first line such as ``# host.yaml``; of a ``stack.yaml`` if there is none."""
    name = block.lines[0].removeprefix("# ").split(" ")[0].split("/")[-1]
    assert name.endswith((".yaml", ".yml")) or not block.lines[0].startswith("#"), block.lines[0]
    assert problems_of(name, block.text) == ()
    yaml.safe_load(block.text)


def problems_of(name: str, text: str) -> tuple[Problem, ...]:
    if name == "host.yaml":
        try:
            load_settings(text.encode(), name)
        except InvalidInputError as error:
            return error.problems
    is_of_another_program = name.endswith((".yaml", ".yml")) and name != "stack.yaml"
    return () if is_of_another_program else read_stack_file(text.encode(), name).problems


def test_what_a_page_shows_below_a_command_is_compared_by_lines_in_their_order() -> None:
    assert is_shown(("NAME   READY", "web …True"), "NAME READY\nnoise\nweb   Synced  True\n")
    assert not is_shown(("web …True", "NAME READY"), "NAME READY\nweb Synced True\n")
    assert not is_shown(("web",), "web Synced True\n")


def test_a_block_is_read_with_its_mark_its_commands_and_what_they_print() -> None:
    text = "x\n<!-- docs: ends with 1 -->\n```console\n$ a \\\n  b\nsaid\n$ c\n```\n"
    (block,) = blocks_of("x.md", text)
    first, last = block.commands
    assert (first.text, first.line, first.shown, first.status) == ("a \\\n  b", 4, ("said",), 0)
    assert (last.text, last.line, last.shown, last.status) == ("c", 7, (), 1)
