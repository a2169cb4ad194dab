"""What a stack may ask for under ``certs:``, and what is said of the rest, before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.errors import InvalidInputError
from reconciler.model.manifest import CertificateUse, Manifest
from reconciler.model.source import EntryKind
from reconciler.planning.certificate_uses import with_uses_that_are_seen
from tests.builders import CHECKOUT, ROOT, bind, manifest, release, tracked, volume
from tests.unit.test_manifest import COMPOSE, found_in, said_of

F = "s/web/stack.yaml"
WHOLE = """
certs:
- pair: db
  path: ./tls/
  service: postgres
  owner: "999:998"
  mode: "0640"
  exec: [pg_ctl, reload]
  verify: {port: 5432, starttls: postgres}
"""


def uses_of(text: str, **files: str) -> tuple[CertificateUse, ...]:
    found = found_in({F: text, "s/web/compose.yaml": COMPOSE, **files})
    assert found.broken == {}
    return found.manifests[0].certificates


def said(text: str, files: dict[str, str] | None = None) -> list[str]:
    return said_of(found_in({F: text, "s/web/compose.yaml": COMPOSE, **(files or {})}), "web")


def one(**keys: Any) -> str:
    """A sound entry with ``keys``."""
    values = {"pair": "db", "path": "./tls", "service": "web", **keys}
    return "certs:\n- {" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}\n"


def test_an_entry_is_read_whole() -> None:
    assert uses_of(WHOLE) == (
        CertificateUse(
            pair="db",
            path="tls",
            service="postgres",
            owner=(999, 998),
            mode=0o640,
            command=("pg_ctl", "reload"),
            port=5432,
            starttls="postgres",
        ),
    )


def test_what_is_left_out_is_root_s_alone_and_the_service_is_replaced() -> None:
    assert uses_of(one()) == (CertificateUse(pair="db", path="tls", service="web"),)


@pytest.mark.parametrize(("written", "owner"), [('"70"', (70, 70)), ('"70:0"', (70, 0))])
def test_a_user_alone_is_its_own_group(written: str, owner: tuple[int, int]) -> None:
    assert uses_of(one(owner=written))[0].owner == owner


@pytest.mark.parametrize("written", ["HUP", "SIGHUP"])
def test_a_signal_may_be_written_short(written: str) -> None:
    assert uses_of(one(signal=written))[0].signal == "SIGHUP"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"owner": "postgres"}, ("certs[0].owner", '"999:999"')),
        ({"owner": "999"}, ("certs[0].owner", "put it in quotes")),
        ({"mode": '"0644"'}, ("certs[0].mode", '"0640"')),
        ({"mode": '"0777"'}, ("certs[0].mode", '"0640"')),
        ({"mode": "0600"}, ("certs[0].mode", '"0')),
        ({"signal": "KILL"}, ("certs[0].signal", "HUP")),
        ({"signal": "HUP", "exec": "[nginx, -s, reload]"}, ("certs[0]", "signal and exec exclude each other")),
        ({"exec": "nginx -s reload"}, ("certs[0].exec", "list")),
        ({"exec": "[]"}, ("certs[0].exec",)),
        ({"pair": "../db"}, ("certs[0].pair",)),
        ({"path": "/etc/tls"}, ("certs[0].path", "must not be empty or begin with /")),
        ({"verify": "{port: 70000}"}, ("certs[0].verify.port", "65535")),
        ({"verify": "{starttls: smtp}"}, ("certs[0].verify", "port")),
        ({"verify": "{port: 25, starttls: ldap}"}, ("certs[0].verify.starttls", "postgres, smtp")),
        ({"signals": "HUP"}, ("certs[0].signals", 'did you mean "signal"')),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_how_to_mend_it(keys: dict[str, str], words: tuple[str, ...]) -> None:
    (problem,) = said(one(**keys))
    assert problem.startswith(f"{F}:2: ")
    for word in words:
        assert word in problem


@pytest.mark.parametrize("key", ["pair", "path", "service"])
def test_pair_path_and_service_must_be_there(key: str) -> None:
    entry = {"pair": "db", "path": "tls", "service": "web"}
    del entry[key]
    (problem,) = said(f"certs: [{entry}]\n")
    assert f'"{key}"' in problem or f"{key}:" in problem


# Where it is put


@pytest.mark.parametrize("path", ["../tls", "a/../../tls"])
def test_a_pair_is_never_put_into_another_stack_s_folder(path: str) -> None:
    (problem,) = said(one(path=path))
    assert f'certs[0].path: "{path}" leads out of the stack\'s folder' in problem


@pytest.mark.parametrize("path", ["./tls", "tls/db", "."])
def test_a_folder_that_git_holds_is_refused_with_what_to_do(path: str) -> None:
    (problem,) = said(one(path=path), {"s/web/tls/db/README": "keys come here"})
    assert f'{F}:2: certs[0].path: "{path}" is in Git' in problem
    assert "git rm -r --cached" in problem


def test_a_folder_below_one_that_git_holds_is_fine_and_so_is_declared_host_data() -> None:
    assert said(one(path="tls/db"), {"s/web/tls/README": "keys come here"}) == []
    assert said(one(path="tls") + "data: [tls]\n", {"s/web/tls/README": "keys come here"}) == []


def test_a_pair_in_one_folder_is_for_one_service() -> None:
    text = "certs:\n- {pair: a, path: tls, service: x}\n- {pair: b, path: tls, service: x}\n- {pair: a, path: ./tls/, service: y}\n"
    (problem,) = said(text)
    assert problem.startswith(f'{F}:4: certs[2].path: certs[0] puts the pair "a" there, too')


# Whom it is for


def asked(service: str = "web", path: str = "tls") -> Manifest:
    return manifest(certificates=(CertificateUse("db", path, service),))


def refused(service: dict[str, Any], declared: Manifest, **more: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        release({"web": service}, declared=declared, **more)
    return [str(problem) for problem in error.value.problems]


def test_a_service_that_is_not_there_is_said_with_those_that_are() -> None:
    (problem,) = refused({"volumes": [bind(f"{CHECKOUT}/shop/tls")]}, asked("wed"))
    assert problem == (
        'shop/stack.yaml: certs[0].service: no service of this stack is named "wed"; the services are web'
    )


@pytest.mark.parametrize("mounted", ["tls", "", "tls/"])
def test_a_service_that_mounts_the_folder_or_one_above_it_sees_its_pair(mounted: str) -> None:
    assert release({"web": {"volumes": [bind(f"{CHECKOUT}/shop/{mounted}".rstrip("/"))]}}, declared=asked())


def test_a_named_volume_that_is_a_bind_mount_of_it_will_do() -> None:
    device = {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": f"{CHECKOUT}/shop/tls"}}
    assert release({"web": {"volumes": [volume("pairs")]}}, declared=asked(), volumes={"pairs": device})


@pytest.mark.parametrize("mounted", ["tls/db.crt", "tl", "tls2", "other"])
def test_one_that_mounts_something_else_would_never_see_it_and_is_refused(mounted: str) -> None:
    (problem,) = refused({"volumes": [bind(f"{CHECKOUT}/shop/{mounted}")]}, asked())
    assert problem.startswith('shop/stack.yaml: certs[0].path: "web" does not mount the folder "tls"')
    assert '"./tls:/<a folder>:ro"' in problem


def test_a_folder_above_it_that_git_holds_is_a_copy_which_never_has_the_pair() -> None:
    above = tracked("shop/conf", EntryKind.FOLDER)
    (problem,) = refused({"volumes": [bind(f"{CHECKOUT}/shop/conf")]}, asked(path="conf/tls"), entries=[above])
    assert 'does not mount the folder "conf/tls"' in problem


def test_until_a_release_mounts_the_folder_its_services_are_told_nothing() -> None:
    declared = manifest(certificates=(CertificateUse("db", "tls", "web"), CertificateUse("db", "tls", "gone")))
    before = release({"web": {}})
    after = release({"web": {"volumes": [bind(f"{CHECKOUT}/shop/tls")]}})
    assert with_uses_that_are_seen(declared, before, folder_of).certificates == ()
    assert with_uses_that_are_seen(declared, after, folder_of).certificates == declared.certificates[:1]


def folder_of(stack: str, path: str) -> str:
    return f"{ROOT}/data/{stack}/{path}"
