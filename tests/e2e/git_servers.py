"""Real Git servers on the loopback for one test each: OpenSSH's sshd, git's own http-backend behind TLS, and one that
never says a word. Keys, certificates and ports are their own; nothing of the machine is touched."""

from __future__ import annotations

import base64
import contextlib
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.free_ports import free_port

_COMES_WITHIN_S = 20.0


def needed(program: str, package: str) -> str:
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{program} is missing: run 'apt-get install {package}' (see tests/rig/packages.txt)")
    return found


def run(*command: str | Path, stdin: str = "") -> str:
    done = subprocess.run(
        tuple(map(str, command)), input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


# --- ssh ---


@dataclass
class SshServer:
    """``folder`` holds its keys and files; every key in ``authorized_keys`` may log in as the user of the test."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def authorized_keys(self) -> Path:
        return self.folder / "authorized_keys"

    def url(self, repository: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    def known_hosts(self) -> str:
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def new_host_key(self) -> None:
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink(missing_ok=True)
        new_key(self.folder / "host_key")

    def start(self) -> None:
        sshd = needed("sshd", "openssh-server")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where root's sshd locks its children up
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\n"
            f"HostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.authorized_keys}\n"
            "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\nLogLevel ERROR\n"
        )
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen((sshd, "-D", "-e", "-f", str(config)), stderr=log)
        wait_for_port(self.port, (self.folder / "sshd.log").read_text)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    folder.mkdir()
    server = SshServer(folder, free_port())
    server.new_host_key()
    server.authorized_keys.touch()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def new_key(path: Path, passphrase: str = "") -> str:
    """The public half, as it goes into authorized_keys."""
    run(needed("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", path)
    return path.with_suffix(".pub").read_text()


# --- https ---


@dataclass
class HttpsServer:
    """Serves every bare repository below ``repositories``. ``login``: what it asks for; None for nothing.

    ``hangs``: while set, a pack is begun and never ended. ``redirect``: where every request is sent on to.
    """

    repositories: Path
    port: int
    login: str | None = "ann:hunter2"
    redirect: str = ""
    hangs: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)  # a request hangs right now
    ended: threading.Event = field(default_factory=threading.Event)
    logins_seen: list[str] = field(default_factory=list)
    httpd: ThreadingHTTPServer | None = None

    def url(self, repository: str, login: str = "") -> str:
        return f"https://{login}127.0.0.1:{self.port}/{repository}"

    def start(self, certificate: Path, key: Path) -> None:
        server = self

        class Handler(_GitHandler):
            owner = server

        self.httpd = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.httpd.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        if self.httpd is not None:
            self.httpd.shutdown()
            self.httpd.server_close()


@contextmanager
def https_server(repositories: Path, authority: Authority) -> Iterator[HttpsServer]:
    server = HttpsServer(repositories, free_port())
    server.start(*authority.issue("127.0.0.1"))
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "ca.crt"

    def make(self) -> Authority:
        self.folder.mkdir()
        run(
            *(needed("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=test authority"),
            *("-keyout", self.folder / "ca.key", "-out", self.file),
        )
        return self

    def issue(self, address: str) -> tuple[Path, Path]:
        """The files of a certificate for an IP address and of its key."""
        key, request, certificate = (self.folder / f"{address}.{suffix}" for suffix in ("key", "csr", "crt"))
        run(
            *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out", request),
        )
        run(
            *("openssl", "x509", "-req", "-days", "2", "-copy_extensions", "copy", "-in", request),
            *("-CA", self.file, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-out", certificate),
        )
        return certificate, key


class _GitHandler(BaseHTTPRequestHandler):
    """Hands each request to ``git http-backend``, as a web server's CGI module would."""

    owner: HttpsServer
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None: ...

    def _serve(self) -> None:
        given = self.headers.get("Authorization", "")
        self.owner.logins_seen.append(given)
        if self.owner.redirect:
            self.send_response(302)
            self.send_header("Location", self.owner.redirect + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        wanted = self.owner.login
        if wanted is not None and given != f"Basic {base64.b64encode(wanted.encode()).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        head, _, body = self._backend().partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in headers if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # A fetch asks for the list of refs first, and then for the pack, which is all that "PACK" is in.
        if self.owner.hangs.is_set() and b"PACK" in body:
            self.wfile.write(body[: body.index(b"PACK") + 20])
            self.owner.hanging.set()
            self.owner.ended.wait(120)
            return
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def _backend(self) -> bytes:
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(self.owner.repositories),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = subprocess.run(
            ("git", "http-backend"), env=environment, input=body, capture_output=True, timeout=60, check=False
        )
        return done.stdout


# --- one that never answers ---


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes every connection and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def wait_for_port(port: int, log: Any) -> None:
    deadline = time.monotonic() + _COMES_WITHIN_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}: {log()}")
