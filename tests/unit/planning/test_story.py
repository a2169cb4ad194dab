"""Laws of what a plan says: everything an operator needs, nothing that is secret."""

from __future__ import annotations

from textwrap import dedent
from typing import get_args

import pytest

from reconciler.model.desired import LABEL_DEFINITION, LABEL_ROOT, Release
from reconciler.model.manifest import HttpProbe
from reconciler.model.observed import Endpoint
from reconciler.model.plan import (
    Action,
    AwaitCompleted,
    AwaitHealthy,
    BuildImage,
    Change,
    CheckPorts,
    ConnectNetwork,
    CreateContainers,
    DisconnectNetwork,
    DrainContainer,
    DropUpstreams,
    Existing,
    ForgetNames,
    New,
    PullImage,
    RecreateServices,
    RemoveContainer,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    RestoreData,
    RestoreObject,
    RunHook,
    ShiftTraffic,
    StartContainer,
    StopContainer,
    TagImage,
    UnpauseContainer,
    UpdateResources,
)
from reconciler.model.source import TreeEntry
from reconciler.planning.changes import changes
from reconciler.planning.past import ServiceChanges, between
from reconciler.planning.secrets import Mask, is_secret_name, mask_of
from reconciler.planning.story import describe, tell_change
from tests.builders import CHECKOUT, bind, decide, made, release, seen, spec_of, story, tracked, volume

OLD, FIRST, THIRD = Existing("i", "shop-web-1"), New("web"), New("web", 2)
TOLD: dict[str, Action] = {
    "check that nobody else holds 0.0.0.0:80/tcp, 0.0.0.0:443/tcp": CheckPorts(("0.0.0.0:80/tcp", "0.0.0.0:443/tcp")),
    "build image shop-web for web": BuildImage("web", "shop-web"),
    "pull image web:1": PullImage("web:1"),
    "tag image 0123456789ab as web:1 again": TagImage("web:1", "sha256:0123456789abcdef"),
    "restore state/objects/1": RestoreObject("state/objects/1"),
    "make new containers for db, web": CreateContainers(("db", "web"), (("db", 1), ("web", 2))),
    "let Compose recreate vpn": RecreateServices(("vpn",)),
    "start web's new container 3": StartContainer(THIRD),
    "unpause shop-web-1": UnpauseContainer(OLD),
    "stop shop-web-1": StopContainer(OLD),
    "stop shop-web-2 at once": StopContainer(Existing("2", "shop-web-2"), at_once=True),
    "restart shop-web-1": RestartContainer(OLD),
    "remove shop-web-1, its volumes stay": RemoveContainer(OLD),
    "rename web's new container to front": RenameContainer(FIRST, "front"),
    "set Memory=0, NanoCpus=5 on shop-web-1": UpdateResources(OLD, (("Memory", 0), ("NanoCpus", 5))),
    "connect shop-web-1 to network back": ConnectNetwork(OLD, Endpoint("back")),
    "disconnect shop-web-1 from network back": DisconnectNetwork(OLD, "back"),
    "take a.test, b.test out of /srv/acme.json": ForgetNames("/srv/acme.json", ("a.test", "b.test")),
    "run preSync hook dump": RunHook("preSync", "dump"),
    "send what is for web to shop-web-1, web's new container": ShiftTraffic("web", (OLD, FIRST)),
    "let shop-web-1 end what is under way (10s at most)": DrainContainer(OLD, 10.0),
    "tell the proxies no more of db, web": DropUpstreams(("db", "web")),
    "restore the data of db-shop-1": RestoreData("db-shop-1", forth=False),
    "restore the data of db-shop-2, and stop shop-web-1 for it": RestoreData("db-shop-2", True, (OLD,)),
    "remove network shop_back": RemoveNetwork("i", "shop_back"),
    "wait until web is healthy (within 90s)": AwaitHealthy("web", (OLD,), 90.0, 0.0),
    "wait until web is healthy and answers GET :80/up (within 90s), and for 5s more": AwaitHealthy(
        "web", (OLD,), 90.0, 5.0, HttpProbe(80, "/up")
    ),
    "wait until web has ended with exit status 0 (within 1m)": AwaitCompleted("web", OLD, 60.0),
}


