"""A project as people brought it up before: by hand, with plain ``docker compose up -d``, fixed names, ``latest`` tags, a
published database port, folders beside its Compose file, and a line in cron.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reconciler.adapters.compose import find
from reconciler.certs.probing import fingerprint_at
from tests.certificates import Authority, Issued
from tests.e2e.world import World, eventually
from tests.free_ports import free_port

HERE = "127.0.0.1"
DOMAIN = "server.example.com"
DATABASE = {"DB_HOST": "postgres", "DB_USER": "${DB_USER}", "DB_PASS": "${DB_PASSWORD}", "DB_NAME": "pro"}
ENV = """\
# PostgreSQL
DB_USER=pro
DB_PASSWORD=p4ss'w0rd$$
DB_BACKUP_FREQUENCY=1d
MAX_DB_BACKUPS=7
DB_BACKUPS_PATH=./backup
SESSION_SECRET=0123456789abcdef # made by the old script
SERVER_DOMAIN=server.example.com
DASHBOARD_DOMAIN=dashboard.example.com
DASHBOARD_URL_PATH_PREFIX=/
ACCESS_ALLOWED_IPS="0.0.0.0/0,::/0"
HTTP_PROXY=''
SMTP_HOST=
"""


@dataclass(frozen=True)
class OldProject:
    world: World
    folder: Path
    tls_port: int
    database_port: int
    issued: Issued

    @property
    def name(self) -> str:
        """Of its Compose project: that of the folder."""
        return self.folder.name

    def up(self) -> None:
        compose = find.usable(os.environ)[0]
        words = (*compose.command, "--ansi=never", "up", "-d")
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        eventually(lambda: self.answer("/"), lambda seen: "rows" in seen)

    def fixed_name(self, service: str) -> str:
        return f"uso-{self.world.suffix}.{service}"

    def state(self) -> dict[str, tuple[str, str, str]]:
        """By service: name, state and restart policy of the containers, whose ids never change."""
        found = self.world.containers(self.name.removesuffix(f"-{self.world.suffix}"))
        return {
            one["Config"]["Labels"]["com.docker.compose.service"]: (
                one["Name"].removeprefix("/"),
                one["State"]["Status"],
                one["HostConfig"]["RestartPolicy"]["Name"],
            )
            for one in found
        }

    def answer(self, path: str, method: str = "GET") -> str:
        """Through the proxy, whichever stands there; "" where nobody answers."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with contextlib.suppress(OSError, http.client.HTTPException):
            plain = socket.create_connection((HERE, self.tls_port), timeout=5)
            with plain, context.wrap_socket(plain, server_hostname=DOMAIN) as tls:
                tls.sendall(f"{method} {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
                answer = http.client.HTTPResponse(tls)
                answer.begin()
                return answer.read().decode() if answer.status == 200 else ""
        return ""

    def fingerprint(self) -> str | None:
        return fingerprint_at(HERE, self.tls_port, DOMAIN)

    def dump(self, container: str) -> str:
        """All that is in the database, as text that is the same for the same content."""
        said = self.world.execute(container, "pg_dump", "-U", "pro", "-d", "pro")
        return "\n".join(
            line for line in said.splitlines() if "restrict" not in line
        )  # a mark that each dump draws anew


def old_project(world: World) -> OldProject:
    """Written, not brought up yet."""
    name = world.name("old")
    folder = world.home / name
    issued = Authority(now=time.time()).issue(DOMAIN)
    old = OldProject(world, folder, free_port(), free_port(), issued)
    for part in ("certs", "backup", "letsencrypt"):
        (folder / part).mkdir(parents=True)
    (folder / "certs" / "site.crt").write_bytes(issued.chain_pem)
    (folder / "certs" / "site.key").write_bytes(issued.key_pem)
    pair = {"certFile": "/certs/site.crt", "keyFile": "/certs/site.key"}
    (folder / "certs" / "tls.yml").write_text(yaml.safe_dump({"tls": {"certificates": [pair]}}))
    (folder / "backup" / "2026-01-01-01-00-00.dump").write_bytes(b"PGDMP of last year")
    (folder / ".env").write_text(ENV)
    for image, of in (("postgres", "rig/postgres:15"), ("app", "rig/app:1"), ("traefik", "rig/traefik:3")):
        world.docker("tag", of, f"old-{world.suffix}/{image}:latest")
    (folder / "docker-compose.yml").write_text(yaml.safe_dump(_model(old)))
    git(folder, "init", "--quiet")
    git(folder, "add", "docker-compose.yml")
    git(folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "-m", "old")
    with (folder / "docker-compose.yml").open("a") as file:
        file.write("# port opened for the accountant\n")
    return old


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def _model(old: OldProject) -> dict[str, Any]:
    images = f"old-{old.world.suffix}"
    prompt = {"restart": "always", "stop_grace_period": "1s"}
    postgres = {
        "image": f"{images}/postgres:latest",
        "environment": {"POSTGRES_USER": "${DB_USER}", "POSTGRES_PASSWORD": "${DB_PASSWORD}", "POSTGRES_DB": "pro"},
        "volumes": ["pgdata:/var/lib/postgresql/data"],
        "ports": [f"{HERE}:{old.database_port}:5432"],
        **prompt,
        "stop_grace_period": "30s",
    }
    dumper = {
        "image": f"{images}/postgres:latest",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 1d & wait"],
        "volumes": ["${DB_BACKUPS_PATH}:/backup"],
        "depends_on": ["postgres"],
        "stop_grace_period": "0s",
    }
    server = {
        "image": f"{images}/app:latest",
        "environment": {**DATABASE, "PRO_SERVER_PORT": 3000},
        "labels": {
            "traefik.enable": "true",
            "traefik.http.routers.server.rule": "Host(`${SERVER_DOMAIN}`)",
            "traefik.http.routers.server.entrypoints": "websecure",
            "traefik.http.routers.server.tls": "true",
            "traefik.http.services.server.loadbalancer.server.port": "3000",
        },
        "depends_on": ["postgres"],
        **prompt,
    }
    traefik = {
        "image": f"{images}/traefik:latest",
        "command": [
            "--providers.docker=true",
            "--providers.docker.exposedbydefault=false",
            f"--providers.docker.constraints=Label(`com.docker.compose.project`,`{old.name}`)",
            "--entrypoints.websecure.address=:443",
            "--providers.file.directory=/certs",
        ],
        "ports": [f"{old.tls_port}:443"],
        "volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro", "./certs:/certs", "./letsencrypt:/letsencrypt"],
        "depends_on": ["postgres", "server"],
        **prompt,
    }
    services: dict[str, dict[str, Any]] = {
        "postgres": postgres,
        "pg_backup": dumper,
        "server": server,
        "traefik": traefik,
    }
    named = {service: {**own, "container_name": old.fixed_name(service)} for service, own in services.items()}
    return {"services": named, "volumes": {"pgdata": {}}}
