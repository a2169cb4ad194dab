"""A registry on a port of this machine that speaks enough of the HTTP API (v2), and misbehaves when told to.

Kept to what the real one says by tests/e2e/test_updates.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that trusts nobody here hangs up; that is its own affair."""


class FakeRegistry:
    """``images``: manifests by repository and tag. ``asked``: every request, as "METHOD path". ``page``: tags on one page.
    ``user``: who may read, "" for anybody; ``by_token``: with a token from this registry's own realm. ``fails``: status and
    headers that every request but those for tokens is answered with."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.statuses: list[int] = []
        self.page = 1000
        self.user, self.password, self.identity = "", "", ""
        self.by_token = True
        self.tells_digests = True
        self.fails: tuple[int, dict[str, str]] | None = None
        self.tokens_given = 0
        self.address = ""

    def push(self, repository: str, tag: str, manifest: str) -> str:
        self.images.setdefault(repository, {})[tag] = manifest
        return digest_of(manifest)

    @contextmanager
    def serving(self, identity: ssl.SSLContext | None = None) -> Iterator[FakeRegistry]:
        """``identity``: what it speaks TLS with; plain HTTP without it."""
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self, "GET")

            def do_HEAD(self) -> None:
                registry.answer(self, "HEAD")

            def do_POST(self) -> None:
                registry.answer(self, "POST")

            def log_message(self, *_: Any) -> None: ...

        server = _Server(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if identity is not None:
            server.socket = identity.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, call: BaseHTTPRequestHandler, method: str) -> None:
        self.asked.append(f"{method} {call.path}")
        there = urlsplit(call.path)
        size = int(call.headers.get("Content-Length") or 0)
        form = parse_qs(call.rfile.read(size).decode()) if size else {}
        if there.path == "/token":
            self._give_token(call, method, form)
        elif self.fails is not None:
            self._say(call, method, self.fails[0], b"", self.fails[1])
        elif not self._may_read(call):
            realm = f'Bearer realm="http://{self.address}/token",service="double"' if self.by_token else "Basic realm=x"
            self._say(call, method, 401, b"", {"WWW-Authenticate": realm})
        elif there.path.endswith("/tags/list"):
            self._list(call, method, there.path.split("/v2/")[1].removesuffix("/tags/list"), parse_qs(there.query))
        else:
            repository, _, tag = there.path.removeprefix("/v2/").partition("/manifests/")
            self._manifest(call, method, self.images.get(repository, {}).get(tag))

    def _may_read(self, call: BaseHTTPRequestHandler) -> bool:
        header = call.headers.get("Authorization", "")
        if self.by_token and (self.user or self.identity):
            return header == f"Bearer t{self.tokens_given}"
        return not self.user or header == self._basic

    @property
    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def _give_token(self, call: BaseHTTPRequestHandler, method: str, form: dict[str, list[str]]) -> None:
        by_identity = bool(self.identity) and form.get("refresh_token") == [self.identity]
        if not by_identity and call.headers.get("Authorization") != self._basic:
            self._say(call, method, 401, b"", {})
            return
        self.tokens_given += 1
        self._say(call, method, 200, json.dumps({"token": f"t{self.tokens_given}", "expires_in": 300}).encode(), {})

    def _list(self, call: BaseHTTPRequestHandler, method: str, repository: str, query: dict[str, list[str]]) -> None:
        if repository not in self.images:
            self._say(call, method, 404, b"", {})
            return
        tags, after = sorted(self.images[repository]), query.get("last", [""])[0]
        left = [tag for tag in tags if tag > after]
        here = left[: self.page]
        more = len(left) > len(here)
        link = {"Link": f'</v2/{repository}/tags/list?n={self.page}&last={here[-1]}>; rel="next"'} if more else {}
        self._say(call, method, 200, json.dumps({"name": repository, "tags": here}).encode(), link)

    def _manifest(self, call: BaseHTTPRequestHandler, method: str, manifest: str | None) -> None:
        if manifest is None:
            self._say(call, method, 404, b"", {})
            return
        digest = digest_of(manifest)
        told = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"'} if self.tells_digests else {}
        if call.headers.get("If-None-Match") == f'"{digest}"':
            self._say(call, method, 304, b"", told)
        else:
            self._say(call, method, 200, manifest.encode(), told)

    def _say(
        self, call: BaseHTTPRequestHandler, method: str, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        self.statuses.append(status)
        call.send_response(status)
        for name, value in headers.items():
            call.send_header(name, value)
        call.send_header("Content-Length", str(len(body)))
        call.end_headers()
        if method != "HEAD" and status != 304:
            call.wfile.write(body)