@pytest.mark.parametrize(("text", "action"), TOLD.items(), ids=[type(action).__name__ for action in TOLD.values()])
def test_every_action_is_told_in_words(text: str, action: Action) -> None:
    assert describe(action) == text


def test_no_action_is_left_out_of_these_laws() -> None:
    assert {type(action) for action in TOLD.values()} == set(get_args(Action))


def test_a_plan_names_what_it_does_not_touch() -> None:
    before = release({"db": {}, "web": {}, "worker": {}})
    wanted = release({"db": {}, "web": {"user": "1"}, "worker": {}})
    there = [made(before, name) for name in ("db", "web", "worker")]
    assert (
        "        (no change: db, worker)"
        in story(decide(wanted, seen(*there, of=wanted), previous=before)).splitlines()
    )


def test_notes_come_last() -> None:
    before = release({"a": {}, "b": {}, "c": {}})
    wanted = release({"a": {"user": "1"}})
    told = story(decide(wanted, seen(*(made(before, name) for name in "abc"), of=wanted), previous=before))
    assert told.splitlines()[-1].startswith("Note: b, c: left running")


# Changes of a definition


def test_changes_are_told_down_to_the_key() -> None:
    before = release(
        {"web": {"environment": {"A": "1", "GONE": "x"}, "command": ["run", "old"], "volumes": [volume("v", "/v")]}}
    )
    wanted = release(
        {
            "web": {
                "environment": {"A": "2", "NEW": "y"},
                "command": ["run", "new"],
                "volumes": [volume("v", "/v", read_only=True)],
            }
        }
    )
    told = story(decide(wanted, seen(made(before, "web"), of=wanted), previous=before))
    assert (
        told.splitlines()[1:6]
        == dedent("""\
        command: 'run old' -> 'run new'
        environment.A: '1' -> '2'
        environment.GONE: removed 'x'
        environment.NEW: added 'y'
        volumes[/v].read_only: added 'True'""")
        .replace("\n", "\n       ")
        .join(["       ", ""])
        .splitlines()
    )


def found_changes(old: dict[str, object], new: dict[str, object], mask: Mask | None = None) -> tuple[Change, ...]:
    before, after = release({"web": old}), release({"web": new})
    return changes("web", before, after, mask or Mask())


def test_a_secret_is_shown_as_changed_and_never_with_its_value() -> None:
    found = found_changes({"environment": {"DB_PASSWORD": "old"}}, {"environment": {"DB_PASSWORD": "new"}})
    assert found == (Change("environment.DB_PASSWORD", None, None, secret=True),)
    assert tell_change(found[0]) == "environment.DB_PASSWORD: changed (secret, not shown)"


def test_a_value_that_holds_a_secret_of_the_host_is_not_shown_wherever_it_stands() -> None:
    mask = mask_of({"DB_PASSWORD": "hunter22"})
    found = found_changes(
        {"command": ["connect", "postgres://me:hunter22@db"], "labels": {"plain": "1"}},
        {"command": ["connect", "postgres://me@db"], "labels": {"plain": "2"}},
        mask,
    )
    assert found == (Change("command", None, None, secret=True), Change("labels.plain", "1", "2"))


def test_a_secret_with_a_dollar_is_hidden_as_compose_escapes_it() -> None:
    mask = mask_of({"DB_PASSWORD": "hun$ter"})
    assert found_changes({"command": ["--as=hun$$ter"]}, {"command": []}, mask)[0].secret
    assert mask.clean("it was hun$ter, or hun$$ter") == "it was (secret), or (secret)"


def test_a_dollar_is_shown_as_its_author_wrote_it() -> None:
    found = found_changes({"command": ["echo", "$$HOME"]}, {"command": ["echo", "$$USER"]})
    assert found == (Change("command", "echo $HOME", "echo $USER"),)


def test_a_mounted_file_is_shown_by_its_name_and_the_start_of_its_object_id() -> None:
    def mounted(object_id: str) -> Release:
        entry = tracked("shop/app.conf", object_id=object_id)
        return release({"web": {"volumes": [bind(f"{CHECKOUT}/shop/app.conf", "/etc/app.conf")]}}, entries=[entry])

    before, after = mounted("a" * 40), mounted("b" * 40)
    found = changes("web", before, after, Mask())
    assert found == (Change("volumes[/etc/app.conf].source", "app.conf at aaaaaaa", "app.conf at bbbbbbb"),)


