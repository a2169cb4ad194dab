"""What is taken out of ``certs/``: files, each whole and once, and never what lies elsewhere."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from reconciler.certs.folder import MOST_BYTES, DropFolder, overlooked
from reconciler.certs.model import DroppedFile
from reconciler.model.errors import WaitingError

LONG_AGO = time.time() - 3600.0


@pytest.fixture
def certs(tmp_path: Path) -> Path:
    folder = tmp_path / "certs"
    folder.mkdir()
    return folder


def only(folder: Path) -> DroppedFile:
    (file,) = DropFolder(folder).read()
    return file


def age(monkeypatch: pytest.MonkeyPatch, seconds: float = 60.0) -> None:
    """Let what was written just now be that old."""
    now = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: now)


def test_every_file_is_read_whole_in_the_order_of_names(certs: Path) -> None:
    for name in ("b.key", "a.crt", "c.txt"):
        (certs / name).write_bytes(name.encode() * 10_000)
    found = DropFolder(certs).read()
    assert [file.name for file in found] == ["a.crt", "b.key", "c.txt"]
    assert [file.content for file in found] == [file.name.encode() * 10_000 for file in found]
    assert {file.fault for file in found} == {""}


def test_a_file_says_its_mode_and_when_it_changed(certs: Path) -> None:
    (certs / "a.key").write_bytes(b"x")
    (certs / "a.key").chmod(0o640)
    os.utime(certs / "a.key", (LONG_AGO, LONG_AGO))
    file = only(certs)
    assert file.mode == 0o640
    assert file.changed_at == (certs / "a.key").stat().st_ctime


def test_no_folder_is_an_empty_one(tmp_path: Path) -> None:
    assert DropFolder(tmp_path / "none").read() == ()


def test_a_folder_that_cannot_be_looked_into_is_not_as_if_all_were_gone(tmp_path: Path) -> None:
    (tmp_path / "certs").write_text("no folder")
    with pytest.raises(WaitingError, match="certs cannot be read"):
        DropFolder(tmp_path / "certs").read()


def test_hidden_files_are_passed_over(certs: Path) -> None:
    (certs / ".a.crt.Xy12").write_bytes(b"x")
    assert DropFolder(certs).read() == ()


def test_a_folder_is_not_looked_into_and_says_what_to_do(certs: Path) -> None:
    (certs / "sub.crt").mkdir()
    (certs / "sub.crt" / "a.crt").write_bytes(b"x")
    assert (only(certs).name, only(certs).content) == ("sub.crt", b"")
    assert "it is a folder, which is not looked into; put the file itself into certs/" in only(certs).fault


def test_what_is_of_no_pair_by_its_name_is_told_by_its_name(certs: Path) -> None:
    (certs / "live").mkdir()
    for name in ("a.crt", "a.key", ".a.crt.Xy12", "fullchain.pem.txt"):
        (certs / name).write_bytes(b"x")
    assert overlooked(certs) == ("fullchain.pem.txt", "live")
    assert overlooked(certs / "none") == ()


def test_a_link_inside_the_folder_is_followed(certs: Path) -> None:
    (certs / "real").write_bytes(b"pem")
    (certs / "a.crt").symlink_to("real")
    assert [file.content for file in DropFolder(certs).read()] == [b"pem", b"pem"]


@pytest.mark.parametrize("through", ["file", "folder"])
def test_a_link_that_leads_out_of_the_folder_is_not_followed_and_says_what_to_do(
    certs: Path, tmp_path: Path, through: str
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    if through == "folder":
        (certs / "..data").symlink_to(tmp_path)
    (certs / "a.key").symlink_to("..data/secret" if through == "folder" else tmp_path / "secret")
    file = only(certs)
    assert (file.name, file.content) == ("a.key", b"")
    assert "leads out of certs/; copy the file itself" in file.fault


def test_a_folder_that_is_itself_a_link_is_the_folder(certs: Path, tmp_path: Path) -> None:
    (certs / "a.crt").write_bytes(b"pem")
    (tmp_path / "link").symlink_to(certs)
    assert only(tmp_path / "link").content == b"pem"


def test_a_link_to_nothing_may_still_come(certs: Path) -> None:
    (certs / "a.crt").symlink_to("later")
    folder = DropFolder(certs)
    (waiting,) = folder.read()
    assert (waiting.name, waiting.content, waiting.passing) == ("a.crt", b"", True)
    assert waiting.fault.startswith("it is a link that leads nowhere (No such file or directory); put the file itself")
    (certs / "later").write_bytes(b"pem")
    assert [file.content for file in folder.read()] == [b"pem", b"pem"]


def test_a_pipe_is_not_waited_for(certs: Path) -> None:
    os.mkfifo(certs / "a.crt")
    assert only(certs).fault == "it is no file; take it out of certs/"


def test_a_pipe_that_takes_the_place_of_a_file_while_it_is_looked_at_is_not_waited_for(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (certs / "a.crt").write_bytes(b"pem")
    real = DropFolder._fault

    def replaced(self: DropFolder, path: Path, status: os.stat_result) -> str:
        found = real(self, path, status)
        path.unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr(DropFolder, "_fault", replaced)
    assert only(certs).content == b""


def test_a_file_that_is_larger_than_any_certificate_is_not_read(certs: Path) -> None:
    (certs / "a.crt").write_bytes(b"x" * (MOST_BYTES + 1))
    assert (only(certs).content, "larger than 256 KiB" in only(certs).fault) == (b"", True)
    (certs / "a.crt").write_bytes(b"x" * MOST_BYTES)
    assert (len(only(certs).content), only(certs).fault) == (MOST_BYTES, "")


def test_a_file_that_did_not_change_is_not_read_again(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (certs / "a.crt").write_bytes(b"pem")
    age(monkeypatch)
    folder = DropFolder(certs)
    (first,) = folder.read()
    monkeypatch.setattr(DropFolder, "_read", lambda self, path, status: pytest.fail(f"read {path} again"))
    (second,) = folder.read()
    assert second is first


def test_a_file_that_changed_is_read_again(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (certs / "a.crt").write_bytes(b"one")
    age(monkeypatch)
    folder = DropFolder(certs)
    folder.read()
    (certs / "new").write_bytes(b"two")
    (certs / "new").replace(certs / "a.crt")
    assert [file.content for file in folder.read()] == [b"two"]
    (certs / "a.crt").chmod(0o604)
    assert [file.mode for file in folder.read()] == [0o604]


def test_a_file_that_was_read_while_it_was_written_is_read_again_although_it_looks_the_same(certs: Path) -> None:
    """rsync --inplace: of the same size all along, and both times within one tick of the file system's clock."""
    path, folder = certs / "a.crt", DropFolder(certs)
    path.write_bytes(b"half")
    folder.read()
    known = folder._known["a.crt"]
    path.write_bytes(b"full")
    status = path.stat()
    now = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)
    folder._known["a.crt"] = (now, *known[1:])
    assert [file.content for file in folder.read()] == [b"full"]


