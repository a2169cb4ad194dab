"""A request that is repeated until it is answered as expected, on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reconciler.hooks.asking import ask, filled
from reconciler.model.errors import StalledError
from reconciler.model.hook import Attempt, Hook, Http, Occasion, Phase
from reconciler.model.hook_call import HookCall, HookEnd
from tests.builders import manifest, release
from tests.fakes.clock import FakeClock


class Server(ThreadingHTTPServer):
    """Gives one answer after the other, the last one again and again."""

    answers: list[tuple[int, str]]
    asked = 0


class Answers(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        status, body = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *words: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Answers)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def asked(server: Server, answers: list[tuple[int, str]], stop: str = "", **more: Any) -> tuple[HookEnd, list[str]]:
    server.answers = answers
    http = Http("http://127.0.0.1:{PORT}/", **more)
    told: list[str] = []
    call = HookCall(
        hook=Hook(Phase.POST_SYNC, "smoke", http, timeout_s=30.0),
        attempt=Attempt("shop", 1, "c", 1, Occasion.FIRST),
        cut_short=False,
        manifest=manifest(),
        release=release({"web": {}}),
        model=Path("/none"),
        environment={},
        variables={"PORT": str(server.server_address[1])},
        told=told.append,
        stop=lambda: stop,
        clean=lambda text: text,
    )
    return ask(http, call, FakeClock()), told


def test_it_is_repeated_until_the_answer_is_right_and_each_other_answer_is_told_once(server: Server) -> None:
    end, told = asked(server, [(502, ""), (502, ""), (200, "starting"), (200, "ready 2.1")], matches=r"ready \d")
    assert (end.fault, server.asked, len(told)) == ("", 4, 2)


@pytest.mark.parametrize(
    ("answer", "more"),
    [((404, ""), {}), ((301, ""), {}), ((200, "no"), {"contains": "yes"}), ((200, "no"), {"matches": "^y"})],
)
def test_what_is_never_right_fails_when_the_time_is_over(
    server: Server, answer: tuple[int, str], more: dict[str, Any]
) -> None:
    end, told = asked(server, [answer], **more)
    assert "was not answered as expected within 30 s" in end.fault
    assert len(told) == 1


def test_a_redirect_can_be_what_is_expected(server: Server) -> None:
    assert asked(server, [(301, "")], expect=301)[0].fault == ""
    assert server.asked == 1


def test_a_server_that_is_not_there_yet_is_waited_for_and_said_in_words(server: Server) -> None:
    server.server_close()
    end, told = asked(server, [(200, "")])
    assert "refused" in "".join(told)
    assert "0x" not in "".join(told)
    assert end.exit_code == 1


def test_it_ends_when_the_daemon_leaves(server: Server) -> None:
    assert asked(server, [(502, "")], stop="SIGTERM")[0].interrupted


def test_a_variable_that_is_not_set_is_named() -> None:
    assert filled("https://{A}/{B_2}", {"A": "a.test", "B_2": "x"}) == "https://a.test/x"
    with pytest.raises(StalledError, match="needs B, which is not set"):
        filled("https://{A}/{B}", {"A": "a.test"})
