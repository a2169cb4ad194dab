"""A folder of backups: each there whole with its manifest, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.backup import entry
from reconciler.backup.entry import Backup, Finding
from reconciler.backup.store import Store, name_of
from reconciler.model.backup import Level
from reconciler.model.errors import WaitingError

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas/backup.schema.json").read_text())
NOON = 1_780_000_000.125


def backup(name: str, size: int = 5, sha256: str = "0" * 64) -> Backup:
    return Backup(
        name=name,
        stack="shop",
        plan="db",
        engine="postgres",
        service="db",
        database="shop",
        user="",
        created_at=NOON,
        wanted=Level.L3,
        release=4,
        size=size,
        sha256=sha256,
        level=Level.L1,
        counts={'"odd\ttable"': 3},
        problems=(Finding(Level.L2, "it cannot be restored"),),
    )


def written(store: Store, at: float = NOON) -> Backup:
    name = name_of("db", "shop", at)
    with store.writing(name) as writing:
        writing.take(b"hello")
    made = backup(name, writing.size, writing.sha256)
    store.publish(made)
    return made


def test_a_manifest_says_what_its_schema_says_and_is_read_as_it_was_written() -> None:
    text = entry.write(backup("db-shop-20261124T030000000Z"))
    Draft202012Validator(SCHEMA).validate(json.loads(text))
    assert entry.read(text) == backup("db-shop-20261124T030000000Z")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"version": 1, "name": 3}', b"\xff"])
def test_what_is_no_manifest_is_passed_over(tmp_path: Path, text: bytes) -> None:
    store = Store(tmp_path)
    made = written(store)
    (tmp_path / "other.json").write_bytes(text)
    assert store.all("shop") == (made,)


def test_a_dump_has_its_name_only_when_it_is_whole_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "backups")
    name = name_of("db", "shop", NOON)
    with store.writing(name) as writing:
        writing.take(b"hello")
        assert not store.dump(name).exists()
    store.publish(backup(name, writing.size, writing.sha256))
    assert {path.name: path.stat().st_mode & 0o777 for path in store.folder.iterdir()} == {
        f"{name}.dump": 0o600,
        f"{name}.json": 0o600,
    }
    assert store.digest(name, lambda: "") == (writing.sha256, 5)


def test_whatever_goes_wrong_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def half() -> None:
        with store.writing(name_of("db", "shop", NOON)) as writing:
            writing.take(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_swept_and_what_belongs_to_others_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = written(store)
    left = [f".{name_of('db', 'shop', NOON + 1)}.dump.partial", f"{name_of('db', 'shop', NOON + 2)}.dump"]
    others = [f".{name_of('db', 'shop-2', NOON)}.dump.partial", "old.dump", f"{name_of('db2', 'shop', NOON)}.dump"]
    for name in (*left, *others):
        (tmp_path / name).write_bytes(b"x")
    store.sweep("shop", frozenset({"db"}))
    assert {path.name for path in tmp_path.iterdir()} == {f"{made.name}.dump", f"{made.name}.json", *others}


def test_a_manifest_without_room_takes_its_dump_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    kept = written(store)
    (tmp_path / f".{name_of('db', 'shop', NOON + 1)}.json.partial").mkdir()  # nothing can be written there
    with pytest.raises(WaitingError):
        written(store, NOON + 1)
    assert [found.name for found in store.all("shop")] == [kept.name]
    assert not store.dump(name_of("db", "shop", NOON + 1)).exists()
