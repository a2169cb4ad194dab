"""``reconciler adopt``: what is said before anything is looked at, and of an adoption that is under way."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.adoption.book import Book, Phase, Record, TextChange
from reconciler.adoption.model import Adoption, CronLine, FileCopy, FolderCopy, Kind, Standing
from reconciler.cli.adopt_view import as_object, tell
from reconciler.cli.adoption.plan import Planned
from reconciler.model.record import Ready, Truth
from tests.integration.cli_root import WEB, Root

ADOPTION = Adoption(
    stack="web",
    folder="/opt/old",
    project="old",
    variables=("A", "B"),
    files=(FileCopy(Kind.DUMP, "/opt/old/backup/1.dump", "/srv/r/backups/web/adopted/1.dump", "ab" * 32, 2048),),
    data=(FolderCopy("/opt/old/db", "/srv/r/data/web/db", "db", "/data", 3 << 20),),
    volumes={"db": "/srv/r/data/web/db", "files": "old_files"},
    containers=(
        Standing("1", "old-proxy", "proxy", ran=True, restart="always", successor="proxy"),
        Standing("2", "old-job", "job", ran=False, restart="no"),
        Standing("3", "db", "db", ran=True, restart="always", aside="db.before-adoption", successor="db"),
    ),
    cron=(CronLine("crontab", "0 1 * * * /opt/old/update.sh"),),
    changes=("compose.yml",),
    notes=("a note",),
)
STORY = """\
web takes over from the Compose project old in /opt/old

While the old project serves
  copy /opt/old/backup/1.dump to /srv/r/backups/web/adopted/1.dump (2 KiB, sha256 abababababab)
  take the 2 variables of /opt/old/.env over into env/web.env
  fetch the images, back the databases up, and restore that backup for a try

From cron
  taken out of crontab: 0 1 * * * /opt/old/update.sh

Then, one after the other
  stop old-proxy, kept: proxy takes its place
  old-job stands already, kept
  stop db, kept as db.before-adoption: db takes its place
  copy /opt/old/db to /srv/r/data/web/db (3 MiB): db finds it at /data

Kept where they are
  old_files, as the volume files of web

The gap
  nothing answers from the stop of old-proxy until web is healthy, the copying of 3 MiB included; it is measured and told
  if it does not become Ready, the old containers are started again, without being asked

Changed by hand there, and not in the repository that is followed
  compose.yml

To know
  a note
"""


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "root")


def under_way(root: Root, phase: Phase) -> None:
    Book(root.layout.adoption, root.layout.staging).write(Record(ADOPTION, phase, time.time()))


def test_the_plan_is_told_as_a_story(capsys: pytest.CaptureFixture[str]) -> None:
    tell(ADOPTION)
    assert capsys.readouterr().out == STORY


@pytest.mark.parametrize(
    ("has_dumps", "words", "told"), [(True, (), True), (True, ("--without-dump",), False), (False, (), False)]
)
def test_a_backup_is_told_of_where_one_is_made(
    root: Root, monkeypatch: pytest.MonkeyPatch, has_dumps: bool, words: tuple[str, ...], told: bool
) -> None:
    planned = Planned(ADOPTION, (), has_dumps=has_dumps)
    monkeypatch.setattr("reconciler.cli.adoption.plan.plan", lambda *_: planned)
    said = root.call("adopt", "/opt/old", "--dry-run", *words).stdout
    assert "\n  fetch the images" in said
    assert ("back the databases up" in said) is told


def test_refusals_come_last(capsys: pytest.CaptureFixture[str]) -> None:
    tell(replace(ADOPTION, refusals=("it is so; do that",)))
    assert capsys.readouterr().out == f"{STORY}\nRefused\n  it is so; do that\n"


def test_programs_get_names_as_everywhere_else() -> None:
    found = as_object(ADOPTION)
    assert found["containers"][2]["restartCount"] == 0
    assert set(found["files"][0]) == {"kind", "source", "target", "sha256", "size"}


def test_a_record_shows_no_text_of_the_files_that_it_changes() -> None:
    assert "hunter2" not in repr(TextChange("/srv/r/env/web.env", "A=hunter2\n", "B=hunter2\n"))


@pytest.mark.parametrize(
    "words",
    [(), ("--undo", "--confirm"), ("/opt/old", "--undo"), ("--dry-run", "--undo"), ("/opt/old", "-o", "json")],
)
def test_words_that_say_two_things_or_none_are_refused(root: Root, words: tuple[str, ...]) -> None:
    done = root.call("adopt", *words)
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize("word", ["undo", "confirm"])
def test_where_nothing_is_under_way_nothing_can_be_ended(root: Root, word: str) -> None:
    done = root.call("adopt", f"--{word}")
    assert done.exit_code == 1
    assert "no adoption is under way" in done.stderr


@pytest.mark.parametrize("words", [("/opt/old", "--yes"), ("--undo", "--yes")])
def test_a_daemon_and_an_adoption_exclude_each_other(root: Root, words: tuple[str, ...]) -> None:
    under_way(root, Phase.ADOPTED)
    with root.daemon():
        done = root.call("adopt", *words)
    assert done.exit_code == 1
    assert "stop it (systemctl stop reconciler)" in done.stderr


@pytest.mark.parametrize(
    ("phase", "folder", "said"),
    [
        (Phase.ADOPTED, "/opt/old", "neither confirmed nor undone"),
        (Phase.UNDOING, "/opt/old", "reconciler adopt --undo"),
        (Phase.CONFIRMING, "/opt/old", "reconciler adopt --confirm"),
        (Phase.STANDING, "/opt/other", "adopt that folder again to go on"),
        (Phase.TAKING, "/opt/other", "adopt that folder again to go on"),
    ],
)
def test_no_second_adoption_begins_while_one_is_under_way(root: Root, phase: Phase, folder: str, said: str) -> None:
    under_way(root, phase)
    done = root.call("adopt", folder, "--yes")
    assert done.exit_code == 1
    assert said in done.stderr


@pytest.mark.parametrize("word", ["undo", "confirm"])
def test_nothing_ends_that_nobody_agreed_to(root: Root, word: str) -> None:
    under_way(root, Phase.ADOPTED)
    root.save(WEB)
    done = root.call("adopt", f"--{word}")
    assert done.exit_code == 2
    assert "say --yes" in done.stderr


def test_a_stack_that_is_not_ready_is_not_confirmed(root: Root) -> None:
    under_way(root, Phase.ADOPTED)
    root.save(replace(WEB, ready=Ready(Truth.FALSE, "Degraded", "web is ill")))
    done = root.call("adopt", "--confirm", "--yes")
    assert done.exit_code == 1
    assert "web is not Ready now" in done.stderr
    assert root.layout.adoption.exists()


def test_a_damaged_record_is_told_and_left(root: Root) -> None:
    root.layout.adoption.write_text("{}")
    done = root.call("adopt", "--undo", "--yes")
    assert done.exit_code == 1
    assert "is damaged" in done.stderr
    assert root.layout.adoption.exists()
