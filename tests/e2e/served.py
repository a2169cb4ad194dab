"""A stack with Traefik and an app behind it, and who asks it: what is shown for a name, and a load that counts failures."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from reconciler.certs.probing import fingerprint_at
from tests.certificates import Authority, Issued
from tests.e2e.world import World, eventually
from tests.free_ports import free_port

COMPOSE_FILE = Path(__file__).parents[2] / "desired_state" / "upsignon" / "compose.yaml"
STACK = "vault"
HERE = "127.0.0.1"
PAUSE_S = 0.02  # of each client between two requests: as fast as it can, it would only slow down what it watches


def behind_traefik(*domains: str) -> dict[str, Any]:
    """The sample's proxy as it is declared, and an app that answers for ``domains``."""
    proxy = yaml.safe_load(COMPOSE_FILE.read_text())["services"]["traefik"]
    labels = {
        "traefik.enable": "true",
        "traefik.http.routers.app.rule": " || ".join(f"Host(`{domain}`)" for domain in domains),
        "traefik.http.routers.app.entryPoints": "websecure",
        "traefik.http.services.app.loadBalancer.server.port": "3000",
    }
    app = {"image": "rig/app:1", "networks": ["web"], "labels": labels}
    return {"services": {"traefik": proxy, "app": app}, "networks": {"web": {}}}


@dataclass
class Served:
    world: World
    port: int = field(default_factory=free_port)
    ca: Authority = field(default_factory=lambda: Authority(now=time.time()))

    @property
    def certs(self) -> Path:
        return self.world.root / "certs"

    def install(self, *domains: str, manifest: dict[str, Any] | None = None) -> str:
        self.world.write_environment(STACK, f"TRAEFIK_IMAGE=rig/traefik:3\nHTTPS_PORT={self.port}\n")
        return self.world.commit(self.world.compose(STACK, behind_traefik(*domains), manifest))

    def drop(self, name: str, issued: Issued) -> None:
        """As ``cp`` does it, the key first."""
        self.certs.mkdir(exist_ok=True)
        write(self.certs / f"{name}.key", issued.key_pem)
        write(self.certs / f"{name}.crt", issued.chain_pem)

    def remove(self, name: str) -> None:
        for ending in ("crt", "key"):
            (self.certs / f"{name}.{ending}").unlink()

    def shown(self, domain: str) -> str | None:
        return fingerprint_at(HERE, self.port, domain)

    def await_shown(self, domain: str, issued: Issued) -> None:
        eventually(lambda: self.shown(domain), lambda found: found == issued.fingerprint)

    def listed(self, name: str) -> dict[str, Any]:
        """What ``certs list`` says of it; empty if it does not know it."""
        with self.world.journal() as journal:
            records = journal.certificates.certificates() if journal else ()
        return next(
            ({"state": r.state, "message": r.message, "verified_by": r.verified_by} for r in records if r.name == name),
            {},
        )

    def await_state(self, name: str, state: str) -> dict[str, Any]:
        return eventually(lambda: self.listed(name), lambda found: found.get("state") == state)


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.chmod(path, 0o600)


