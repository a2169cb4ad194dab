"""What a restore asks a person who named no backup."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest
from click.testing import CliRunner, Result

from reconciler.backup.entry import Backup
from reconciler.cli.backup_choice import choose, choose_place
from reconciler.cli.errors import Failure
from reconciler.model.backup import Level
from tests.unit.backup.test_retention import backup

GOOD = replace(backup(2, 2e9), name="db-good")
OLDER = replace(backup(1, 1e9), name="db-older")
BAD = replace(backup(3, 3e9, Level.L0), name="db-bad")


def answered(words: str, *offered: Backup) -> Result:
    @click.command()
    def ask() -> None:
        found = choose(offered)
        click.echo(f"chosen: {found.name}, {choose_place(found, 'the database shop') or 'in its place'}")

    return CliRunner().invoke(ask, input=words)


def test_the_newest_one_and_a_new_database_beside_the_live_one_are_offered() -> None:
    said = answered("\n\n\n", GOOD, OLDER).output
    assert said.index("db-good") < said.index("db-older")
    assert "chosen: db-good, shop_" in said


def test_another_one_and_the_place_of_the_live_database_can_be_chosen() -> None:
    assert "chosen: db-older, in its place" in answered("2\n1\n", GOOD, OLDER).output


def test_one_that_failed_is_not_offered() -> None:
    said = answered("\n\n\n", BAD, GOOD).output
    assert "db-bad" not in said
    assert "chosen: db-good" in said


def test_a_number_that_is_not_there_is_asked_for_again() -> None:
    said = answered("3\n1\n1\n", GOOD, OLDER).output
    assert "3 is not in the range 1<=x<=2" in said
    assert "chosen: db-good" in said


def test_a_person_who_says_nothing_restores_nothing() -> None:
    assert answered("", GOOD).exit_code == 1


def test_where_there_is_none_it_is_said() -> None:
    with pytest.raises(Failure, match="there is no backup to restore"):
        choose([BAD])
