"""Backups of a real PostgreSQL: what is proven, what is found out at which level, and what is never touched."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from reconciler.backup.engines import Engine, scripts_of
from reconciler.backup.store import Store
from reconciler.model.backup import Level
from reconciler.model.errors import WaitingError
from tests.e2e.backing import Backing
from tests.e2e.models import PROMPT
from tests.e2e.world import RECONCILER, World, eventually

pytestmark = pytest.mark.engine

LABEL = "io.reconciler.backup"
DATA = """
CREATE SCHEMA "odd one";
CREATE TYPE mood AS ENUM ('fine', 'not so fine');
CREATE TYPE place AS (x int, y int);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE everything (
    id bigserial PRIMARY KEY, small smallint, n numeric(20, 5), d double precision, t text, c char(5), b bytea, f bool,
    at timestamptz, day date, clock time, gap interval, u uuid, j json, jb jsonb, a int[], m mood, p place, pos positive,
    ip inet, mac macaddr, bits bit(4), r int4range, pt point, v tsvector, x xml, cash money,
    twice int GENERATED ALWAYS AS (small * 2) STORED
);
INSERT INTO everything (small, n, d, t, c, b, f, at, day, clock, gap, u, j, jb, a, m, p, pos, ip, mac, bits, r, pt, v, x, cash)
SELECT i % 100, i / 7.0, sqrt(i), 'Grüße ' || E'\\t\\n\\\\' || i, 'ab', decode(md5(i::text), 'hex'), i % 2 = 0,
       '2026-03-29 01:59:59+01'::timestamptz + i * interval '1 hour', date '2026-01-01' + i, '12:30', i * interval '1 day',
       md5(i::text)::uuid, '{"a":  1}', jsonb_build_object('i', i), ARRAY[i, NULL, 3], 'not so fine', ROW(i, -i)::place, i, '10.0.0.1/8',
       '08:00:2b:01:02:03', B'1010', int4range(i, i + 5), point(i, 1.5), to_tsvector('simple', 'cat ' || i), '<a>ü</a>', 12.5
  FROM generate_series(1, 3000) i;
