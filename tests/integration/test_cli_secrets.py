"""``reconciler secrets`` as a person types it: the key of a host, and encrypted files in a working copy."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import Result

from reconciler import age_keys
from reconciler.cli.editor import editor_of
from reconciler.cli.errors import Failure
from reconciler.secrets.working_copy import unseal
from tests.integration.cli_root import call
from tests.integration.secrets_keys import make_key, sealed

SECRET = "TOKEN=tr0ub4dor-and-3\n"


class Desk:
    """A root, and a working copy beside it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.copy = folder / "root", folder / "copy"
        self.key = self.root / "env" / "age-identity.txt"
        self.folder = folder
        self.root.mkdir()
        (self.copy / ".git").mkdir(parents=True)

    def call(self, *words: str, **environment: str) -> Result:
        done = call("--root", str(self.root), "secrets", *words, **environment)
        assert "tr0ub4dor" not in done.output
        assert "AGE-SECRET-KEY" not in done.output
        return done

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def editor(self, script: str) -> dict[str, str]:
        path = self.folder / "editor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return {"EDITOR": str(path), "VISUAL": ""}

    def other(self, name: str = "other") -> tuple[Path, str]:
        return self.folder / name, make_key(self.folder / name)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_host_gets_one_key_and_keeps_it(desk: Desk) -> None:
    first = desk.call("keygen")
    assert (first.exit_code, first.stdout) == (0, f"{age_keys.public(desk.key)[0]}\n")
    assert stat.S_IMODE(desk.key.stat().st_mode) == 0o600
    assert desk.call("keygen").stdout == first.stdout
    added = desk.call("keygen", "--add").stdout
    assert age_keys.public(desk.key) == (added.strip(), first.stdout.strip())


