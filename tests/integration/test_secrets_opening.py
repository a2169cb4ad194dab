"""What lies encrypted in Git is decrypted in memory, or it is said why not and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from reconciler.model.errors import InvalidInputError
from reconciler.planning.sealed import recipient_count
from reconciler.secrets.opening import Opener
from tests.integration.secrets_keys import make_key, sealed

SECRET = "TOKEN=tr0ub4dor-and-3\n"
OTHER = str(pyrage.x25519.Identity.generate().to_public())


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "env" / "age-identity.txt"


@pytest.mark.parametrize("armored", [True, False])
def test_a_file_for_this_host_is_decrypted_with_any_of_its_keys(key: Path, armored: bool) -> None:
    old = make_key(key)
    new = make_key(key)
    for recipient in (old, new):
        assert Opener(key).open("x.age", sealed(SECRET, recipient, armored=armored)) == SECRET.encode()


def why_not(key: Path, content: bytes) -> str:
    with pytest.raises(InvalidInputError) as raised:
        Opener(key).open("shop/stack.env.age", content)
    said = str(raised.value)
    assert said.startswith("shop/stack.env.age: ")
    assert "tr0ub4dor" not in said
    return said


def test_without_a_key_it_is_said_where_one_belongs(key: Path, tmp_path: Path) -> None:
    content = sealed(SECRET, make_key(tmp_path / "other"))
    said = why_not(key, content)
    assert f"there is none in {key}" in said
    assert "reconciler secrets keygen" in said


def test_one_for_somebody_else_is_told_with_the_keys_that_are_here(key: Path, tmp_path: Path) -> None:
    mine, content = make_key(key), sealed(SECRET, make_key(tmp_path / "other"))
    assert f"whose keys are {mine}" in why_not(key, content)
    assert "reconciler secrets rotate -r" in why_not(key, content)


@pytest.mark.parametrize("cut", [slice(-9), slice(150)])
def test_a_damaged_one_is_told_to_be_damaged(key: Path, cut: slice) -> None:
    content = sealed(SECRET, make_key(key), armored=False)
    assert "it is damaged" in why_not(key, content[cut])


def test_one_that_is_not_encrypted_at_all_is_refused_without_showing_it(key: Path) -> None:
    make_key(key)
    assert "is in Git in the clear" in why_not(key, SECRET.encode())


def test_a_key_that_others_may_read_is_not_used(key: Path) -> None:
    content = sealed(SECRET, make_key(key))
    key.chmod(0o644)
    assert f"chmod 600 {key}" in why_not(key, content)


def test_another_key_is_another_state_and_opens_what_could_not_be_opened(key: Path, tmp_path: Path) -> None:
    opener, before = Opener(key), Opener(key).state()
    content = sealed(SECRET, make_key(tmp_path / "other"))
    with pytest.raises(InvalidInputError):
        opener.open("x.age", content)
    key.parent.mkdir()
    key.write_bytes((tmp_path / "other").read_bytes())
    key.chmod(0o600)
    assert opener.state() != before
    assert opener.open("x.age", content) == SECRET.encode()


def test_what_programs_read_lies_in_memory_and_is_gone_afterwards(key: Path) -> None:
    with Opener(key).held(b"x" * 100_000) as path:
        assert path.read_bytes() == path.read_bytes() == b"x" * 100_000
        assert str(path.resolve()).startswith("/memfd:")
    assert not path.exists() or path.resolve() != path


@pytest.mark.parametrize("armored", [True, False])
def test_for_how_many_it_is_encrypted_can_be_counted(tmp_path: Path, armored: bool) -> None:
    recipients = [make_key(tmp_path / name) for name in "abc"]
    assert recipient_count(sealed(SECRET, *recipients, armored=armored)) == 3
    assert recipient_count(b"none of it") == 0


@pytest.mark.parametrize(
    "dressed",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.decode().encode("utf-16"),
    ],
    ids=["byte order mark", "line ends of Windows", "UTF-16, as PowerShell redirects"],
)
def test_what_windows_puts_around_a_text_hides_nothing(key: Path, dressed: Callable[[bytes], bytes]) -> None:
    content = dressed(sealed(SECRET, make_key(key)))
    assert Opener(key).open("x.age", content) == SECRET.encode()
    assert recipient_count(content) == 1
    key.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(reversed(key.read_bytes().splitlines())))
    assert Opener(key).open("x.age", content) == SECRET.encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf\r\n", "it is empty"),
        (
            b"<<<<<<< HEAD\n" + sealed(SECRET, OTHER) + b"=======\n",
            "it holds more than what age wrote, as after a merge",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS"),
        (bytes(pyrage.passphrase.encrypt(SECRET.encode(), "sesame")), "encrypted with a passphrase"),
    ],
    ids=["empty", "only a mark", "a merge", "Git LFS", "a passphrase"],
)
def test_what_is_no_secret_in_the_clear_raises_no_such_alarm(key: Path, content: bytes, told: str) -> None:
    make_key(key)
    said = why_not(key, content)
    assert told in said
    assert "in the clear" not in said


def test_a_file_that_holds_no_key_of_age_says_what_one_looks_like(key: Path, tmp_path: Path) -> None:
    content = sealed(SECRET, make_key(tmp_path / "other"))
    key.parent.mkdir(exist_ok=True)
    for wrong, told in (
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "a line that begins with AGE-SECRET-KEY-"),
        (bytes(pyrage.passphrase.encrypt(b"AGE-SECRET-KEY-1", "sesame")), "is no text in UTF-8"),
        (b"AGE-SECRET-KEY-1QQ\n", "holds a key that is damaged"),
    ):
        key.write_bytes(wrong)
        key.chmod(0o600)
        assert told in why_not(key, content)
