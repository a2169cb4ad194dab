"""What lies in an old project's folder is found, copied, and believed only when it was read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.adoption.carrying import carry_file, carry_folder, sum_of
from reconciler.adoption.clone import Destinations, read_clone, sha256_of
from reconciler.adoption.cron import Cron, calling, with_lines, without
from reconciler.adoption.model import Clone, CronLine
from reconciler.adoption.variables import differing, merged, unused
from reconciler.model.errors import StalledError
from reconciler.planning.dotenv import read_dotenv
from tests.certificates import Authority
from tests.integration.local_git import git


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    return folder


def read(old: Path, now: float = 0.0) -> Clone:
    to = Destinations(old.parent / "certs", old.parent / "adopted")
    return read_clone(old, to, Cron(old.parent, (str(old.parent / "cron.d"),)), now)


def test_a_pair_is_taken_along_and_what_is_none_is_told_of(old: Path) -> None:
    issued = Authority(now=1e9).issue("a.test")
    (old / "certs").mkdir()
    (old / "certs" / "a.crt").write_bytes(issued.chain_pem)
    (old / "certs" / "a.key").write_bytes(issued.key_pem)
    (old / "certs" / "b.crt").write_bytes(issued.chain_pem)
    (old / "certs" / "tls.yml").write_text("tls: {}")
    found = read(old, now=1e9)
    assert [Path(copy.target).name for copy in found.certificates] == ["a.crt", "a.key"]
    assert [note for note in found.notes if note.startswith("certs: b is not taken along: ")]


@pytest.mark.parametrize(("path", "said"), [("backup", ""), ("dumps", "DB_BACKUPS_PATH=./dumps\n")])
def test_dumps_are_found_where_the_variables_say(old: Path, path: str, said: str) -> None:
    (old / ".env").write_text(said)
    (old / path).mkdir()
    (old / path / "1.dump").write_bytes(b"one")
    (old / path / ".hidden").write_bytes(b"")
    (dump,) = read(old).dumps
    assert (dump.source, dump.target) == (str(old / path / "1.dump"), str(old.parent / "adopted" / "1.dump"))
    assert dump.sha256 == sha256_of(old / path / "1.dump")


def test_a_file_with_variables_that_cannot_be_read_is_refused_before_anything(old: Path) -> None:
    (old / ".env").write_text("A='never closed\n")
    with pytest.raises(StalledError, match="never closed"):
        read(old)


def test_tracked_files_that_somebody_changed_are_named(old: Path) -> None:
    git(old, "init", "--quiet")
    for name in ("kept.yml", "changed.yml"):
        (old / name).write_text("one\n")
    git(old, "add", ".")
    git(old, "commit", "--quiet", "-m", "x")
    (old / "changed.yml").write_text("two\n")
    (old / "untracked").write_text("x")
    assert read(old).changes == ("changed.yml",)


def test_a_folder_is_carried_with_its_modes_and_links(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "data" / "target"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(os.urandom(3_000_000))
    (source / "deep" / "file").chmod(0o640)
    (source / "deep").chmod(0o711)
    (source / "link").symlink_to("deep/file")
    os.mkfifo(source / "pipe")
    assert carry_folder(source, target) == sum_of(source) == sum_of(target)
    assert (target / "deep" / "file").stat().st_mode & 0o777 == 0o640
    assert not (target / "pipe").exists()
    assert (source / "deep" / "file").exists()


def test_a_folder_that_holds_something_is_never_carried_over(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").write_text("x")
    with pytest.raises(StalledError, match="holds something already"):
        carry_folder(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target" / "mine").read_text() == "x"


def test_what_a_killed_process_had_begun_to_carry_is_carried_anew(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("whole")
    (tmp_path / ".target.adopting").mkdir()
    (tmp_path / ".target.adopting" / "file").write_text("hal")
    carry_folder(tmp_path / "source", tmp_path / "target")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["file"]
    assert (tmp_path / "target" / "file").read_text() == "whole"
    assert not (tmp_path / ".target.adopting").exists()


def test_a_file_that_changed_since_it_was_shown_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("now")
    with pytest.raises(StalledError, match="has changed"):
        carry_file(tmp_path / "a", tmp_path / "b", sha256_of(tmp_path / "missing") or "0" * 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_file_is_never_carried_over_another_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with pytest.raises(StalledError, match="another file"):
        carry_file(tmp_path / "a", tmp_path / "b", sha256_of(tmp_path / "a"))
    assert (tmp_path / "b").read_text() == "b"


CRONTAB = """\
MAILTO=ops@example.com
# 0 1 * * * /opt/old/scripts/update.sh
0 1 * * * /opt/old/scripts/update.sh -le
0 2 * * * /opt/older/scripts/update.sh -le
30 3 * * * cd /opt/old && ./scripts/pg_backup.sh
0 4 * * * /mnt/opt/old/x.sh
"""
CALLS = ("0 1 * * * /opt/old/scripts/update.sh -le", "30 3 * * * cd /opt/old && ./scripts/pg_backup.sh")


def test_lines_of_cron_are_those_that_name_the_very_folder() -> None:
    assert calling(CRONTAB, "/opt/old") == CALLS


def test_lines_of_cron_go_and_come_back() -> None:
    gone = without(CRONTAB, CALLS)
    assert calling(gone, "/opt/old") == ()
    assert sorted(with_lines(gone, CALLS).splitlines()) == sorted(CRONTAB.splitlines())
    assert with_lines(with_lines(gone, CALLS), CALLS) == with_lines(gone, CALLS)


def test_a_file_of_cron_is_changed_in_its_place_and_back(tmp_path: Path) -> None:
    place = tmp_path / "cron.d" / "old"
    place.parent.mkdir()
    place.write_text(CRONTAB)
    place.chmod(0o644)
    cron = Cron(tmp_path / "staging", (str(place.parent),))
    lines = tuple(CronLine(str(place), line) for line in CALLS)
    assert tuple(line for line in cron.lines("/opt/old") if line.place != "crontab") == lines
    cron.remove(lines)
    cron.remove(lines)
    assert calling(place.read_text(), "/opt/old") == ()
    cron.put_back(lines)
    assert calling(place.read_text(), "/opt/old") == CALLS
    assert place.stat().st_mode & 0o777 == 0o644


def test_the_old_variables_stay_as_they_are_written_and_the_host_s_own_come_after_them() -> None:
    old = b"# mine\nA='1 # 2'\nB=\"x\""
    found = merged(b"C='a $b'\nA='1 # 2'\n", old, "x.env")
    assert found is not None
    assert found.startswith(old)
    assert read_dotenv(found, "").values == {"A": "1 # 2", "B": "x", "C": "a $b"}


def test_where_the_host_has_all_of_it_its_own_file_stays() -> None:
    own = b"B=2\nA=1\n"
    assert merged(own, b"A=1\n", "x.env") is own
    assert merged(None, b"A=1\n", "x.env") == b"A=1\n"
    assert merged(own, None, "x.env") is own


def test_variables_that_contradict_each_other_are_named() -> None:
    assert differing(b"A=1\nB=2\n", b"A='1'\nB=3\nC=4\n") == ("B",)


def test_a_variable_is_unused_where_neither_the_stack_nor_the_product_asks_for_it() -> None:
    assert unused(("A", "B", "C"), "image: ${A}", ("C",)) == ("B",)
