"""A real ACME server for one test: pebble, Let's Encrypt's own small one, with a DNS of its own to validate by.

It proves every domain as Let's Encrypt does, by TLS-ALPN-01 or HTTP-01, but on ports of this host. Containers reach it by
the address of the engine's bridge, through a door that the test can shut: pebble itself runs on, for it forgets everybody
when it ends, and an account that its CA does not know is another story than a CA that is down.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.git_servers import Authority, needed, wait_for_port
from tests.free_ports import free_port

HERE = "127.0.0.1"
_ORDER = re.compile(rb"Added order ")
# The last is where roots are asked for, which is ours to ask.
_REQUEST = re.compile(rb"(?:GET|POST|HEAD) (?!/roots/)\S+ -> calling handler\(\)")
# Validate at once, take every nonce, and prove a domain anew for each order, as after the weeks between two renewals.
_SETTINGS = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


@dataclass
class AcmeServer:
    """``address``: this host's, as containers reach it. ``tls_port``, ``http_port``: where on 127.0.0.1 a domain is proven.

    ``valid_for_s``: of what it issues. ``accounts``: keys (base64url) by id, one of which every new account must name.
    """

    folder: Path
    address: str
    tls_port: int
    http_port: int
    valid_for_s: int = 90 * 86400
    accounts: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _inner: int = field(default_factory=free_port)
    _management: int = field(default_factory=free_port)
    _dns: int = field(default_factory=free_port)
    _dns_management: int = field(default_factory=free_port)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _door: _Door | None = None

    @property
    def directory(self) -> str:
        return f"https://{self.address}:{self.port}/dir"

    @property
    def root(self) -> Path:
        """PEM: what the directory itself is to be known by."""
        return Authority(self.folder / "authority").file

    def issuing_root(self) -> str:
        """PEM: what the certificates that it issues are to be known by; a new one each time that pebble starts."""
        url = f"https://{self.address}:{self._management}/roots/0"
        context = ssl.create_default_context(cafile=str(self.root))
        with urllib.request.urlopen(url, context=context, timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    # What was asked of it, from its first moment on

    def requests(self) -> int:
        """Of any kind: 0 if nobody even looked at the directory."""
        return len(_REQUEST.findall(self._said()))

    def orders(self) -> int:
        return len(_ORDER.findall(self._said()))

    def _said(self) -> bytes:
        return self._log("pebble").read_bytes()

    # What may go wrong

    def shut(self) -> None:
        """Down, as seen by its clients: connections end, and new ones are refused."""
        if self._door is not None:
            self._door.close()
            self._door = None

    def open(self) -> None:
        """Up again on the same port, knowing all that it knew."""
        if self._door is None:
            self._door = _Door((self.address, self.port), (HERE, self._inner))

    def lose_name(self, domain: str) -> None:
        """No DNS server knows the domain any more; every other one is on 127.0.0.1."""
        self._tell_dns("set-servfail", {"host": f"{domain}."})

    def _tell_dns(self, what: str, body: object) -> None:
        url = f"http://{HERE}:{self._dns_management}/{what}"
        with urllib.request.urlopen(url, data=json.dumps(body).encode(), timeout=20):
            pass

    # Its life

    def start(self) -> None:
        self.folder.mkdir()
        certificate, key = Authority(self.folder / "authority").make().issue(self.address)
        self._start(
            *("pebble-challtestsrv", "-dns01", f"{HERE}:{self._dns}", "-management", f"{HERE}:{self._dns_management}"),
            *("-defaultIPv4", HERE, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""),
        )
        config = self.folder / "pebble.json"
        config.write_text(json.dumps({"pebble": self._config(certificate, key)}))
        self._start("pebble", "-strict", "-config", str(config), "-dnsserver", f"{HERE}:{self._dns}")
        for port, name in ((self._dns_management, "pebble-challtestsrv"), (self._inner, "pebble")):
            wait_for_port(port, self._log(name).read_text)
        self.open()

    def _config(self, certificate: Path, key: Path) -> dict[str, object]:
        return {
            "listenAddress": f"{HERE}:{self._inner}",
            "managementListenAddress": f"{self.address}:{self._management}",
            "certificate": str(certificate),
            "privateKey": str(key),
            "tlsPort": self.tls_port,
            "httpPort": self.http_port,
            "certificateValidityPeriod": self.valid_for_s,
            # Newer ones look here instead.
            "profiles": {"default": {"description": "the only one", "validityPeriod": self.valid_for_s}},
            "externalAccountBindingRequired": bool(self.accounts),
            "externalAccountMACKeys": dict(self.accounts),
        }

    def _start(self, program: str, *words: str) -> None:
        command = (needed(program, "pebble"), *words)
        with self._log(program).open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **_SETTINGS})
        self._processes.append(process)

    def _log(self, program: str) -> Path:
        return self.folder / f"{program}.log"

    def stop(self) -> None:
        self.shut()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(30)


@contextmanager
def acme_server(
    folder: Path,
    address: str,
    tls_port: int,
    http_port: int = 80,
    valid_for_s: int = 90 * 86400,
    accounts: Mapping[str, str] | None = None,
) -> Iterator[AcmeServer]:
    """One that is up, in a new ``folder`` of its own."""
    server = AcmeServer(folder, address, tls_port, http_port, valid_for_s, accounts or {})
    try:
        server.start()
        yield server
    finally:
        server.stop()


class _Door:
    """Passes on what comes in on ``outer`` to ``inner``, unread, until it is closed."""

    def __init__(self, outer: tuple[str, int], inner: tuple[str, int]) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = socket.create_server(outer, backlog=100)
        self._thread = threading.Thread(target=self._listen, args=(self._listener,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
            connections = [*self._open]
        if listener is not None:
            # Only this wakes the thread that waits in accept.
            listener.shutdown(socket.SHUT_RDWR)
            self._thread.join(20)
            listener.close()
        for connection in connections:
            _end(connection)

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self._pass_on(client, socket.create_connection(self._inner, timeout=20))

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        server.settimeout(None)
        with self._lock:
            if self._listener is None:
                _end(client)
                _end(server)
                return
            self._open |= {client, server}
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        _end(source)
        _end(target)
        with self._lock:
            self._open -= {source, target}


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
