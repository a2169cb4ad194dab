"""Backups of other things than PostgreSQL: MariaDB, files, and an engine that the repository brings. No engine is known to
Python, so each is held to the same laws.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pyrage
import pytest

from reconciler.backup.engines import Engine, scripts_of
from reconciler.model.backup import Level
from reconciler.model.errors import StalledError, WaitingError
from tests.e2e.backing import Backing
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

PASSWORD = "pa$$ 'wo\"rd"
DATA = r"""
CREATE TABLE `odd ``one` (
    id int PRIMARY KEY AUTO_INCREMENT, n decimal(20, 5), d double, b blob, bits bit(5), j json, at timestamp NULL,
    e enum('a', 'b'), s set('x', 'y'), small int, twice int AS (small * 2) STORED, p point, t time(6), u uuid,
    u8 text CHARACTER SET utf8mb4
);
INSERT INTO `odd ``one` (n, d, b, bits, j, at, e, s, small, p, t, u, u8)
SELECT seq / 7, sqrt(seq), unhex(md5(seq)), b'10101', '{"a": 1}', '2026-03-29 00:59:59', 'b', 'x,y', seq, point(seq, 1),
       '12:30:01.5', uuid(), concat('Grüße 😀 \\ '' \n', seq) FROM seq_1_to_500;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, p int, CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent SELECT seq FROM seq_1_to_10;
