"""Laws of asking a container whether it answers: against a real server on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reconciler.adapters.http_asks import HttpAsks
from reconciler.model.manifest import HttpProbe


class Answers(BaseHTTPRequestHandler):
    """``/503`` is answered with 503, and so on."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.removeprefix("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()


def asked(port: int, path: str = "/200", expect: int | None = None) -> str:
    return HttpAsks(within_s=0.2).trouble("127.0.0.1", HttpProbe(port, path, expect))


def test_any_status_below_400_is_an_answer_unless_another_is_expected(port: int) -> None:
    assert asked(port, "/200") == ""
    assert asked(port, "/302") == ""
    assert asked(port, "/503") == f"GET :{port}/503 answered 503"
    assert asked(port, "/503", expect=503) == ""
    assert asked(port, "/204", expect=200) == f"GET :{port}/204 answered 204"


def test_what_refuses_or_says_nothing_is_in_trouble() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        number = silent.getsockname()[1]
        assert "refused" in asked(number)
        silent.listen()
        assert "timed out" in asked(number)


def test_what_has_no_address_cannot_be_asked() -> None:
    assert "the container has no address of its own" in HttpAsks().trouble("", HttpProbe(80))
