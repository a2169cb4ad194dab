"""``reconciler backup`` of what is not there: names of nothing, and a stack that left Git and left its backups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.backup import entry
from tests.integration.cli_root import WEB, Root
from tests.integration.local_git import Work
from tests.unit.backup.test_retention import backup

KEPT = replace(backup(1, 1.8e9), name="db-web-1", stack="web", plan="db")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path / "root")
    folder = made.layout.backups_of("web")
    folder.mkdir(parents=True)
    (folder / f"{KEPT.name}.json").write_bytes(entry.write(KEPT))
    with made.journal:
        yield made


def test_the_backups_of_a_stack_that_was_forgotten_are_listed_with_what_can_be_done_with_them(root: Root) -> None:
    done = root.call("backup", "list", "web")
    assert done.exit_code == 0
    assert KEPT.name in done.stdout
    assert (
        f"web is no stack of this host any more. Its backups are kept in {root.layout.backups_of('web')}" in done.stderr
    )
    assert [found["name"] for found in root.json("backup", "list", "web")] == [KEPT.name]
    assert root.call("backup", "show", "web", KEPT.name).exit_code == 0


@pytest.mark.parametrize("words", [("verify", KEPT.name), ("restore", KEPT.name, "--yes"), ("prune",), ("run",)])
def test_what_needs_the_stack_itself_says_how_to_bring_it_back(root: Root, words: tuple[str, ...]) -> None:
    verb, *rest = words
    done = root.call("backup", verb, "web", *rest)
    assert done.exit_code == 2
    assert "bring the stack's folder back into Git, under the same name" in done.stderr


def test_a_stack_that_left_nothing_is_unknown(root: Root) -> None:
    root.save(WEB)
    done = root.call("backup", "list", "webb")
    assert (done.exit_code, done.stderr) == (2, 'error: there is no stack "webb"; did you mean "web"?\n')


def test_names_of_nothing_are_wrong_use_whatever_they_are_of(root: Root, tmp_path: Path) -> None:
    root.save(WEB)
    Work(tmp_path / "config").commit("First", {"web/compose.yaml": "services: {server: {image: 'app:1'}}\n"})
    root.layout.settings.write_text(f"source: {{url: {tmp_path}/config}}\n")
    assert root.call("hooks", "list", "web").exit_code == 0
    for words in (
        ("backup", "verify", "web", "none"),
        ("backup", "restore", "web", "--before", "9", "--yes"),
        ("backup", "run", "web", "none"),
        ("history", "web", "9"),
        ("rollback", "web", "9"),
        ("approve", "web", "9"),
        ("hooks", "run", "web", "none"),
        ("action", "web", "none"),
        ("build", "none"),
        ("build", "web", "--revision", "none"),
        ("env", "show", "none"),
    ):
        done = root.call(*words)
        assert (done.exit_code, done.stderr.startswith("error: ")) == (2, True), (words, done.stderr)
