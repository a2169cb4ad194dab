"""The whole story of data on a real engine and PostgreSQL: a migration that fails half-way ends with the old release serving the
old data, wherever it was killed; and a person can go back to the data from before a release.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.models import PROMPT
from tests.e2e.test_hooks import Diary, script
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

PSQL = "/usr/lib/postgresql/15/bin/psql -XAtq -v ON_ERROR_STOP=1 -h db -U keeper shop"
WORKS = "CREATE TABLE added_{number} AS SELECT 1 AS a; COMMIT"
HARMS = "DELETE FROM orders WHERE id > 2; ALTER TABLE orders ADD half_way int; COMMIT"
FAILS = f"{HARMS}; SELECT 1 / 0"


class Shop:
    """A database, and an application whose image has psql: each release of it migrates."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = world.name("shop")
        self.diary = Diary(world)

    def release(self, number: int, migration: str, **web: Any) -> str:
        """``migration``: SQL, run by the new image before the release."""
        settings = {"POSTGRES_USER": "keeper", "POSTGRES_PASSWORD": "secret-4711", "POSTGRES_DB": "shop"}
        check = ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "keeper", "-d", "shop"]
        model = {
            "services": {
                "db": {
                    "image": "rig/postgres:15",
                    "environment": settings,
                    "volumes": ["pgdata:/var/lib/postgresql/data"],
                    "healthcheck": {"test": check, "interval": "1m", **PROMPT},
                },
                "web": {
                    "image": f"rig/app:{number}",
                    "command": ["sleep", "1d"],
                    "init": True,
                    "environment": {"PGPASSWORD": "secret-4711"},
                    "depends_on": {"db": {"condition": "service_healthy"}},
                    **web,
                },
            },
            "volumes": {"pgdata": {}},
        }
        words = ["sh", "-c", f'{PSQL} -c "BEGIN; {migration.format(number=number)}"']
        migrate = {
            "name": "20-migrate",
            "on": ["release"],
            "run": {"service": "web", "command": words},
            "changesData": True,
        }
        hooks = {
            "preSync": [{"name": "10-dump", "on": ["release", "rollback"], "backup": "db"}, migrate],
            "syncFail": [script("note")],
            "postBackup": [script("note")],
            "postRestore": [script("note")],
        }
        backups = {"db": {"postgres": {"service": "db", "database": "shop"}}}
        manifest = {"hooks": hooks, "backups": backups, "rollout": {"soak": "0s", "timeout": "20s"}}
        self.world.write("hooks/note", self.diary.script()).chmod(0o755)
        return self.world.commit(dict(self.world.compose("shop", model, manifest)))

    def sql(self, text: str) -> str:
        container = self.world.container("shop", "db")["Id"]
        return self.world.execute(container, "psql", "-XAtq", "-U", "keeper", "-d", "shop", "-c", text).strip()

    def rows(self) -> str:
        return self.sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM orders")

    def is_half_way(self) -> bool:
        return bool(
            self.sql("SELECT attname FROM pg_attribute WHERE attname = 'half_way' AND attrelid = 'orders'::regclass")
        )

    def web(self) -> str:
        (found,) = [c for c in self.world.containers("shop", "web") if c["State"]["Status"] == "running"]
        return f"{found['Config']['Image']} {found['Id']}"

    def backups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.world.cli("backup", "list", self.name, "-o", "json").stdout)
        return found

    def migrations(self, release: int) -> list[dict[str, Any]]:
        ran = [hook for found in self.world.passes("shop") for hook in found["hooks"]]
        return [hook for hook in ran if hook["name"] == "20-migrate" and hook["release"] == release]

    def is_restored(self) -> bool:
        with self.world.journal() as journal:
            assert journal is not None
            return journal.data.data_change(self.name) is None and journal.open_pass(self.name) is None


