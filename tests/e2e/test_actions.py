"""Commands that people run in what a stack runs, on the real engine."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.planning.dotenv import read_dotenv
from tests.e2e.models import LIVE, PROMPT, service, stack
from tests.e2e.starting import Started
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine


def test_an_action_runs_beside_the_daemon_and_one_that_hangs_leaves_nothing_behind(host: World) -> None:
    name = f"act{uuid.uuid4().hex[:4]}"
    actions = {
        "link": {
            "service": "web",
            "command": ["sh", "-c", "echo https://x/?t=$TOKEN-$OWN"],
            "validFor": "5m",
            "variables": ["TOKEN"],
        },
        "hang": {"service": "web", "command": ["sh", "-c", "echo begun; sleep 4711"], "timeout": "1s"},
    }
    host.write_environment(name, "TOKEN=s3cr3t-t0k3n\n")
    commit = host.commit(host.compose(name, stack(web=service(environment={"OWN": "1"})), {"actions": actions}))
    host.await_ready(name, commit)
    done = host.cli("action", host.name(name), "link")
    assert (done.returncode, done.stdout) == (0, "https://x/?t=s3cr3t-t0k3n-1\n"), done.stderr
    assert done.stderr.startswith("valid until ")
    hung = host.cli("action", host.name(name), "hang")
    assert (hung.returncode, hung.stdout) == (3, "begun\n"), hung.stderr
    assert "4711" not in host.docker("top", host.container(name, "web")["Id"])
    told = [event.message for event in host.told(name, "ActionStarted", "ActionEnded", "ActionFailed")]
    assert len(told) == 4
    assert "s3cr3t" not in json.dumps(told)


OLD = "of-old-Zr4mPq9Lw2"
SAMPLE = Path(__file__).parents[2] / "desired_state/upsignon/stack.yaml"


def change() -> dict[str, Any]:
    """The sample's own action, which then waits until it may end."""
    found: dict[str, Any] = yaml.safe_load(SAMPLE.read_text())["actions"]["change-db-password"]
    found["command"][-1] += "touch /tmp/changed; until [ -e /tmp/go ]; do sleep 0.1; done\n"
    return found


def shop_with_a_database() -> dict[str, Any]:
    """``web`` is healthy when it can log in."""
    login = 'PGPASSWORD="$$DB_PASS" psql -Xqw -h postgres -U shop -d shop -c ""'
    client = {
        "image": "rig/postgres:15",
        "entrypoint": ["sh", "-c", LIVE],
        "environment": {"DB_PASS": "${DB_PASSWORD}"},
        "healthcheck": {"test": ["CMD-SHELL", login], "interval": "1m", "timeout": "5s", **PROMPT},
        "depends_on": {"postgres": {"condition": "service_healthy"}},
    }
    ready = "pg_isready -q -h 127.0.0.1 -U shop -d shop"
    database = {
        "image": "rig/postgres:15",
        "command": ["-c", "fsync=off"],
        "environment": {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": "${DB_PASSWORD}", "POSTGRES_DB": "shop"},
        "volumes": ["rows:/var/lib/postgresql/data"],
        "healthcheck": {"test": ["CMD-SHELL", ready], "interval": "1m", "timeout": "5s", **PROMPT},
    }
    return {**stack(web=client, postgres=database), "volumes": {"rows": {}}}


def lets_in(host: World, name: str, password: str) -> bool:
    asked = ("psql", "-Xqw", "-h", "postgres", "-U", "shop", "-d", "shop", "-c", "")
    web = host.containers(name, "web")[-1]["Id"]
    found = host.engine.api.exec_create(web, asked, environment={"PGPASSWORD": password})["Id"]
    host.engine.api.exec_start(found)
    return bool(host.engine.api.exec_inspect(found)["ExitCode"] == 0)


def test_a_database_password_is_changed_in_the_database_and_in_the_file_and_killed_in_the_middle_it_goes_on(
    host: World,
) -> None:
    name = f"pw{uuid.uuid4().hex[:4]}"
    text = f"# by Ann\nDB_PASSWORD={OLD}\n# the end\n"
    host.write_environment(name, text)
    env = host.root / "env" / f"{host.name(name)}.env"
    settings = {"actions": {"change": change()}, "env": {"immutable": ["DB_PASSWORD"]}, "rollout": {"soak": "0s"}}
    commit = host.commit(host.compose(name, shop_with_a_database(), settings))
    host.await_ready(name, commit)
    before = host.running(name)
    assert (lets_in(host, name, OLD), lets_in(host, name, "anything")) == (True, False)
    # Killed when the database had taken it, and nobody was told.
    out = host.home / "killed"
    words = ("--root", str(host.root), "action", host.name(name), "change")
    killed = Started(words, dict(os.environ), out, out)
    database = host.container(name, "postgres")["Id"]
    eventually(
        lambda: host.engine.api.exec_inspect(_asked(host, database, "test", "-e", "/tmp/changed"))["ExitCode"] == 0
    )
    killed.kill()
    message = host.await_failure(name, "RenewalCutShort")["message"]
    assert f"reconciler action {host.name(name)} change" in message
    pending = host.root / "env" / f"{host.name(name)}.renewal.json"
    new = json.loads(pending.read_text())["value"]
    assert pending.stat().st_mode & 0o777 == 0o600
    assert (lets_in(host, name, OLD), lets_in(host, name, new)) == (False, True)
    assert (env.read_text(), host.running(name)) == (text, before)
    # The same command goes on, with the same value, and the daemon rolls what uses it.
    host.execute(database, "touch", "/tmp/go")
    done = host.cli("action", host.name(name), "change")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert env.read_text() == text.replace(OLD, new)
    assert not pending.exists()
    eventually(lambda: host.status(name)["release"] == 2)
    host.await_ready(name, commit)
    web = host.container(name, "web")
    assert f"DB_PASS={new}" in web["Config"]["Env"]
    assert (lets_in(host, name, OLD), lets_in(host, name, new)) == (False, True)
    # It is what may not change from now on, and the first release is none to go back to.
    env.write_text(text)
    host.await_failure(name, "InvalidConfiguration")
    assert f"reconciler action {host.name(name)} change" in host.message(name)
    assert "made before DB_PASSWORD was renewed" in host.cli("rollback", host.name(name)).stderr
    env.write_text(text.replace(OLD, new))
    host.await_ready(name, commit)
    assert host.container(name, "web")["Id"] == web["Id"]
    assert read_dotenv(env.read_bytes(), "f").values == {"DB_PASSWORD": new}
    held = b"".join(file.read_bytes() for file in (host.root / "state").glob("state.db*"))
    told = json.dumps(host.events()) + done.stderr + out.read_text() + host.logs()
    assert not any(value in told or value.encode() in held for value in (OLD, new))


def _asked(host: World, container: str, *words: str) -> str:
    found: str = host.engine.api.exec_create(container, words)["Id"]
    host.engine.api.exec_start(found)
    return found
