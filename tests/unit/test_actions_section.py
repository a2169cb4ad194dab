"""Actions as stack.yaml declares them: what each key comes to, what is wrong with them, and that they outlive Git."""

from __future__ import annotations

import json

import pytest

from reconciler.declared.actions_section import actions_of, wrong_actions
from reconciler.declared.documents import read_document
from reconciler.declared.validation import STACK, check_schema
from reconciler.model.action import Action
from reconciler.model.desired import nothing_of
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Container, Probe, State
from reconciler.planning.actions import serving, wrong_action_services
from reconciler.planning.archive import pack, unpack_manifest

FULL = """
actions:
  link:
    {service: web, command: [node, link.js], description: A link., user: "1:2", timeout: 10s, validFor: 5m,
     env: {B: "2", A: "1"}, variables: [TOKEN], atInit: true}
  plain: {service: web, command: [true]}
  renew: {service: db, command: [take], renews: KEY, check: [has]}
"""


def actions(text: str) -> tuple[Action, ...]:
    document = read_document(text.encode(), "stack.yaml")
    assert (document.problems, check_schema(document, STACK)) == ((), ())
    return actions_of(document.root["actions"])


def test_each_key_comes_to_what_it_says_and_has_a_default() -> None:
    link, plain, renew = actions(FULL.replace("[true]", "[ls]"))
    assert link == Action(
        *("link", "web", ("node", "link.js"), "A link.", "1:2", 10.0, 300.0),
        environment=(("A", "1"), ("B", "2")),
        variables=("TOKEN",),
        at_init=True,
    )
    assert plain == Action("plain", "web", ("ls",))
    assert renew == Action("renew", "db", ("take",), renews="KEY", check=("has",))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("{command: [x]}", '"service" is missing'),
        ("{service: web}", '"command" is missing'),
        ("{service: web, command: x}", "a command as a list"),
        ("{service: web, command: []}", "command"),
        ("{service: web, comand: [x]}", 'did you mean "command"?'),
        ("{service: web, command: [x], timeout: 0s}", "the least is 1s"),
        ("{service: web, command: [x], validFor: five}", "write one whole number and one of the units"),
        ("{service: web, command: [x], env: {A: 1}}", "put numbers and true or false in quotes"),
        ("{service: web, command: [x], env: {a-b: x}}", "a-b"),
        ("{service: web, command: [x], variables: [a-b]}", "a-b"),
        ("{service: web, command: [x], renews: a-b}", "a-b"),
        ("{service: web, command: [x], check: [x]}", "renews"),
    ],
)
def test_a_mistake_is_told_where_it_is(action: str, message: str) -> None:
    document = read_document(f"actions:\n  link: {action}\n".encode(), "stack.yaml")
    found = [str(problem) for problem in check_schema(document, STACK)]
    assert found
    assert any(message in problem and "stack.yaml:2: actions.link" in problem for problem in found), found


def test_a_variable_has_one_action_that_renews_it_and_that_runs_when_somebody_asks() -> None:
    values = {
        "a": {"renews": "KEY", "atInit": True},
        "b": {"renews": "KEY", "validFor": "5m"},
        "c": {"renews": "OTHER", "atInit": False},
        "d": "no action",
        "e": {"renews": ["no", "name"]},
    }
    assert [".".join(map(str, path)) for path, _ in wrong_actions(values)] == ["a.atInit", "b.renews", "b.validFor"]
    assert list(wrong_actions("nothing at all")) == []


def test_the_name_of_an_action_is_one_that_can_be_typed() -> None:
    document = read_document(b"actions: {Admin Link: {service: web, command: [x]}}", "stack.yaml")
    assert "Admin Link" in str(check_schema(document, STACK))


def test_an_action_for_a_service_that_is_not_there_is_told_with_the_nearest_name() -> None:
    manifest = Manifest("shop", "s/shop", ("compose.yaml",), actions=(Action("link", "wbe", ("x",)),))
    (found,) = wrong_action_services(manifest, {"web": {}}, lambda name: f'; did you mean "web" ({name})?')
    assert (
        str(found)
        == 's/shop/stack.yaml: actions.link.service: no service of this stack is named "wbe"; did you mean "web" (wbe)?'
    )
    assert not list(wrong_action_services(manifest, {"wbe": {}}, str))


def test_a_kept_release_knows_its_actions() -> None:
    manifest = Manifest("shop", "shop", ("compose.yaml",), actions=actions(FULL.replace("[true]", "[ls]")))
    kept = json.loads(json.dumps(pack(nothing_of("shop"), manifest), default=dict))
    assert unpack_manifest(kept).actions == manifest.actions
    del kept["manifest"]["actions"]  # as an older one wrote it
    assert unpack_manifest(kept).actions == ()


def box(
    name: str, definition: str = "new", probe: Probe = Probe.NONE, state: State = State.RUNNING, **more: object
) -> Container:
    number = int(name[-1])
    return Container(name, name, "shop", "web", number, definition, "i", state, probe=probe, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ([box("a1", "old", Probe.HEALTHY), box("b2", "new", Probe.STARTING)], "a1"),  # while the new one is not proven
        ([box("a1", "old", Probe.HEALTHY), box("b2", "new", Probe.HEALTHY)], "b2"),
        ([box("a1", "old", state=State.EXITED), box("b2", "new", Probe.STARTING)], "b2"),
        ([box("b2"), box("a1")], "a1"),
        ([box("a1", "new", Probe.UNHEALTHY)], "a1"),
        ([box("a1", owned=False), box("b2", oneoff=True), box("c3", state=State.PAUSED)], None),
        ([], None),
    ],
)
def test_an_action_runs_where_the_service_serves(there: list[Container], chosen: str | None) -> None:
    found = serving(there, "shop", "web", "new")
    assert (found.name if found else None) == chosen
