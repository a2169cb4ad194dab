"""From an empty machine: a person answers what init asks, and an hour's work later the sample stack serves.

The same with flags is what docs/first-hour.md says, which tests/e2e/test_docs.py types.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import yaml

from reconciler.certs.probing import fingerprint_at
from tests.certificates import Authority
from tests.e2e.git_servers import ssh_server
from tests.e2e.terminal import Terminal
from tests.e2e.world import RECONCILER, World
from tests.free_ports import free_port

pytestmark = pytest.mark.engine

SAMPLE = Path(__file__).parents[2] / "desired_state" / "upsignon"
# What the rig has instead of what is published; all that a person would leave out.
OF_THE_RIG = """
TRAEFIK_IMAGE=rig/traefik:3
SERVER_IMAGE=rig/app:1
DASHBOARD_IMAGE=rig/app:1
POSTGRES_IMAGE=rig/postgres:15
SERVER_HEALTHCHECK=healthcheck
DASHBOARD_HEALTHCHECK=healthcheck
ADMIN_LINK_COMMAND=add-super-admin
"""
DOMAINS = ("vault.localhost", "dashboard.localhost")
ANSWERS = {
    "DB_USER": "pro",
    "DB_PASSWORD": "",
    "SESSION_SECRET": "",
    "SERVER_DOMAIN": DOMAINS[0],
    "DASHBOARD_DOMAIN": DOMAINS[1],
    "DASHBOARD_URL_PATH_PREFIX": "/dashboard",
    "ACCESS_ALLOWED_IPS": "0.0.0.0/0",
}


def commit_sample(world: World, port: int) -> str:
    """Its name. What is the rig's is in Git."""
    name = world.name("upsignon")
    folder = world.repository / "stacks" / name
    shutil.copytree(SAMPLE, folder)
    manifest = (folder / "stack.yaml").read_text().replace("soak: 5s", "soak: 300ms")
    is_there = "\nenv:" in manifest
    files = "env:\n  files: [stack.env]" if is_there else "env: {files: [stack.env]}"
    manifest = manifest.replace("\nenv:", f"\n{files}", 1) if is_there else f"{manifest}\n{files}\n"
    (folder / "stack.yaml").write_text(manifest)
    (folder / "stack.env").write_text(f"{OF_THE_RIG.lstrip()}HTTPS_PORT={port}\n")
    world.commit(message="The sample stack")
    return name


def test_a_person_who_answers_has_a_stack_that_serves_a_link_and_a_backup(world: World, tmp_path: Path) -> None:
    port = free_port()
    name = commit_sample(world, port)
    issued = Authority(now=time.time()).issue(*DOMAINS)
    (tmp_path / "vault.crt").write_bytes(issued.chain_pem)
    (tmp_path / "vault.key").write_bytes(issued.key_pem)
    shutil.rmtree(world.root)
    begin = [RECONCILER, "init", str(world.root)]
    answers = dict(ANSWERS)
    person = Terminal(begin, {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"})

    person.answer("Git repository", str(tmp_path / "nowhere"))
    person.answer("branch", "")
    person.answer("folder", "stacks")
    person.await_words("there is no repository at")
    person.answer("Git repository", str(world.repository))
    person.answer("branch", "")
    person.answer("folder", "")
    person.await_words("Preflight\n")
    while (asked := person.await_words(r"\n([A-Z_]+)(?: [\[(][^\n]*[\])])?: $|(How\?)")) != "How?":
        person.type(answers.pop(asked))
    person.type("1")
    person.answer("certificate, with its intermediates", str(tmp_path / "vault.crt"))
    person.answer("Its key", str(tmp_path / "vault.key"))
    person.answer("Start now", "y")
    assert person.status() == 0, person.printed

    assert f"db-{name}-" in person.printed
    assert ": verified, L3" in person.printed
    assert f"https://{DOMAINS[1]}/dashboard/superadmin?" in person.printed
    assert world.status("upsignon")["ready"] == "True"
    assert fingerprint_at("127.0.0.1", port, DOMAINS[0]) == issued.fingerprint
    assert set(answers) <= {"DB_PASSWORD", "SESSION_SECRET"}  # those that are generated need not be asked for
    kept = (world.root / "env" / f"{name}.env").read_text()
    secrets = [line.partition("=")[2] for line in kept.splitlines() if line.startswith(("DB_PASSWORD", "SESSION"))]
    assert len(secrets) == 2
    assert not any(secret in person.printed for secret in secrets)

    again = world.cli("init", "--yes", "--start")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "made " not in again.stdout
    assert (world.root / "env" / f"{name}.env").read_text() == kept
    (listed,) = json.loads(world.cli("backup", "list", name, "-o", "json").stdout)
    assert listed["level"] == "L3"


def test_what_a_private_repository_asks_for_is_asked_of_the_person_and_kept(world: World, tmp_path: Path) -> None:
    world.commit(world.compose("web", {"services": {"web": {"image": "rig/busybox:1"}}}))
    shutil.rmtree(world.root)
    with ssh_server(tmp_path / "sshd") as server:
        person = Terminal([RECONCILER, "init", str(world.root)], {**os.environ, "NO_COLOR": "1", "HOME": str(tmp_path)})
        person.answer("Git repository", server.url(world.repository))
        person.answer("branch", "")
        person.answer("folder", "stacks")
        person.await_words("It says that it is:\n\n256 SHA256:")
        person.answer("Is that what its operator publishes", "y")
        person.answer("private key", "")
        server.authorized_keys.write_text(person.await_words(r"(ssh-ed25519 \S+ reconciler)\n"))
        person.answer("Is it there", "")
        person.await_words(r"read   [0-9a-f]{9} \(change\)\n")
        person.answer("Start now", "n")
        assert person.status() == 0, person.printed
        source = yaml.safe_load((world.root / "host.yaml").read_text())["source"]
        assert source["sshKey"] == str(world.root / "env/deploy_key")
        assert source["knownHosts"] == str(world.root / "env/known_hosts")
        assert Path(source["sshKey"]).stat().st_mode & 0o777 == 0o600
        assert world.cli("diff").returncode == 1