def test_a_failing_migration_ends_on_the_old_data_and_a_rollback_can_go_back_to_them(world: World) -> None:
    shop = Shop(world)
    daemon = world.start_daemon()
    world.await_ready("shop", shop.release(1, WORKS))
    shop.sql("CREATE TABLE orders AS SELECT generate_series(1, 5) AS id")
    serving = shop.web()

    # A migration that fails half-way, with what it did committed.
    shop.release(2, FAILS)
    world.await_failure("shop", "HookFailed")
    eventually(shop.is_restored)
    assert (shop.rows(), shop.is_half_way(), shop.web()) == ("1 2 3 4 5", False, serving)
    message = world.message("shop")
    assert "division by zero" in message
    assert "Release 1 serves as before, on the data of db-" in message
    undone = next(found for found in world.passes("shop") if found["goal"] == "undo")
    assert any(step["text"].startswith("restore the data of db-") for step in undone["steps"])
    (before,) = [backup for backup in shop.backups() if backup["precedes"] == [2]]
    assert (before["state"], before["release"], before["name"] in message) == ("verified", 1, True)
    told = [event.reason for event in world.told("shop", "BackupMade", "HookFailed", "Restored")]
    assert told[-3:] == ["BackupMade", "HookFailed", "Restored"]
    (migration,) = shop.migrations(2)
    assert (migration["state"], migration["exitCode"]) == ("failed", 1)
    assert [line.split()[0] for line in shop.diary.lines[-3:]] == ["postBackup", "postRestore", "syncFail"]

    # A release that is never healthy, killed after its migration: the data are restored all the same, and it ran once.
    shop.release(3, HARMS, healthcheck={"test": ["CMD", "false"], "interval": "100ms", "retries": 1})
    eventually(lambda: shop.migrations(3) and shop.migrations(3)[0]["endedAt"])
    daemon.kill()
    assert shop.is_half_way()
    daemon = world.start_daemon()
    eventually(lambda: world.releases("shop")[0]["quarantined"] and shop.is_restored())
    assert (shop.rows(), shop.is_half_way(), shop.web()) == ("1 2 3 4 5", False, serving)
    (migration,) = shop.migrations(3)
    assert (migration["state"], migration["exitCode"]) == ("done", 0)

    # One that works, and a person who wants to go back to the data from before it.
    world.await_ready("shop", shop.release(3, WORKS))
    shop.sql("INSERT INTO orders VALUES (6)")
    assert shop.sql("SELECT to_regclass('added_3')") == "added_3"
    refused = world.cli("rollback", shop.name, "--restore-db")
    assert refused.returncode == 1
    assert "public.orders +1" in refused.stderr
    assert "--force" in refused.stderr
    done = world.cli("rollback", shop.name, "--restore-db", "--force", "--wait")
    assert done.returncode == 0, done.stderr
    assert shop.rows() == "1 2 3 4 5"
    assert shop.sql("SELECT to_regclass('added_3')") == ""
    assert shop.web().startswith("rig/app:1 ")
    kept = [name for name in shop.sql("SELECT datname FROM pg_database").split() if "_before_" in name]
    assert len(kept) == 1
    assert world.cli("backup", "restore", shop.name, "--before", "9").returncode == 2
    assert daemon.terminate() == 0


def test_a_failing_migration_of_a_mariadb_and_of_files_leaves_both_as_they_were(world: World) -> None:
    """Two engines at once, through the same two steps of a plan."""
    check = ["CMD-SHELL", 'MYSQL_PWD="$$MARIADB_ROOT_PASSWORD" mariadb -h 127.0.0.1 -e "DO 0"']

    def release(number: int) -> str:
        on = ["release", "config"]
        database = {
            "image": "rig/mariadb:10.11",
            "environment": {"MARIADB_ROOT_PASSWORD": "secret", "MARIADB_DATABASE": "shop"},
            "volumes": ["database:/var/lib/mysql"],
            "healthcheck": {"test": check, "interval": "1m", **PROMPT},
        }
        web = {
            "image": "rig/busybox:1",
            "command": ["sleep", "1d"],
            "init": True,
            "volumes": ["files:/srv/files"],
            "environment": {"VERSION": str(number)},
            "depends_on": {"db": {"condition": "service_healthy"}},
        }
        model = {"services": {"db": database, "web": web}, "volumes": {"database": {}, "files": {}}}
        harm = 'MYSQL_PWD=secret mariadb shop -e "DROP TABLE orders; CREATE TABLE half_way (id int)"'
        hooks = {
            "preSync": [
                {"name": "10-rows", "on": on, "backup": "rows"},
                {"name": "10-scans", "on": on, "backup": "scans"},
                {"name": "20-files", "on": on, "exec": exec_in("web", "rm /srv/files/one"), "changesData": True},
                {"name": "30-rows", "on": on, "exec": exec_in("db", f"{harm}; exit 7"), "changesData": True},
            ]
        }
        backups = {
            "rows": {"mariadb": {"service": "db", "database": "shop"}, "every": "1d"},
            "scans": {"volume": {"service": "web", "path": "/srv/files"}, "every": "1d"},
        }
        manifest = {"hooks": hooks, "backups": backups, "rollout": {"soak": "0s", "timeout": "60s"}}
        return world.commit(world.compose("shop", model, manifest))

    def exec_in(service: str, text: str) -> dict[str, Any]:
        return {"service": service, "command": ["sh", "-c", text]}

    def rows(text: str) -> str:
        found = world.container("shop", "db")["Id"]
        return world.execute(found, "sh", "-c", f'MYSQL_PWD=secret mariadb -N shop -e "{text}"')

    with world.daemon():
        world.await_ready("shop", release(1))
        rows("CREATE TABLE orders AS SELECT 4711 AS id")
        world.execute(world.container("shop", "web")["Id"], "sh", "-c", "echo scanned >/srv/files/one")
        before = world.running("shop")
        release(2)
        world.await_failure("shop", "HookFailed")
        eventually(lambda: "Release 1 serves as before, on the data of" in world.message("shop"))
        assert (rows("SHOW TABLES"), rows("SELECT * FROM orders")) == ("orders", "4711")
        assert world.execute(world.container("shop", "web")["Id"], "cat", "/srv/files/one") == "scanned"
        assert world.ids("shop").keys() == before.keys()
        restored = [event.message for event in world.told("shop", "Restored")]
        assert sorted(message.partition("-")[0] for message in restored) == ["rows", "scans"]
