"""Encrypted dumps: streamed both ways, opened by whoever holds an identity, and told where nobody does."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from reconciler.backup.entry import Backup
from reconciler.backup.sealing import Sealing
from reconciler.backup.store import Store
from reconciler.model.backup import Level
from reconciler.model.errors import StalledError, WaitingError

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
CONTENT = bytes(range(256)) * 4096


def backup_to(*recipients: str) -> Backup:
    return Backup("x", "shop", "db", "e", "s", "d", "", 0.0, Level.L3, recipients=recipients)


def held(folder: Path, *identities: object, mode: int = 0o600) -> Sealing:
    path = folder / "identity"
    if identities:
        path.write_text("# created\n" + "".join(f"{identity}\n" for identity in identities))
        path.chmod(mode)
    return Sealing(path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path)
    sealed = io.BytesIO()
    with Sealing(tmp_path / "none").sealed((RECIPIENT,), sealed.write) as take:
        for start in range(0, len(CONTENT), 50_000):
            take(CONTENT[start : start + 50_000])
    found.dump("x").write_bytes(sealed.getvalue())
    return found


def all_of(sealing: Sealing, store: Store, backup: Backup) -> bytes:
    with sealing.opened(store, backup) as source:
        return b"".join(iter(lambda: source.read(4096), b""))


def test_what_was_sealed_is_read_again_and_by_age_itself(store: Store, tmp_path: Path) -> None:
    other = pyrage.x25519.Identity.generate()
    assert all_of(held(tmp_path, other, IDENTITY), store, backup_to(RECIPIENT)) == CONTENT
    raw = store.dump("x").read_bytes()
    assert CONTENT[:1000] not in raw
    assert pyrage.decrypt(raw, [IDENTITY]) == CONTENT


def test_what_is_to_nobody_goes_through_as_it_is(store: Store, tmp_path: Path) -> None:
    taken = io.BytesIO()
    with Sealing(tmp_path / "none").sealed((), taken.write) as take:
        take(CONTENT)
    store.dump("x").write_bytes(taken.getvalue())
    assert all_of(Sealing(tmp_path / "none"), store, backup_to()) == CONTENT


def test_without_the_right_identity_it_is_told_where_to_put_it(store: Store, tmp_path: Path) -> None:
    for sealing in (held(tmp_path), held(tmp_path, pyrage.x25519.Identity.generate())):
        assert not sealing.can_open(backup_to(RECIPIENT))
        with pytest.raises(StalledError, match=rf"{RECIPIENT}.*{tmp_path}/identity \(mode 0600\)"):
            all_of(sealing, store, backup_to(RECIPIENT))


def test_identities_that_others_may_read_or_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StalledError, match="chmod 600"):
        held(tmp_path, IDENTITY, mode=0o640).can_open(backup_to(RECIPIENT))
    with pytest.raises(StalledError, match="holds a key that is damaged"):
        held(tmp_path, "AGE-SECRET-KEY-1NONE").can_open(backup_to(RECIPIENT))


@pytest.mark.parametrize("harm", [lambda raw: raw[:-70_000], lambda raw: raw[:300_000] + b"\0\0" + raw[300_002:]])
def test_damage_never_looks_like_the_end(store: Store, tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    store.dump("x").write_bytes(harm(store.dump("x").read_bytes()))
    with pytest.raises(StalledError, match="age: "):
        all_of(held(tmp_path, IDENTITY), store, backup_to(RECIPIENT))


def test_a_reader_that_leaves_early_and_a_writer_that_fails_leave_nothing_behind(store: Store, tmp_path: Path) -> None:
    with held(tmp_path, IDENTITY).opened(store, backup_to(RECIPIENT)) as source:
        assert source.read(10) == CONTENT[:10]
    with pytest.raises(ZeroDivisionError):
        sealed(lambda _: None, CONTENT, fails=True)


def sealed(sink: Callable[[bytes | memoryview], object], content: bytes, *, fails: bool = False) -> None:
    with Sealing(Path("/nowhere")).sealed((RECIPIENT,), sink) as take:
        for _ in range(10):
            take(content)
        if fails:
            raise ZeroDivisionError


@pytest.mark.parametrize("content", [CONTENT, b"little"])
def test_a_disk_that_is_full_is_told_in_its_own_words(content: bytes) -> None:
    def full(piece: object) -> None:
        raise WaitingError("the disk is full", reason="DiskFull")

    with pytest.raises(WaitingError, match="the disk is full"):
        sealed(full, content)