@dataclass
class Load:
    """Requests for ``domain``, counted by kind; what failed is kept in words."""

    port: int
    domain: str
    host: str = HERE
    answered: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    gap_s: float = 0.0  # the longest time in which no request at all was answered
    _last: float = field(default_factory=time.monotonic)
    _is_ending: bool = False  # from then on there are fewer and fewer who ask

    @contextmanager
    def running(self, clients: Sequence[Callable[[Load, threading.Event], None]]) -> Iterator[Load]:
        over = threading.Event()
        threads = [threading.Thread(target=client, args=(self, over), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._is_ending = True
            over.set()
            for thread in threads:
                thread.join(30)

    def count(self, kind: str, status: int) -> None:
        if status == 200:
            now = time.monotonic()
            if not self._is_ending:
                self.gap_s, self._last = max(self.gap_s, now - self._last), now
            self.answered[kind] = self.answered.get(kind, 0) + 1
        else:
            self.failures.append(f"{kind}: answered {status}")

    def fail(self, kind: str, error: Exception) -> None:
        """A moment later the next one is tried, as a browser would."""
        self.failures.append(f"{kind}: {error!r}")
        time.sleep(0.05)


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class _Connection(http.client.HTTPSConnection):
    """By the name of the domain, wherever it is served."""

    def __init__(self, load: Load, context: ssl.SSLContext) -> None:
        super().__init__(load.domain, load.port, timeout=10, context=context)
        self._given = context
        self._served_at = load.host

    def connect(self) -> None:
        import socket

        plain = socket.create_connection((self._served_at, self.port), timeout=10)
        self.sock = self._given.wrap_socket(plain, server_hostname=self.host)


def keep_alive(load: Load, over: threading.Event) -> None:
    context = _trusting()
    connection = _Connection(load, context)
    while not over.wait(PAUSE_S):
        try:
            connection.request("GET", "/version")
            answer = connection.getresponse()
            answer.read()
            load.count("keep-alive", answer.status)
        except (OSError, http.client.HTTPException) as error:
            load.fail("keep-alive", error)
            connection.close()
            connection = _Connection(load, context)
    connection.close()


def new_connections(load: Load, over: threading.Event) -> None:
    context = _trusting()
    while not over.wait(PAUSE_S):
        connection = _Connection(load, context)
        try:
            connection.request("GET", "/version", headers={"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            load.count("new connection", answer.status)
        except (OSError, http.client.HTTPException) as error:
            load.fail("new connection", error)
        finally:
            connection.close()


def ask_version(port: int, domain: str) -> str:
    """Which version of the app answers; "" for none."""
    connection = _Connection(Load(port, domain), _trusting())
    try:
        connection.request("GET", "/version", headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.read().decode().strip() if answer.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def slow(load: Load, over: threading.Event) -> None:
    _one_by_one(load, over, "slow", "/slow?s=2")


def stream(load: Load, over: threading.Event) -> None:
    _one_by_one(load, over, "stream", "/stream?s=3")


def _one_by_one(load: Load, over: threading.Event, kind: str, path: str) -> None:
    """Each on a connection of its own, read to its end."""
    context = _trusting()
    while not over.is_set():
        connection = _Connection(load, context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            load.count(kind, answer.status)
        except (OSError, http.client.HTTPException) as error:
            load.fail(kind, error)
        finally:
            connection.close()


def websocket(load: Load, over: threading.Event) -> None:
    """Read until the server says that it is over."""
    context = _trusting()
    while not over.is_set():
        connection = _Connection(load, context)
        try:
            connection.connect()
            head = f"GET /socket?s=3 HTTP/1.1\r\nHost: {load.domain}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            connection.sock.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n\r\n".encode())
            found = b""
            while more := connection.sock.recv(4096):
                found += more
            is_whole = found.startswith(b"HTTP/1.1 101 ") and found.endswith(b"\x88\x00")
            load.count("WebSocket", 200 if is_whole else 0)
        except OSError as error:
            load.fail("WebSocket", error)
        finally:
            connection.close()


_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def http2(load: Load, over: threading.Event) -> None:
    with httpx.Client(http2=True, verify=False, base_url=f"https://{HERE}:{load.port}", timeout=10) as client:
        while not over.wait(PAUSE_S):
            try:
                answer = client.get("/version", headers={"Host": load.domain}, extensions={"sni_hostname": load.domain})
                load.count(answer.http_version, answer.status_code)
            except httpx.HTTPError as error:
                load.fail("HTTP/2", error)


@contextmanager
def served(world: World, *domains: str) -> Iterator[Served]:
    """Installed and ready, under a running daemon."""
    made = Served(world)
    commit = made.install(*domains)
    with world.daemon():
        world.await_ready(STACK, commit)
        yield made


__all__ = [
    "Load",
    "Served",
    "ask_version",
    "behind_traefik",
    "http2",
    "keep_alive",
    "new_connections",
    "served",
    "slow",
    "stream",
    "websocket",
    "write",
]