INSERT INTO child SELECT seq, seq FROM seq_1_to_10;
CREATE FUNCTION twice(a int) RETURNS int DETERMINISTIC RETURN a * 2;
CREATE VIEW seen AS SELECT id, twice(small) AS t FROM `odd ``one` WHERE id < 10;
CREATE VIEW seen_twice AS SELECT seen.* FROM seen JOIN parent USING (id);
CREATE TRIGGER touched BEFORE INSERT ON child FOR EACH ROW SET NEW.p = NEW.p;
CREATE EVENT daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM parent WHERE id < 0;
CREATE SEQUENCE numbers START WITH 5;
"""


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Any]:
    engine = docker.from_env()
    settings = {"MARIADB_ROOT_PASSWORD": PASSWORD, "MARIADB_DATABASE": "shop"}
    found = engine.containers.run("rig/mariadb:10.11", detach=True, environment=settings)
    try:
        eventually(lambda: _mariadb(found, "mariadb", "-e", "DO 0").exit_code == 0)
        yield found
    finally:
        found.remove(force=True, v=True)
        engine.close()


def _mariadb(server: Any, *command: str) -> Any:
    return server.exec_run(list(command), environment={"MYSQL_PWD": PASSWORD})


def _sql(server: Any, text: str, database: str = "shop") -> str:
    done = _mariadb(server, "mariadb", "--default-character-set=utf8mb4", "-N", database, "-e", text)
    assert done.exit_code == 0, done.output
    return str(done.output.decode().strip())


def _dumped(server: Any) -> bytes:
    words = ("--single-transaction", "--routines", "--triggers", "--events", "--skip-dump-date", "shop")
    return bytes(_mariadb(server, "mariadb-dump", *words).output)


def test_a_mariadb_is_proven_to_its_rows_and_comes_back_to_the_last_byte(mariadb: Any, tmp_path: Path) -> None:
    _sql(mariadb, DATA)
    backing = Backing(mariadb, "mariadb", "shop", tmp_path, max_shrink_percent=100)
    backup, before = backing.good(), _dumped(mariadb)
    assert (backup.level, backup.server[:6]) == (Level.L3, "10.11.")
    assert dict(backup.counts) == {
        "odd `one": 500, "parent": 10, "child": 10, "(views)": 2, "(triggers)": 1, "(routines)": 1, "(events)": 1,
    }  # fmt: skip
    assert backup.database_size > 16384
    _sql(mariadb, "DELETE FROM parent WHERE id > 4; DROP TRIGGER touched; DROP VIEW seen_twice; DROP TABLE `odd ``one`")
    safety = backing.good()
    assert "shop.seen" in safety.complaint  # a view of a table that is gone
    _sql(mariadb, "DROP VIEW seen; CREATE VIEW later AS SELECT 1 AS one")
    harmed = _dumped(mariadb)
    scripts = scripts_of("mariadb").scripts
    cut = scripts["swap"].replace('apply "$live" <"$folder/new.sql"', 'apply "$live" <"$folder/new.sql"\n  false')
    assert cut != scripts["swap"]
    with pytest.raises(WaitingError):
        backing.restored(backup, Engine("mariadb", {**scripts, "swap": cut}))
    assert _dumped(mariadb) == harmed
    assert _databases(mariadb) == ["shop"]
    assert backing.users.done == ["stop web-id", "stop api-id", "start api-id", "start web-id"]
    restored = backing.restored(backup)
    assert _dumped(mariadb) == before
    assert _sql(mariadb, "SELECT count(*) FROM child", restored.old) == "4"
    assert backing.restored(backup, drop_old=True).old == ""
    assert _databases(mariadb) == ["shop"]
    wrong = Backing(mariadb, "mariadb", "nosuch", tmp_path).made()
    assert wrong.finding is not None
    assert (wrong.finding.level, "nosuch" in wrong.finding.problem) == (Level.L0, True)
    _sql(mariadb, "ALTER USER root@localhost IDENTIFIED BY 'another'")
    wrong = backing.made()
    assert wrong.finding is not None
    assert (wrong.finding.level, "Access denied" in wrong.finding.problem) == (Level.L0, True)


def _databases(server: Any) -> list[str]:
    own = "('information_schema', 'performance_schema', 'mysql', 'sys')"
    return _sql(server, f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN {own}").split()


FILES = """
cd /data && mkdir -p a/b 'sp ace' .hid leer && echo 1 >a/x && echo 2 >'sp ace/y z' && echo 3 >.hid/q && ln -s ../a/x a/b/l &&
chmod 4750 a/x && chown 33:44 'sp ace' && : >'-empty' && ln a/x hard
"""
PICTURE = (
    "cd /data; find . -path ./.reconciler -prune -o -type f -exec sha256sum {} + | sort;"
    "find . -path ./.reconciler -prune -o ! -path . -exec stat -c '%f %u %g %h %N' {} + | sort"
)


@pytest.fixture
def holder() -> Iterator[Any]:
    """Keeps files in a volume."""
    engine = docker.from_env()
    volume = engine.volumes.create()
    found = engine.containers.run(
        "rig/busybox:1", ["sleep", "1d"], detach=True, init=True, volumes={volume.name: {"bind": "/data"}}
    )
    try:
        yield found
    finally:
        found.remove(force=True, v=True)
        volume.remove(force=True)
        engine.close()


def _sh(container: Any, text: str) -> str:
    done = container.exec_run(["sh", "-c", text])
    assert done.exit_code == 0, done.output
    return str(done.output.decode())


def test_files_come_back_as_they_were_and_those_of_before_are_kept(holder: Any, tmp_path: Path) -> None:
    _sh(holder, FILES)
    backing = Backing(holder, "volume", "/data", tmp_path, stop=True)
    backup, before = backing.good(), _sh(holder, PICTURE)
    assert backing.users.done == [f"stop {holder.id}", f"start {holder.id}"]
    assert dict(backup.counts) == {"files": 5, "folders": 5, "links": 1}
    backing.users.done.clear()
    _sh(holder, "cd /data && rm -r a && echo new >-empty && echo more >other && ln -sf nowhere .hid/broken")
    harmed = _sh(holder, PICTURE)
    scripts = scripts_of("volume").scripts
    for cut in ('put "$live" "$old"', 'put "$new" "$live"'):
        broken = scripts["swap"].replace(f"\n{cut}\n", f"\n{cut}\nfalse\n")
        assert broken != scripts["swap"]
        with pytest.raises(WaitingError):
            backing.restored(backup, Engine("volume", {**scripts, "swap": broken}))
        assert _sh(holder, PICTURE) == harmed
    users = [f"{word} {found}" for word in ("stop", "start") for found in ("web-id", "api-id", holder.id)]
    assert sorted(set(backing.users.done)) == sorted(users)
    restored = backing.restored(backup)
    assert _sh(holder, PICTURE) == before
    assert _sh(holder, f"cat /data/.reconciler/{restored.old}/other") == "more\n"
    holder.stop(timeout=0)
    assert backing.restored(backup, drop_old=True).old == ""
    holder.start()
    assert _sh(holder, PICTURE) == before
    assert _sh(holder, "ls -A /data/.reconciler 2>/dev/null; true") == ""


def test_a_swap_that_the_power_went_out_in_is_told_by_a_backup_and_undone_by_the_next_restore(
    holder: Any, tmp_path: Path
) -> None:
    _sh(holder, FILES)
    backing = Backing(holder, "volume", "/data", tmp_path)
    backup, before = backing.good(), _sh(holder, PICTURE)
    scripts = scripts_of("volume").scripts
    for cut in ('put "$live" "$old"', 'put "$new" "$live"'):
        broken = scripts["swap"].replace(f"\n{cut}\n", f"\n{cut}\ntrap - EXIT\nexit 1\n")
        with pytest.raises(WaitingError):
            backing.restored(backup, Engine("volume", {**scripts, "swap": broken, "databases": "echo /data"}))
        made = backing.made()
        assert made.finding is not None
        assert "cut short" in made.finding.problem
        backing.restored(backup, drop_old=True)
        assert _sh(holder, PICTURE) == before


def test_files_that_change_while_they_are_read_or_that_are_in_no_mount_make_no_backup(
    holder: Any, tmp_path: Path
) -> None:
    backing = Backing(holder, "volume", "/data", tmp_path)
    assert backing.good().counts == {"files": 0}
    holder.exec_run(["sh", "-c", "while :; do echo x >>/data/log; done"], detach=True)
    eventually(lambda: _sh(holder, "ls /data"))
    made = backing.made()
    assert made.backup is None
    assert made.finding is not None
    assert (made.finding.level, "stop: true" in made.finding.problem) == (Level.L0, True)
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".dump", ".json"]
    made = Backing(holder, "volume", "/etc", tmp_path).made()
    assert made.finding is not None
    assert "no mount of the container" in made.finding.problem
    assert "its mounts: /data" in made.finding.problem


def test_an_encrypted_backup_is_proven_as_far_as_this_host_can_open_it_and_restored_only_if_it_can(
    holder: Any, tmp_path: Path
) -> None:
    _sh(holder, FILES)
    identity = pyrage.x25519.Identity.generate()
    backing = Backing(holder, "volume", "/data", tmp_path, recipients=(str(identity.to_public()),))
    made = backing.made()
    assert made.backup is not None
    assert made.finding is not None
    assert (made.backup.level, made.finding.level) == (Level.L1, Level.L2)
    assert f"put it into {backing.identity} (mode 0600)" in made.finding.problem
    assert b"age-encryption.org" in backing.store.dump(made.backup.name).read_bytes()[:30]
    proven_to_its_checksum = replace(made.backup, wanted=Level.L1, problems=())
    assert backing.proven(proven_to_its_checksum).verified
    before = _sh(holder, PICTURE)
    with pytest.raises(StalledError, match=r"no identity for that; put it into"):
        backing.restored(proven_to_its_checksum)
    backing.identity.write_text(f"{identity}\n")
    backing.identity.chmod(0o600)
    assert backing.proven(made.backup).level is Level.L3
    backup = backing.good()
    _sh(holder, "rm -r /data/a")
    backing.restored(backup, drop_old=True)
    assert _sh(holder, PICTURE) == before


OWN = {
    "dump": 'echo "@count $(wc -l <"$BACKUP_LIVE/notes") \\"notes\\"" >&2; cat "$BACKUP_LIVE/notes"',
    "count": 'echo "@count $(wc -l <"$BACKUP_LIVE/$BACKUP_DATABASE") \\"notes\\""',
    "check": "cat >/dev/null",
    "restore": 'mkdir -p "$BACKUP_LIVE"; cat >"$BACKUP_LIVE/$BACKUP_DATABASE"',
    "databases": 'echo "$BACKUP_LIVE"; ls "$BACKUP_LIVE"',
    "room": "echo '@free 1000000'",
    "swap": 'cd "$BACKUP_LIVE" && ln notes "$BACKUP_OLD" && mv "$BACKUP_NEW" notes',
    "drop": 'rm -f "$BACKUP_LIVE/$BACKUP_DATABASE"',
}


def test_an_engine_that_the_repository_brings_and_a_folder_of_the_host_are_backed_up_and_restored(world: World) -> None:
    model = {
        "services": {
            "web": {
                "image": "rig/busybox:1",
                "command": ["sleep", "1d"],
                "init": True,
                "volumes": ["./files:/srv/files", "notes:/srv/notes"],
            }
        },
        "volumes": {"notes": {}},
    }
    backups = {
        "files": {"volume": {"service": "web", "path": "/srv/files", "stop": True}},
        "own": {"engine": {"name": "notes", "service": "web", "database": "/srv/notes"}},
    }
    scripts = {f"hooks/notes/{name}": f"set -eu\n{text}\n" for name, text in OWN.items()}
    name, data = world.name("shop"), world.root / "data" / world.name("shop") / "files"
    with world.daemon():
        world.await_ready("shop", world.commit({**world.compose("shop", model, {"backups": backups}), **scripts}))
        (data / "kept").write_text("kept")
        world.execute(world.container("shop", "web")["Id"], "sh", "-c", "echo one >/srv/notes/notes")
        done = world.cli("backup", "run", name)
        assert done.returncode == 0, done.stderr
        found = {entry["backup"]: entry for entry in json.loads(world.cli("backup", "list", name, "-o", "json").stdout)}
        assert {entry["level"] for entry in found.values()} == {"L3"}
        (data / "kept").unlink()
        web = world.container("shop", "web")["Id"]
        world.execute(web, "sh", "-c", "echo two >>/srv/notes/notes")
        for entry in found.values():
            done = world.cli("backup", "restore", name, entry["name"], "--yes")
            assert done.returncode == 0, done.stderr
        assert (data / "kept").read_text() == "kept"
        assert world.execute(web, "cat", "/srv/notes/notes") == "one"
        eventually(lambda: world.status("shop").get("health") == "Healthy")
        assert world.container("shop", "web")["Id"] == web
        world.commit({"hooks/notes/swap": None})
        eventually(lambda: "hooks/notes/swap" in world.cli("get", name, "-o", "wide").stdout)
