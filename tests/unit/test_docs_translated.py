"""A translated page says what its original says: the same commands, keys and rows in the same order.

So nobody need run its commands once more: they are those that tests/e2e/test_docs.py types from the original.
"""

from __future__ import annotations

import pytest

from tests.docs.pages import pages
from tests.docs.translations import (
    code_of,
    headings_of,
    is_part_of,
    is_shortened,
    is_there,
    named_by,
    original_of,
    rows_of,
)

TRANSLATED = [(page, original) for page in pages() if (original := original_of(page))]
WHOLE = [(page, original) for page, original in TRANSLATED if not is_shortened(page)]
SHORT = [(page, original) for page, original in TRANSLATED if is_shortened(page)]


def test_every_translated_page_has_an_original() -> None:
    assert [page for page, original in TRANSLATED if not is_there(original)] == []
    assert len(WHOLE) >= 4


@pytest.mark.parametrize(("page", "original"), WHOLE)
def test_a_translation_has_the_blocks_of_its_original_in_their_order(page: str, original: str) -> None:
    assert code_of(page) == code_of(original)


@pytest.mark.parametrize(("page", "original"), WHOLE)
def test_a_translation_has_the_rows_of_its_original_and_names_the_same_in_each(page: str, original: str) -> None:
    assert rows_of(page) == rows_of(original)
    assert headings_of(page) == headings_of(original)


@pytest.mark.parametrize(("page", "original"), WHOLE)
def test_a_translation_names_the_commands_files_and_keys_of_its_original(page: str, original: str) -> None:
    ours, theirs = named_by(page), named_by(original)
    assert (ours - theirs, theirs - ours) == ({}, {})


@pytest.mark.parametrize(("page", "original"), SHORT)
def test_a_shortened_translation_has_nothing_that_its_original_has_not(page: str, original: str) -> None:
    assert is_part_of(code_of(page), code_of(original))
    assert is_part_of(rows_of(page), rows_of(original))
    assert set(named_by(page)) <= set(named_by(original))