CREATE TABLE "odd one"."a ""table"" 'x'" (id int PRIMARY KEY REFERENCES everything (id) DEFERRABLE, "weird col" text);
INSERT INTO "odd one"."a ""table"" 'x'" SELECT i, NULL FROM generate_series(1, 7) i;
CREATE TABLE parts (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT i, i FROM generate_series(1, 25) i;
CREATE INDEX ON everything USING gin (jb);
CREATE VIEW seen AS SELECT id, t FROM everything WHERE f;
CREATE MATERIALIZED VIEW counted AS SELECT f, count(*) FROM everything GROUP BY f;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON everything FOR EACH ROW EXECUTE FUNCTION touch();
COMMENT ON TABLE everything IS 'all of it';
SELECT lo_from_bytea(4711, decode(repeat('deadbeef', 5000), 'hex'));
SELECT lo_from_bytea(4712, '\\x');
"""


class Shop:
    """A stack with a database of every common type, and a daemon that backs it up."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = world.name("shop")
        self.folder = world.root / "backups" / self.name

    def declare(self, **plan: Any) -> str:
        """Commit what is backed up, beside the database itself."""
        own = {"postgres": {"service": "db", "database": "shop"}, "every": "1d", "keep": {"last": 20}, **plan}
        model = {
            "services": {
                "db": {
                    "image": "rig/postgres:15",
                    "environment": {
                        "POSTGRES_USER": "keeper",
                        "POSTGRES_PASSWORD": "pa$$$$word",
                        "POSTGRES_DB": "shop",
                    },
                    "volumes": ["pgdata:/var/lib/postgresql/data"],
                    "healthcheck": {
                        "test": ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "keeper", "-d", "shop"],
                        "interval": "1m",
                        **PROMPT,
                    },
                },
                "web": {"image": "rig/busybox:1", "command": ["sleep", "1d"], "depends_on": ["db"], "init": True},
            },
            "volumes": {"pgdata": {}},
        }
        return self.world.commit(self.world.compose("shop", model, {"backups": {"db": own}}))

    def sql(self, text: str, database: str = "shop") -> str:
        done = subprocess.run(
            [
                "docker",
                "exec",
                "-i",
                self.container,
                "psql",
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "keeper",
                database,
            ],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def fill_anew(self) -> None:
        """With DATA alone, whatever there was."""
        self.sql('DROP SCHEMA public CASCADE; DROP SCHEMA "odd one" CASCADE; CREATE SCHEMA public;')
        self.sql("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        self.sql(DATA)

    @property
    def container(self) -> str:
        return str(self.world.container("shop", "db")["Id"])

    def dumped(self) -> str:
        """The live database as plain SQL, without the token that newer dumps draw by lot."""
        text = self.world.execute(self.container, "pg_dump", "-U", "keeper", "shop")
        return "\n".join(line for line in text.splitlines() if "restrict" not in line)

    def answers(self) -> bool:
        words = ["docker", "exec", self.container, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "keeper", "-d", "shop"]
        return subprocess.run(words, check=False).returncode == 0

    def backups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.world.cli("backup", "list", self.name, "-o", "json").stdout)
        return found

    def run(self) -> subprocess.CompletedProcess[str]:
        return self.world.cli("backup", "run", self.name)

    def good(self) -> dict[str, Any]:
        """A backup of now, that is verified."""
        done = self.run()
        assert done.returncode == 0, done.stderr
        return self.backups()[0]

    def sound(self) -> dict[str, Any]:
        """One that is verified and holds all that DATA wrote: made by whichever scenario came before."""
        found = (backup for backup in self.backups() if backup["state"] == "verified")
        return next(backup for backup in found if backup["rows"].get("public.everything") == 3000)

    def now(self, backup: dict[str, Any]) -> dict[str, Any]:
        """What is known of it by now."""
        return next(found for found in self.backups() if found["name"] == backup["name"])

    def found_at(self, backup: dict[str, Any]) -> tuple[str, str]:
        """The level that a backup, which must be bad, fails at, and what is said of it."""
        assert self.world.cli("backup", "verify", self.name, backup["name"]).returncode == 1
        found = self.now(backup)
        assert (found["level"], found["state"]) == ("L0", "failed")
        return found["problems"][0]["level"], found["problems"][0]["problem"]

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def throwaways(self) -> str:
        with self.world.journal() as journal:
            assert journal is not None
            return self.world.docker("ps", "-aq", "--filter", f"label={LABEL}={journal.root_id()}")

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """A lock that pg_dump waits for: every dump of now is in its middle."""
        words = ["docker", "exec", "-i", self.container, "psql", "-XAtq", "-U", "keeper", "shop"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            session.stdin.write("BEGIN; LOCK TABLE parts IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "locked\n"
            try:
                yield
            finally:
                session.kill()

    def await_middle(self) -> None:
        eventually(lambda: any(name.endswith(".dump.partial") for name in self.files()))


@pytest.fixture(scope="module")
def shop(host: World) -> Shop:
    found = Shop(host)
    host.await_ready("shop", found.declare())
    eventually(lambda: [backup for backup in found.backups() if backup["state"] == "verified"])
    found.sql(DATA)
    found.good()
    return found


def test_a_new_stack_is_backed_up_at_once_and_proven_to_the_rows_of_its_tables(shop: Shop) -> None:
    backup = shop.sound()
    assert (backup["level"], backup["state"], backup["problems"]) == ("L3", "verified", [])
    assert backup["rows"]["public.everything"] == 3000
    assert backup["rows"]['"odd one"."a ""table"" \'x\'"'] == 7
    assert backup["rows"]["large objects"] == 2
    assert (backup["release"], backup["server"][:3]) == (1, "15.")
    assert Path(backup["path"]).stat().st_mode & 0o777 == 0o600
    assert shop.throwaways() == ""
    shown = shop.world.cli("backup", "show", shop.name, backup["name"])
    assert "L3 of L3, verified" in shown.stdout


def test_no_password_is_on_a_command_line_or_in_a_manifest(shop: Shop) -> None:
    with shop.blocked():
        asked = subprocess.Popen([RECONCILER, "--root", str(shop.world.root), "backup", "run", shop.name])
        shop.await_middle()
        lines = [_command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert asked.wait(60) == 0
    assert any("pg_dump" in line for line in lines)
    assert not any("pa$$word" in line for line in lines)
    assert not any("pa$$word" in path.read_text() for path in shop.folder.glob("*.json"))


def _command_line(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "bit-flipped": lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "emptied": lambda content: b"",
}


def test_a_file_that_is_no_longer_what_was_written_is_found_at_the_first_level(shop: Shop) -> None:
    backup, before = shop.sound(), shop.dumped()
    path = Path(backup["path"])
    sound, manifest = path.read_bytes(), path.with_suffix(".json").read_bytes()
    for how, harm in HARMS.items():
        path.write_bytes(harm(sound))
        level, problem = shop.found_at(backup)
        assert (level, "checksum" in problem, "bytes" in problem) == ("L1", how == "bit-flipped", how != "bit-flipped")
    for cut in (0.5, 0.98):  # as a full disk or a broken pipe would have done it: the checksum is right
        content = sound[: int(len(sound) * cut)]
        told = json.loads(manifest) | {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        path.write_bytes(content)
        path.with_suffix(".json").write_text(json.dumps(told))
        assert shop.found_at(backup)[0] == "L1"
    path.write_bytes(sound)
    path.with_suffix(".json").write_bytes(manifest)
    assert shop.world.cli("backup", "verify", shop.name, backup["name"]).returncode == 0
    assert shop.dumped() == before


def test_rows_that_are_missing_after_the_restore_are_found_at_the_last_level(shop: Shop) -> None:
    backup = shop.sound()
    path = Path(backup["path"]).with_suffix(".json")
    written = path.read_text()
    manifest = json.loads(written)
    manifest["counts"]["public.everything"] = 3001
    path.write_text(json.dumps(manifest))
    done = shop.world.cli("backup", "verify", shop.name, backup["name"])
    assert done.returncode == 1
    assert "L3: public.everything had 3001 rows and has 3000 after the restore" in done.stderr
    assert shop.now(backup)["level"] == "L2"
    path.write_text(written)
    assert shop.world.cli("backup", "verify", shop.name, backup["name"]).returncode == 0


def test_a_database_that_is_not_there_is_a_failed_backup_and_an_event(shop: Shop) -> None:
    kept = shop.backups()[0]
    files = shop.files()
    shop.world.await_ready("shop", shop.declare(postgres={"service": "db", "database": "nosuch"}))
    done = shop.run()
    assert done.returncode == 1
    assert "L0: psql: error: connection to server" in done.stderr
    assert 'database "nosuch" does not exist' in done.stderr
    assert shop.files() == files
    assert shop.backups()[0]["name"] == kept["name"]
    assert "nosuch" in shop.world.told("shop", "BackupFailed")[-1].message
    shown = shop.world.cli("get")
    assert f"{shop.name}: the backup db failed" in shown.stderr
    status = json.loads(shop.world.cli("get", shop.name, "-o", "json").stdout)[0]
    assert status["lastVerifiedBackup"] == kept["createdAt"]
    assert "nosuch" in status["backupProblem"]
    shop.world.await_ready("shop", shop.declare())
    shop.good()
    status = json.loads(shop.world.cli("get", shop.name, "-o", "json").stdout)[0]
    assert status["backupProblem"] == ""


def test_a_database_that_was_emptied_by_mistake_does_not_push_good_backups_out(shop: Shop) -> None:
    kept = shop.backups()[0]
    shop.sql(
        'CREATE TABLE aside AS TABLE everything; TRUNCATE everything CASCADE; ALTER TABLE aside SET SCHEMA "odd one"'
    )
    shop.sql('DELETE FROM "odd one".aside')
    try:
        done = shop.run()
        assert done.returncode == 1
        assert "L0: it is" in done.stderr
        assert "maxShrinkPercent" in done.stderr
        found = shop.backups()
        assert (found[0]["level"], found[0]["state"]) == ("NONE", "failed")
        assert found[1]["name"] == kept["name"]
        assert shop.world.cli("backup", "verify", shop.name, found[0]["name"]).returncode == 0
        assert shop.backups()[0]["state"] == "verified"
        shop.good()  # what was accepted is what the next one is compared with
    finally:
        shop.fill_anew()


def test_a_server_that_stops_in_the_middle_leaves_no_half_a_dump(shop: Shop) -> None:
    kept = shop.backups()[0]
    files = shop.files()
    before = shop.dumped()
    with shop.blocked():
        words = ["backup", "run", shop.name]
        asked = subprocess.Popen(
            [RECONCILER, "--root", str(shop.world.root), *words], stderr=subprocess.PIPE, text=True
        )
        shop.await_middle()
        shop.world.docker("restart", "-t", "1", shop.container)
        _, said = asked.communicate(timeout=60)
    assert asked.returncode == 1
    assert "L0:" in said
    assert shop.files() == files
    assert shop.backups()[0]["name"] == kept["name"]
    eventually(lambda: shop.world.status("shop").get("health") == "Healthy" and shop.answers())
    assert shop.dumped() == before
    shop.good()


def test_what_was_dropped_is_restored_to_the_last_byte_and_the_database_from_before_is_kept(shop: Shop) -> None:
    backup = shop.sound()
    before = shop.dumped()
    web = shop.world.container("shop", "web")["Id"]
    shop.sql(
        "ALTER DATABASE shop SET statement_timeout TO '1min'; DROP TABLE parts; DELETE FROM everything WHERE id > 1000"
    )
    assert shop.dumped() != before
    done = shop.world.cli("backup", "restore", shop.name, backup["name"], "--yes")
    assert done.returncode == 0, done.stderr
    assert shop.dumped() == before
    assert "statement_timeout=1min" in shop.sql("SELECT setconfig FROM pg_db_role_setting WHERE setrole = 0")
    kept = [name for name in shop.sql("SELECT datname FROM pg_database").split() if "_before_" in name]
    assert len(kept) == 1
    assert kept[0] in done.stdout
    assert shop.sql("SELECT count(*) FROM everything", kept[0]) == "1000"
    safety = shop.backups()[0]
    assert (safety["state"], safety["rows"]["public.everything"]) == ("verified", 1000)
    eventually(lambda: shop.world.status("shop").get("health") == "Healthy")
    assert shop.world.container("shop", "web")["Id"] == web
    done = shop.world.cli("backup", "restore", shop.name, safety["name"], "--yes", "--drop-old")
    assert done.returncode == 0, done.stderr
    assert shop.sql("SELECT count(*) FROM everything") == "1000"
    assert shop.sql("SELECT datname FROM pg_database WHERE datname LIKE 'shop\\_%'") == ""
    shop.fill_anew()


def test_a_restore_into_a_new_database_touches_no_other(shop: Shop) -> None:
    backup = shop.sound()
    before, started = shop.dumped(), shop.world.running("shop")
    done = shop.world.cli("backup", "restore", shop.name, backup["name"], "--into", "look at it")
    assert done.returncode == 0, done.stderr
    try:
        assert shop.sql("SELECT count(*) FROM everything", "look at it") == "3000"
        again = shop.world.cli("backup", "restore", shop.name, backup["name"], "--into", "look at it")
        assert again.returncode == 1
        assert "there is a database look at it already" in again.stderr
        assert shop.sql("SELECT count(*) FROM everything", "look at it") == "3000"
    finally:
        shop.sql('DROP DATABASE "look at it"')
    assert shop.dumped() == before
    assert shop.world.running("shop") == started


def test_a_restore_that_fails_leaves_the_live_database_and_its_users_as_they_were(shop: Shop) -> None:
    backup = shop.sound()
    path = Path(backup["path"])
    before, started = shop.dumped(), shop.world.running("shop")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    done = shop.world.cli("backup", "restore", shop.name, backup["name"], "--yes")
    assert done.returncode == 1
    assert "is not what was written" in done.stderr
    path.write_bytes(whole)
    manifest = path.with_suffix(".json")
    written = manifest.read_text()
    manifest.write_text(written.replace('"public.everything": 3000', '"public.everything": 2999'))
    done = shop.world.cli("backup", "restore", shop.name, backup["name"], "--yes")
    manifest.write_text(written)
    assert done.returncode == 1
    assert "it was restored with other rows" in done.stderr
    assert "other rows" in shop.world.told("shop", "RestoreFailed")[-1].message
    assert shop.dumped() == before
    assert shop.world.running("shop") == started
    assert shop.sql("SELECT datname FROM pg_database WHERE datname LIKE 'shop\\_%'") == ""


def test_nobody_replaces_a_database_without_saying_so(shop: Shop) -> None:
    done = shop.world.cli("backup", "restore", shop.name)
    assert done.returncode == 2
    assert "--yes" in done.stderr


def test_a_full_disk_leaves_no_partial_file_and_the_backups_as_they_were(shop: Shop, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)], check=True)
    try:
        shop.world.write_environment("shop", f"DB_BACKUPS_PATH={small}\n")
        files = shop.files()
        done = shop.run()
        assert done.returncode == 1
        assert "is full" in done.stderr
        assert list(small.iterdir()) == []
        assert shop.files() == files
    finally:
        shop.world.write_environment("shop", "")
        subprocess.run(["umount", "-l", str(small)], check=True)
    shop.good()


def test_what_a_killed_daemon_left_is_swept_and_the_missed_backup_is_made_up_once(world: World) -> None:
    shop = Shop(world)
    daemon = world.start_daemon()
    world.await_ready("shop", shop.declare(every="366d"))
    eventually(lambda: [backup for backup in shop.backups() if backup["state"] == "verified"])
    shop.sql(DATA)
    before = shop.dumped()
    with shop.blocked():
        asked = subprocess.Popen(
            [RECONCILER, "--root", str(world.root), "backup", "run", shop.name], stderr=subprocess.DEVNULL
        )
        shop.await_middle()
        daemon.kill()
        asked.kill()
        asked.wait()
    with world.journal() as journal:
        assert journal is not None
        root_id = journal.root_id()
    words = ("--label", f"{LABEL}={root_id}", "--network", "none", "--entrypoint", "sleep")
    left = world.docker("run", "--detach", *words, "rig/postgres:15", "1d")
    with world.daemon():
        eventually(lambda: shop.throwaways() == "")
        shop.good()
        assert not [name for name in shop.files() if "partial" in name]
        assert left
        assert shop.dumped() == before


def test_a_restore_that_is_killed_while_the_users_are_stopped_ends_with_them_running_on_a_whole_database(
    world: World,
) -> None:
    shop = Shop(world)
    daemon = world.start_daemon()
    world.await_ready("shop", shop.declare(every="366d"))
    shop.sql(DATA)
    backup, before = shop.good(), shop.dumped()
    words = ["backup", "restore", shop.name, backup["name"], "--yes"]
    asked_for = subprocess.Popen([RECONCILER, "--root", str(world.root), *words], stderr=subprocess.DEVNULL)
    eventually(lambda: world.container("shop", "web")["State"]["Status"] != "running")
    daemon.kill()
    asked_for.kill()
    asked_for.wait()
    with world.daemon():
        eventually(lambda: world.container("shop", "web")["State"]["Status"] == "running")
        assert shop.dumped() == before
        done = world.cli(*words)
        assert done.returncode == 0, done.stderr
        assert shop.dumped() == before
        left = shop.sql("SELECT datname FROM pg_database WHERE datname LIKE 'shop\\_%'").split()
        assert len(left) == 1
        assert left[0] in done.stdout


def test_backups_come_as_often_as_the_variable_says_and_no_more_are_kept_than_it_says(world: World) -> None:
    shop = Shop(world)
    world.write_environment("shop", "DB_BACKUP_FREQUENCY=1s\nMAX_DB_BACKUPS=2\nDB_BACKUPS_PATH=./dumps\n")
    shop.folder = world.root / "data" / shop.name / "dumps"
    with world.daemon():
        commit = shop.declare(every="366d", verify="none")
        eventually(lambda: world.status("shop").get("appliedRevision") == commit)
        seen: set[str] = set()

        def seen_by_now() -> int:
            seen.update(backup.name for backup in Store(shop.folder).all(shop.name))
            return len(seen)

        eventually(seen_by_now, lambda count: count > 3)
        assert len({backup["name"] for backup in shop.backups()}) <= 3  # one may just have come
        world.write_environment("shop", "DB_BACKUP_FREQUENCY=soon\nDB_BACKUPS_PATH=./dumps\n")
        eventually(lambda: world.told("shop", "InvalidVariable"))
    assert len(shop.backups()) <= 3
    assert not [name for name in shop.files() if "partial" in name]


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A server of its own, without a stack."""
    engine = docker.from_env()
    settings = {"POSTGRES_USER": "keeper", "POSTGRES_PASSWORD": "x", "POSTGRES_DB": "shop"}
    found = engine.containers.run("rig/postgres:15", detach=True, environment=settings)
    try:
        eventually(lambda: found.exec_run("pg_isready -q -h 127.0.0.1 -U keeper").exit_code == 0)
        yield found
    finally:
        found.remove(force=True, v=True)
        engine.close()


def asked(server: Any, sql: str, database: str = "shop") -> str:
    done = server.exec_run(["psql", "-XAtq", "-U", "keeper", "-d", database, "-c", sql])
    assert done.exit_code == 0, done.output
    return str(done.output.decode().strip())


def test_a_restore_that_runs_out_of_memory_is_found_at_its_level_and_more_of_it_mends_that(
    server: Any, tmp_path: Path
) -> None:
    asked(server, "CREATE TABLE eager AS SELECT 1 AS a")
    asked(server, "ALTER TABLE eager ADD CHECK (length(repeat('x', 200000000)) > a)")
    made = Backing(server, "postgres", "shop", tmp_path, memory="128m").made()
    assert made.backup is not None
    assert made.backup.level is Level.L1
    assert made.finding is not None
    assert made.finding.level is Level.L2
    assert "ran out of memory (128m)" in made.finding.problem
    Backing(server, "postgres", "shop", tmp_path, memory="2g").good()
    asked(server, "DROP TABLE eager")


def test_a_wrong_password_is_a_failed_backup_that_leaves_the_good_one(server: Any, tmp_path: Path) -> None:
    backing = Backing(server, "postgres", "shop", tmp_path)
    kept = backing.good()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    asked(server, "ALTER USER keeper PASSWORD 'another'")
    hba = "/var/lib/postgresql/data/pg_hba.conf"
    change = f"cp {hba} {hba}.kept && sed -i 's/^local.*/local all all scram-sha-256/' {hba} && kill -HUP 1"
    assert server.exec_run(["sh", "-c", change]).exit_code == 0
    try:
        eventually(lambda: server.exec_run("psql -w -U keeper shop -c ''").exit_code != 0)
        made = backing.made()
    finally:
        server.exec_run(["sh", "-c", f"cp {hba}.kept {hba} && kill -HUP 1"])
    eventually(lambda: server.exec_run("psql -w -U keeper shop -c ''").exit_code == 0)
    assert made.backup is None
    assert made.finding is not None
    assert made.finding.level is Level.L0
    assert "password authentication failed" in made.finding.problem
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert backing.proven(kept).level is Level.L3


def test_a_swap_that_fails_leaves_the_live_database_and_starts_its_users_again(server: Any, tmp_path: Path) -> None:
    asked(server, "CREATE TABLE t AS SELECT generate_series(1, 10) AS a")
    backing = Backing(server, "postgres", "shop", tmp_path)
    backup = backing.good()
    asked(server, "DELETE FROM t WHERE a > 4")
    engine = scripts_of("postgres")
    halfway = engine.scripts["swap"].replace("COMMIT;", "SELECT 1 / 0; COMMIT;")
    with pytest.raises(WaitingError, match="division by zero"):
        backing.restored(backup, Engine("postgres", {**engine.scripts, "swap": halfway}))
    assert backing.users.done == ["stop web-id", "stop api-id", "start api-id", "start web-id"]
    assert asked(server, "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1") == "postgres\nshop"
    assert asked(server, "SELECT count(*) FROM t") == "4"
    full = engine.scripts["room"] + "echo '@free 1000'"
    with pytest.raises(WaitingError, match="free some space"):
        backing.restored(backup, Engine("postgres", {**engine.scripts, "room": full}))
    restored = backing.restored(backup)
    assert asked(server, "SELECT count(*) FROM t") == "10"
    assert asked(server, "SELECT count(*) FROM t", restored.old) == "4"
