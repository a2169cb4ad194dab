"""Whose container holds a port that a stack wants, in words that lead to whoever must give way."""

from __future__ import annotations

import pytest

from reconciler.model.observed import Container, State
from reconciler.planning.port_holders import are_held, held_by

PORT = "0.0.0.0:443/tcp"


def holder(stack: str, *, owned: bool = True, state: State = State.RUNNING, port: str = PORT) -> Container:
    return Container(f"{stack}1", f"{stack}-web-1", stack, "web", 1, "", "", state, owned=owned, ports=(port,))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([holder("blog")], "held by the stack blog (container blog-web-1); publish another port in one of the two"),
        (
            [holder("old", owned=False)],
            "held by the container old-web-1 of the project old; end it (docker stop old-web-1) or publish another port",
        ),
        (
            [holder("shop")],
            "held by this stack's own service web (container shop-web-1); publish another port in one of the two",
        ),
        ([holder("blog", port="127.0.0.1:443/tcp")], "held by the stack blog"),
        ([holder("blog", state=State.EXITED)], "held by another program; end it (ss -ltnp shows which)"),
        ([holder("blog", port="0.0.0.0:443/udp")], "held by another program"),
        ([], "held by another program"),
    ],
    ids=[
        "another stack of ours",
        "somebody's project",
        "this very stack",
        "one address of it",
        "stopped",
        "another protocol",
        "nobody",
    ],
)
def test_the_holder_is_named_and_who_must_give_way(found: list[Container], words: str) -> None:
    assert held_by([PORT], found, "shop").startswith(f"{PORT} is {words}")


def test_each_port_has_its_own_holder() -> None:
    told = held_by([PORT, "0.0.0.0:80/tcp"], [holder("blog"), holder("wiki", port="0.0.0.0:80/tcp")], "shop")
    assert "443/tcp is held by the stack blog" in told
    assert "80/tcp is held by the stack wiki" in told


def test_only_ports_that_a_container_holds_are_known_to_be_held() -> None:
    assert are_held([PORT, "0.0.0.0:80/tcp"], [holder("blog")]) == (PORT,)