def test_a_file_that_is_gone_is_forgotten(certs: Path) -> None:
    (certs / "a.crt").write_bytes(b"pem")
    folder = DropFolder(certs)
    folder.read()
    (certs / "a.crt").unlink()
    assert folder.read() == ()
    assert folder._known == {}


@pytest.mark.parametrize(("raw", "name"), [(b"caf\xe9.crt", "caf\\udce9.crt"), (b"a\nb.crt", "a\\nb.crt")])
def test_a_name_that_is_no_text_can_be_written_down(certs: Path, raw: bytes, name: str) -> None:
    with open(os.path.join(os.fsencode(certs), raw), "wb") as file:
        file.write(b"pem")
    assert (only(certs).name, only(certs).content) == (name, b"pem")
    only(certs).name.encode()


def test_what_was_read_is_not_shown(certs: Path) -> None:
    (certs / "a.key").write_bytes(b"SECRET")
    assert "SECRET" not in repr(only(certs))


def test_a_file_that_may_not_be_read_says_whose_it_is_to_be(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    (certs / "a.key").write_bytes(b"x")
    monkeypatch.setattr(os, "open", denied)
    told = "it cannot be read (Permission denied); let it belong to the user that reconciler runs as, with mode 0600"
    assert only(certs).fault.startswith(told)