def test_what_is_encrypted_is_for_those_who_are_named_or_listed_or_else_for_this_host(desk: Desk) -> None:
    mine = desk.call("keygen").stdout.strip()
    (other_key, other), (third_key, third) = desk.other(), desk.other("third")
    plain = desk.write("shop/stack.env", SECRET)
    assert desk.call("encrypt", str(plain)).exit_code == 0
    assert unseal(desk.copy / "shop/stack.env.age", desk.key) == SECRET.encode()
    desk.write(".age-recipients", f"# all of us\n{mine}\n{other}  # the other host\n")
    desk.call("encrypt", str(plain))
    assert unseal(desk.copy / "shop/stack.env.age", other_key) == SECRET.encode()
    desk.call("encrypt", str(plain), "-r", third)
    assert unseal(desk.copy / "shop/stack.env.age", third_key) == SECRET.encode()
    assert plain.read_text() == SECRET


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (b"# of us\nage1nonsense\n", '.age-recipients:2: "age1nonsense" is no recipient of age'),
        ("# für uns\n".encode("latin-1"), ".age-recipients is not UTF-8; save the file as UTF-8"),
        (b"# nobody\n", ".age-recipients lists nobody"),
    ],
)
def test_what_is_wrong_with_the_list_of_recipients_is_told_with_its_place(desk: Desk, listed: bytes, told: str) -> None:
    desk.write(".age-recipients", listed)
    done = desk.call("encrypt", str(desk.write("stack.env", SECRET)))
    assert (done.exit_code, told in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.output
    assert not (desk.copy / "stack.env.age").exists()


def test_a_list_of_recipients_may_come_from_any_machine(desk: Desk) -> None:
    mine = desk.call("keygen").stdout.strip()
    desk.write(".age-recipients", f"\ufeff{mine}  # für uns\r\n".encode())
    desk.call("encrypt", str(desk.write("stack.env", SECRET)))
    assert unseal(desk.copy / "stack.env.age", desk.key) == SECRET.encode()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("encrypt", "{plain}"), "nobody is named to encrypt it for"),
        (("encrypt", "{plain}", "-r", "age1nonsense"), "is no recipient of age"),
        (("encrypt", "{plain}.none", "-r", "{other}"), "cannot be read"),
        (("encrypt", "{sealed}", "-r", "{other}"), "is encrypted already"),
        (("edit", "{plain}"), "is not encrypted; encrypt it first"),
        (("edit", "{sealed}", "-r", "{other}"), "there is no key in"),
        (("edit", "{sealed}", "-r", "{other}", "-i", "{foreign}"), "for none of the keys in"),
        (("rotate", "{copy}", "-r", "{other}"), "nothing was changed:"),
        (("rotate", "{copy}/none"), "does not exist"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(desk: Desk, words: tuple[str, ...], message: str) -> None:
    key, other = desk.other()
    foreign, _ = desk.other("foreign")
    plain, file = desk.write("plain", SECRET), desk.write("x.age", sealed(SECRET, other))
    places = {"plain": plain, "sealed": file, "other": other, "foreign": foreign, "copy": desk.copy}
    before = {path: path.read_bytes() for path in desk.copy.rglob("*") if path.is_file()}
    done = desk.call(*(word.format(**places) for word in words), **desk.editor("echo changed >>$1"))
    assert done.exit_code != 0
    assert message in done.stderr
    assert {path: path.read_bytes() for path in desk.copy.rglob("*") if path.is_file()} == before
    assert unseal(file, key) == SECRET.encode()


def test_an_edited_file_is_encrypted_again_and_lay_nowhere_in_the_clear(desk: Desk) -> None:
    file = desk.write("stack.env.age", sealed(SECRET, desk.call("keygen").stdout.strip()))
    seen = desk.folder / "seen"
    done = desk.call(
        "edit", str(file), **desk.editor(f'echo "$1" $(stat -c %a "$1") >{seen}; cp "$1" "$1~"; echo NEW=1 >>"$1"')
    )
    assert done.exit_code == 0, done.stderr
    assert unseal(file, desk.key) == f"{SECRET}NEW=1\n".encode()
    path, mode = seen.read_text().split()
    assert (Path(path).name, mode) == ("stack.env", "600")
    assert not Path(path).parent.exists()
    assert (path.startswith("/dev/shm")) is os.access("/dev/shm", os.W_OK)


def test_what_was_not_changed_is_not_encrypted_anew(desk: Desk) -> None:
    file = desk.write("stack.env.age", sealed(SECRET, desk.call("keygen").stdout.strip()))
    before = file.read_bytes()
    assert "nothing was changed" in desk.call("edit", str(file), **desk.editor(":")).stderr
    done = desk.call("edit", str(file), **desk.editor("echo x >>$1; exit 3"))
    assert (done.exit_code, "ended with 3; nothing was changed" in done.stderr) == (1, True)
    assert file.read_bytes() == before


def test_a_file_that_is_not_there_is_made(desk: Desk) -> None:
    desk.call("keygen")
    assert desk.call("edit", str(desk.copy / "new.env.age"), **desk.editor("echo A=1 >$1")).exit_code == 0
    assert unseal(desk.copy / "new.env.age", desk.key) == b"A=1\n"


def test_a_slip_of_the_pen_is_told_when_it_is_saved(desk: Desk) -> None:
    desk.call("keygen")
    done = desk.call("edit", str(desk.copy / "new.env.age"), **desk.editor("echo =tr0ub4dor >$1"))
    assert "new.env.age:1: " in done.stderr


def test_nobody_loses_a_file_unnoticed(desk: Desk) -> None:
    mine, (other_key, other) = desk.call("keygen").stdout.strip(), desk.other()
    file = desk.write("stack.env.age", sealed(SECRET, mine, other))
    for words in (("edit", str(file)), ("rotate", str(desk.copy)), ("rotate", str(desk.copy), "--new-key")):
        done = desk.call(*words, **desk.editor("echo x >>$1"))
        assert (done.exit_code, "for 2 recipients, and would then be for 1" in done.stderr) == (1, True), done.stderr
    assert len(age_keys.public(desk.key)) == 1
    desk.call("edit", str(file), "-r", mine, "-r", other, **desk.editor("echo NEW=1 >>$1"))
    assert unseal(file, other_key).endswith(b"NEW=1\n")


def test_a_rotation_reaches_every_file_and_leaves_the_old_key_readable(desk: Desk) -> None:
    mine, (other_key, other) = desk.call("keygen").stdout.strip(), desk.other()
    listed = desk.write(".age-recipients", f"{mine}  # web-1\n{other}\n")
    found = [desk.write(f"{name}.age", sealed(SECRET, mine, other)) for name in ("a/x.env", "hosts/b/y.key")]
    old = found[0].read_bytes()
    done = desk.call("rotate", str(desk.copy), "--new-key")
    assert done.exit_code == 0, done.stderr
    new, *rest = age_keys.public(desk.key)
    assert rest == [mine]
    assert listed.read_text() == f"{new}  # web-1\n{other}\n"
    lines = desk.key.read_text().splitlines()
    only_new = desk.folder / "only-new"
    only_new.write_text("\n".join(lines[:2]))
    only_new.chmod(0o600)
    for path in found:
        assert unseal(path, only_new) == unseal(path, other_key) == SECRET.encode()
    found[0].write_bytes(old)
    assert unseal(found[0], desk.key) == SECRET.encode()


def test_one_file_that_cannot_be_decrypted_keeps_all_as_they_are(desk: Desk) -> None:
    mine, (_, other) = desk.call("keygen").stdout.strip(), desk.other()
    good, bad = desk.write("a.age", sealed(SECRET, mine)), desk.write("b.age", sealed(SECRET, other))
    before = good.read_bytes(), bad.read_bytes()
    done = desk.call("rotate", str(desk.copy), "--new-key")
    assert (done.exit_code, "b.age" in done.stderr, "a.age" in done.stderr) == (1, True, False)
    assert (good.read_bytes(), bad.read_bytes()) == before
    assert age_keys.public(desk.key) == (mine,)


def test_where_no_editor_is_named_the_first_usual_one_that_is_installed_is_taken() -> None:
    assert editor_of({"EDITOR": "ed -s"}, lambda _: None, False) == "ed -s"
    assert editor_of({"EDITOR": "ed", "VISUAL": "code --wait"}, lambda _: None, True) == "code --wait"
    assert editor_of({"EDITOR": ""}, lambda name: f"/bin/{name}", True) == "sensible-editor"
    assert editor_of({}, {"nano": "/bin/nano", "vi": "/bin/vi"}.get, True) == "vi"


def test_where_there_is_no_editor_and_where_nobody_sits_at_a_terminal_it_says_what_to_set(desk: Desk) -> None:
    desk.call("keygen")
    done = desk.call("edit", str(desk.copy / "new.env.age"), EDITOR="", VISUAL="")
    assert done.exit_code == 2
    assert "there is no terminal to open one at, so nothing was changed: set EDITOR" in done.stderr
    assert not (desk.copy / "new.env.age").exists()
    with pytest.raises(Failure, match="none of sensible-editor, editor, vi, nano is installed") as raised:
        editor_of({}, lambda _: None, True)
    assert raised.value.code == 2


def test_who_names_a_key_that_is_not_there_is_told_of_the_key_and_not_of_recipients(desk: Desk) -> None:
    _, other = desk.other()
    file = desk.write("x.age", sealed(SECRET, other))
    done = desk.call("edit", str(file), "-i", str(desk.folder / "none"), **desk.editor("echo changed >>$1"))
    assert (done.exit_code, f"there is no key in {desk.folder / 'none'}" in done.stderr) == (1, True)