def test_our_own_labels_and_what_a_container_is_not_made_from_are_no_changes() -> None:
    found = found_changes(
        {"scale": 1, "depends_on": ["a"], "deploy": {"replicas": 1}, "pull_policy": "always"},
        {"scale": 2, "depends_on": ["b"], "deploy": {"replicas": 2}, "pull_policy": "missing"},
    )
    assert found == ()


def test_our_own_labels_are_no_changes() -> None:
    before, after = release({"web": {}}, root_id="one"), release({"web": {"user": "1"}}, root_id="two")
    keys = [change.key for change in changes("web", before, after, Mask())]
    assert keys == ["user"]
    assert LABEL_ROOT in spec_of(before, "web").definition["labels"]
    assert LABEL_DEFINITION in spec_of(before, "web").definition["labels"]


def test_what_a_service_uses_is_told_when_that_alone_is_another_one() -> None:
    def using(mode: str, token: str, text: str, entry: TreeEntry) -> Release:
        service = {
            "secrets": [{"source": "key"}, {"source": "token"}],
            "configs": [{"source": "cfg", "target": "/cfg"}],
        }
        return release(
            {"web": service},
            networks={"default": {"driver_opts": {"mode": mode}}, "unused": {"internal": mode == "b"}},
            secrets={"key": {"file": f"{CHECKOUT}/{entry.path}"}, "token": {"environment": "TOKEN"}},
            configs={"cfg": {"content": text}},
            environment={"TOKEN": token},
            entries=[entry],
        )

    before = using("a", "one", "x", tracked("shop/key.pem", object_id="a" * 40))
    after = using("b", "two", "y", tracked("shop/key.pem", object_id="b" * 40))
    assert changes("web", before, after, Mask()) == (
        Change("networks.default.driver_opts.mode", "a", "b"),
        Change("secrets.key.file", "key.pem at aaaaaaa", "key.pem at bbbbbbb"),
        Change("/cfg", None, None, secret=True),
        Change("/run/secrets/token", None, None, secret=True),
    )
    assert between(before, after) == (
        ServiceChanges(
            "web", "changed", ("networks.default.driver_opts.mode", "secrets.key.file", "/cfg", "/run/secrets/token")
        ),
    )


def test_an_unknown_before_has_no_changes() -> None:
    assert changes("web", None, release({"web": {}}), Mask()) == ()


def test_an_endless_value_is_cut() -> None:
    told = tell_change(Change("command", None, "x" * 5000))
    assert len(told) < 200
    assert told.endswith("…'")


def test_no_secret_of_the_host_is_in_any_text_of_a_plan() -> None:
    secret = "correct-horse-battery"
    before = release({"web": {"environment": {"URL": f"http://{secret}@db"}, "command": [secret]}})
    wanted = release({"web": {"environment": {"URL": "http://db", "DB_PASSWORD": secret}, "command": ["x", secret]}})
    found = decide(wanted, seen(made(before, "web"), of=wanted), previous=before, mask=mask_of({"DB_PASSWORD": secret}))
    assert secret not in story(found)
    assert secret not in repr(found)


# What is a secret


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "SESSION_SECRET",
        "API_TOKEN",
        "SMTP_PWD",
        "apikey",
        "SSH_PRIVATE",
        "AWS_ACCESS_KEY",
        "COOKIE_SALT",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["DB_USER", "SERVER_DOMAIN", "KEYBOARD", "MONKEY", "PINCH", "AUTHOR"])
def test_other_names_are_not_taken_for_secrets(name: str) -> None:
    assert not is_secret_name(name)


def test_the_mask_leaves_out_what_is_public_by_its_name_or_too_short_to_search() -> None:
    mask = mask_of({"SERVER_DOMAIN": "example.com", "FLAG": "yes", "UNKNOWN": "something", "PASSWORD_LIMIT": "12345"})
    assert mask.values == ("something", "12345")


def test_the_longest_secret_is_hidden_first() -> None:
    mask = mask_of({"A_SECRET": "abcd", "B_SECRET": "abcdefgh"})
    assert mask.clean("abcdefgh") == "(secret)"
