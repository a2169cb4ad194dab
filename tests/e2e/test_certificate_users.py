"""Services that terminate TLS themselves get their pairs, are told of new ones, and show them; else they keep what they had."""

from __future__ import annotations

import json
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import count
from typing import Any

import pytest

from reconciler.certs.model import DroppedFile, Pair
from reconciler.certs.placing import Place
from reconciler.certs.probing import fingerprint_at
from reconciler.certs.reading.pair import read_pair
from reconciler.model.manifest import CertificateUse
from tests.certificates import Authority, Issued
from tests.e2e.models import PROMPT, Model, Service, stack, version
from tests.e2e.starting import crashing
from tests.e2e.timeline import Timeline
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

POSTGRES = (999, 999)  # its user and group in rig/postgres
SHOWS = {"port": 5432, "starttls": "postgres"}
DB_USE = {"pair": "db", "path": "./tls", "service": "db", "owner": "999:999", "signal": "HUP", "verify": SHOWS}
WEB_USE = {"pair": "web", "path": "./tls", "service": "web", "verify": {"port": 443}}

# Reads its pairs once, when it starts; of several it shows the one that is asked for by name.
SERVER = """
import signal, socket, ssl, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.signal(signal.SIGHUP, signal.SIG_IGN)
contexts = {}
for pair in sys.argv[1:]:
    contexts[pair] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    contexts[pair].load_cert_chain(f"/tls/{pair}.crt", f"/tls/{pair}.key")
first = contexts[sys.argv[1]]
def choose(connection, name, _):
    connection.context = next((own for pair, own in contexts.items() if name and name.startswith(pair)), first)
first.sni_callback = choose
listener = socket.create_server(("", 443))
open("/tmp/ready", "w")
while True:
    connection, _ = listener.accept()
    try:
        first.wrap_socket(connection, server_side=True).close()
    except OSError:
        pass
"""


def database(folder: str = "tls", **more: Any) -> Service:
    own = ["-c", "ssl=on", "-c", f"ssl_cert_file=/{folder}/db.crt", "-c", f"ssl_key_file=/{folder}/db.key"]
    return {
        "image": "rig/postgres:15",
        "command": ["postgres", *own],
        "environment": {"POSTGRES_PASSWORD": "secret-of-test"},
        "volumes": [f"./{folder}:/{folder}:ro", "rows:/var/lib/postgresql/data"],
        "healthcheck": {"test": ["CMD", "pg_isready", "-h", "127.0.0.1"], "interval": "1m", **PROMPT},
        **more,
    }


def server(*pairs: str, **more: Any) -> Service:
    return {
        "image": "rig/base:bookworm",
        "command": ["python3", "-c", SERVER, *(pairs or ("web",))],
        "volumes": ["./tls:/tls:ro"],
        "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "1m", **PROMPT},
        **more,
    }


def databases(**services: Service) -> Model:
    return {**stack(**services), "volumes": {"rows": {}}}


class Users:
    """Stacks with pairs of their own, and the authority that issues them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ca = Authority(now=time.time())
        (world.root / "certs").mkdir(mode=0o700)

    def drop(self, name: str, *hosts: str) -> Issued:
        """Another pair each time."""
        issued = self.ca.issue(*(hosts or (f"{name}.example.com",)))
        self.drop_files(name, issued.chain_pem, issued.key_pem)
        return issued

    def drop_files(self, name: str, certificate: bytes, key: bytes) -> None:
        for ending, content in (("crt", certificate), ("key", key)):
            staged = self.world.root / f"{name}.{ending}.part"
            staged.write_bytes(content)
            staged.rename(self.world.root / "certs" / f"{name}.{ending}")

    def commit(self, model: Model, *uses: dict[str, Any], name: str = "shop", **manifest: Any) -> str:
        return self.world.commit(self.world.compose(name, model, {"certs": list(uses), **manifest}))

    def shown(self, service: str, name: str, port: int, starttls: str = "", *, stack: str = "shop") -> set[str | None]:
        """By every container of the service."""
        found = self.world.containers(stack, service)
        networks = (entry["NetworkSettings"]["Networks"].values() for entry in found)
        addresses = [endpoint["IPAddress"] for endpoints in networks for endpoint in endpoints]
        return {fingerprint_at(address, port, name, starttls) for address in addresses if address}

    def await_db(self, issued: Issued) -> None:
        eventually(
            lambda: self.shown("db", "db.example.com", 5432, "postgres"), lambda seen: seen == {issued.fingerprint}
        )

    def await_web(self, issued: Issued) -> None:
        eventually(lambda: self.shown("web", "web.example.com", 443), lambda seen: seen == {issued.fingerprint})

    def told(self, *reasons: str, stack: str = "shop") -> list[str]:
        return [event.message for event in self.world.told(stack, *reasons)]

    def await_told(self, reason: str, times: int = 1, *, stack: str = "shop") -> str:
        return eventually(lambda: self.told(reason, stack=stack), lambda said: len(said) >= times)[-1]

    def listed(self, name: str) -> dict[str, Any]:
        found = json.loads(self.world.cli("certs", "list", "-o", "json").stdout)
        return next((entry for entry in found if entry["name"] == name), {})

    def place(self, use: dict[str, Any], name: str = "shop") -> Place:
        user, _, group = use.get("owner", "0:0").partition(":")
        own = CertificateUse(use["pair"], use["path"], use["service"], owner=(int(user), int(group)))
        root = self.world.root
        return Place(root / "data" / self.world.name(name) / use["path"], own, root / "state" / "staging")

    def pair(self, name: str) -> Pair:
        """What is made of the files that lie there."""
        certs = self.world.root / "certs"
        files = tuple(DroppedFile(file, (certs / file).read_bytes()) for file in (f"{name}.crt", f"{name}.key"))
        found = read_pair(name, files, time.time()).pair
        assert found is not None
        return found

    def await_served(self, issued: Issued) -> None:
        """Until it is known who shows it."""

        def is_known() -> bool:
            with self.world.journal() as journal:
                records = journal.certificates.certificates() if journal else ()
            return any(record.fingerprint == issued.fingerprint and record.verified_by for record in records)

        eventually(is_known)

    @cached_property
    def db(self) -> str:
        """The id of the database's container."""
        return str(self.world.container("shop", "db")["Id"])


@pytest.fixture
def users(world: World) -> Users:
    return Users(world)


@contextmanager
def open_connection(address: str) -> Iterator[socket.socket]:
    """To PostgreSQL, without TLS, waiting at its first question."""
    with socket.create_connection((address, 5432), timeout=10) as connection:
        words = b"user\x00postgres\x00database\x00postgres\x00\x00"
        connection.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
        assert connection.recv(1) == b"R"
        yield connection


# PostgreSQL, told by a signal


def test_a_first_start_waits_for_the_pair_and_begins_by_itself_once_it_is_dropped(users: Users) -> None:
    commit = users.commit(databases(db=database()), DB_USE)
    with users.world.daemon():
        message = users.world.await_failure("shop", "CertificateMissing")["message"]
        assert "drop db.crt and db.key into certs/" in message
        assert not users.world.containers("shop")
        issued = users.drop("db")
        users.world.await_ready("shop", commit)
        users.await_db(issued)
        assert "shows it" in users.await_told("CertificateServed")


def test_a_pair_for_names_that_no_proxy_here_serves_is_taken_where_a_stack_waits_for_it(users: Users) -> None:
    labels = {"traefik.http.routers.a.rule": "Host(`a.example.com`)", "traefik.http.routers.a.tls": "true"}
    proxy = {
        "image": "rig/traefik:3",
        "command": ["--providers.file.directory=/dynamic", "--entrypoints.websecure.address=:443"],
        "volumes": ["${RECONCILER_TRAEFIK_DIR}:/dynamic:ro"],
        "labels": labels,
    }
    first = users.commit(stack(proxy=proxy), name="front")
    users.drop("a")
    with users.world.daemon():
        users.world.await_ready("front", first)
        eventually(lambda: users.listed("a").get("state"), lambda state: state == "valid")
        issued = users.drop("db")
        eventually(lambda: users.listed("db").get("state"), lambda state: state == "unused")
        users.world.await_ready("shop", users.commit(databases(db=database()), DB_USE))
        users.await_db(issued)


@pytest.mark.parametrize(
    "told",
    [{"signal": "HUP"}, {"exec": ["psql", "-U", "postgres", "-c", "select pg_reload_conf()"]}],
    ids=["signal", "exec"],
)
def test_a_renewed_pair_is_shown_by_the_same_process_and_open_connections_live_on(
    users: Users, told: dict[str, Any]
) -> None:
    use = {**{key: value for key, value in DB_USE.items() if key != "signal"}, **told}
    first = users.drop("db")
    diary = users.world.home / "diary"
    users.world.write("hooks/tell", f'#!/bin/sh\necho "$RECONCILER_DOMAINS" >> {diary}\n').chmod(0o755)
    hooks = {"postCert": [{"name": "tell", "script": "hooks/tell"}]}
    commit = users.commit(databases(db=database()), use, hooks=hooks)
    with users.world.daemon():
        users.world.await_ready("shop", commit)
        users.await_db(first)
        eventually(lambda: diary.exists() and diary.read_text() == "db.example.com\n")
        before = users.world.running("shop")
        address = next(iter(users.world.container("shop", "db")["NetworkSettings"]["Networks"].values()))["IPAddress"]
        with open_connection(address) as connection:
            second = users.drop("db")
            users.await_db(second)
            users.await_told("CertificateServed", 2)
            eventually(lambda: diary.read_text() == "db.example.com\n" * 2)
            connection.setblocking(False)
            assert not _has_ended(connection)
        assert users.world.running("shop") == before
        key = users.place(use).folder / "db.key"
        assert (key.stat().st_uid, key.stat().st_gid) == POSTGRES
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert [place.partition("/")[2] for place in users.listed("db")["servedBy"]] == ["db"]
        assert not users.told("CertificateNotServed")


def _has_ended(connection: socket.socket) -> bool:
    """What the server said so far is its question for the password."""
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    return True


def test_a_pair_whose_files_vanish_stays_and_an_invalid_one_changes_nothing(users: Users) -> None:
    issued = users.drop("db")
    commit = users.commit(databases(db=database()), DB_USE)
    with users.world.daemon():
        users.world.await_ready("shop", commit)
        users.await_db(issued)
        users.drop_files("db", b"nonsense", b"nonsense")
        eventually(lambda: users.listed("db")["state"], lambda state: state == "invalid")
        users.await_db(issued)
        for ending in ("crt", "key"):
            (users.world.root / "certs" / f"db.{ending}").unlink()
        record = eventually(lambda: users.listed("db"), lambda found: found["state"] == "kept")
        assert "asks for it" in record["message"]
        users.await_db(issued)
        # Another release is made of it all the same.
        users.world.await_ready("shop", users.commit(databases(db=database(labels={"a": "b"})), DB_USE))
        users.await_db(issued)


def test_a_pair_that_was_placed_and_never_told_of_is_told_of_after_the_next_start(users: Users) -> None:
    users.drop("db")
    commit = users.commit(databases(db=database()), DB_USE)
    with users.world.daemon() as daemon:
        users.world.await_ready("shop", commit)
        users.await_told("CertificateServed")
        daemon.kill()
    before = users.world.running("shop")
    second = users.drop("db")
    users.place(DB_USE).put(users.pair("db"))
    with users.world.daemon():
        users.await_db(second)
    assert users.world.running("shop") == before


def test_a_daemon_that_is_killed_at_any_moment_of_a_renewal_leaves_the_newest_pair_shown_after_its_next_start(
    users: Users,
) -> None:
    fuse = users.world.home / "fuse"
    kills = fuse.with_suffix(".kills")
    kills.touch()
    issued = users.drop("db")
    commit = users.commit(databases(db=database()), DB_USE)
    with users.world.daemon(crashing("users", fuse)) as daemon:
        users.world.await_ready("shop", commit)
        users.await_db(issued)
        users.await_told("CertificateServed")
        before = users.world.running("shop")
        for moment in count(1):
            dead = len(kills.read_text().splitlines())
            fuse.with_suffix(".lit").write_text(str(moment))
            fuse.with_suffix(".lit").rename(fuse)
            issued = users.drop("db")
            users.await_db(issued)
            users.await_served(issued)
            if len(kills.read_text().splitlines()) == dead:
                break
        daemon.kill()  # the last fuse may still burn
    assert users.world.running("shop") == before
    assert not users.told("CertificateNotServed")
    for step in ("_write", "sync_folder", "tell"):
        assert f"before {step} " in kills.read_text()
        assert f"after {step} " in kills.read_text()


def test_without_a_port_to_verify_at_it_is_told_after_the_next_start_too_and_once(users: Users) -> None:
    use = {key: value for key, value in DB_USE.items() if key != "verify"}
    users.drop("db")
    commit = users.commit(databases(db=database()), use)
    with users.world.daemon() as daemon:
        users.world.await_ready("shop", commit)
        users.await_told("CertificateServed")
        daemon.kill()
    second = users.drop("db")
    users.place(use).put(users.pair("db"))
    with users.world.daemon():
        users.await_db(second)
        assert "names no port" in users.await_told("CertificateServed", 2)
    with users.world.daemon():
        users.world.await_ready("shop", commit)
    assert users.world.once().returncode == 0
    log = subprocess.run(["docker", "logs", users.db], capture_output=True, text=True, check=True)
    assert log.stderr.count("received SIGHUP") == 1


def test_the_wish_for_another_owner_is_followed(users: Users) -> None:
    issued = users.drop("db")
    commit = users.commit(databases(db=database()), DB_USE)
    with users.world.daemon():
        users.world.await_ready("shop", commit)
        users.await_db(issued)
        key = users.place(DB_USE).folder / "db.key"
        users.commit(databases(db=database()), {**DB_USE, "owner": "999:0", "mode": "0640"})
        eventually(lambda: (key.stat().st_gid, stat.S_IMODE(key.stat().st_mode)), lambda seen: seen == (0, 0o640))
        users.await_db(issued)


# A service that does not do what it is told


def test_a_service_that_ignores_being_told_keeps_the_pair_before_until_another_comes(users: Users) -> None:
    first = users.drop("web")
    commit = users.commit(stack(web=server()), {**WEB_USE, "signal": "HUP"})
    with users.world.daemon():
        users.world.await_ready("shop", commit)
        users.await_told("CertificateServed")
        before = users.world.running("shop")
        users.drop("web")
        said = users.await_told("CertificateNotServed")
        assert "still shows another certificate" in said
        assert "the one before was put back" in said
        crt = users.place(WEB_USE).folder / "web.crt"
        eventually(crt.read_bytes, lambda content: content.startswith(first.pem))
        users.await_web(first)
    with users.world.daemon():
        users.world.await_ready("shop", commit)
        assert crt.read_bytes().startswith(first.pem), "it is not tried again after a start either"
        users.drop("web")
        users.await_told("CertificateNotServed", 2)
        assert users.world.running("shop") == before
        # Another release of the service is another chance.
        third = users.drop("web")
        users.await_told("CertificateNotServed", 3)
        eventually(crt.read_bytes, lambda content: content.startswith(first.pem))
        users.world.await_ready(
            "shop", users.commit(stack(web=server(environment=version(2))), {**WEB_USE, "signal": "HUP"})
        )
        users.await_told("CertificateNotServed", 4)
        # So is another way to tell it: replaced, it reads the pair.
        users.commit(stack(web=server(environment=version(2))), WEB_USE)
        users.await_web(third)


def test_a_command_that_fails_is_said_with_its_exit_status_and_the_pair_before_is_put_back(users: Users) -> None:
    first = users.drop("web")
    commit = users.commit(stack(web=server()), {**WEB_USE, "exec": ["sh", "-c", "exit 3"]})
    with users.world.daemon():
        users.world.await_ready("shop", commit)
        users.await_told("CertificateServed")
        users.drop("web")
        said = users.await_told("CertificateNotServed")
        assert "sh -c exit 3 ended with exit status 3; the one before was put back" in said
        crt = users.place(WEB_USE).folder / "web.crt"
        eventually(crt.read_bytes, lambda content: content.startswith(first.pem))


def test_a_command_that_hangs_is_given_up_soon(users: Users) -> None:
    first = users.drop("web")
    commit = users.commit(stack(web=server()), {**WEB_USE, "exec": ["sleep", "1000"]})
    with users.world.daemon():
        users.world.await_ready("shop", commit)
        users.await_told("CertificateServed")
        users.drop("web")
        assert "sleep has not ended within 10 s; the one before was put back" in users.await_told(
            "CertificateNotServed"
        )
        users.await_web(first)


# Told by being replaced


def test_a_service_that_reads_once_is_replaced_without_ever_being_away_and_shows_the_new_pair(users: Users) -> None:
    first = users.drop("web")
    with Timeline(users.world, "shop") as timeline:
        with users.world.daemon():
            users.world.await_ready("shop", users.commit(stack(web=server()), WEB_USE))
            users.await_web(first)
            users.await_told("CertificateServed")
            second = users.drop("web")
            users.await_web(second)
            users.await_told("CertificateServed", 2)
        assert timeline.serving("web") == [1, 2, 1]
    causes = [step["cause"] for step in users.world.passes("shop")[0]["steps"] if "cause" in step]
    assert not causes or "the certificate that it reads when it starts is a new one" in str(causes)
    assert users.listed("web")["fingerprint"] == second.fingerprint
    assert [place.partition("/")[2] for place in users.listed("web")["servedBy"]] == ["web"]


def test_a_replaced_service_that_shows_another_certificate_is_said_once_and_not_replaced_again(users: Users) -> None:
    users.drop("web")
    model = stack(web=server(entrypoint=["sh", "-c"], command=[KEEPS_ITS_FIRST], volumes=["./tls:/tls:ro", "own:/own"]))
    model["volumes"] = {"own": {}}
    with users.world.daemon():
        users.world.await_ready("shop", users.commit(model, WEB_USE))
        users.await_told("CertificateServed")
        before = users.world.container("shop", "web")["Id"]
        users.drop("web")
        said = users.await_told("CertificateNotServed")
        assert "web: web does not take it: it still shows another certificate 10 s after it began with it" in said
        replaced = users.world.running("shop")
        assert before not in str(replaced)
        assert len(users.world.containers("shop", "web")) == 1
    assert users.world.once().returncode == 0
    assert users.world.running("shop") == replaced
    assert len(users.told("CertificateNotServed")) == 1


# It copies what it finds at its very first start, and shows that for ever.
KEEPS_ITS_FIRST = (
    f"test -e /own/web.crt || cp -L /tls/web.* /own; exec python3 -c '{SERVER.replace('/tls/', '/own/')}' web"
)


@pytest.mark.parametrize("strategy", ["start-first", "stop-first"])
def test_a_service_that_cannot_start_with_a_new_pair_runs_on_with_the_one_before(users: Users, strategy: str) -> None:
    first = users.drop("web")
    command = ["sh", "-c", 'test $(wc -c </tls/web.crt) -lt 9000 && exec python3 -c "$0" web', SERVER]
    rollout = {"soak": "300ms", "timeout": "5s", "services": {"web": {"strategy": strategy}}}
    files = users.world.compose("shop", stack(web=server(command=command)), {"certs": [WEB_USE], "rollout": rollout})
    with users.world.daemon():
        users.world.await_ready("shop", users.world.commit(files))
        users.await_told("CertificateServed")
        before = users.world.container("shop", "web")["Id"]
        users.drop("web", *(f"web-{number}.a-name-that-is-long-enough.example.com" for number in range(200)))
        assert "could not be replaced for it" in users.await_told("CertificateNotServed")
        users.await_web(first)
        eventually(lambda: [found["Id"] for found in users.world.containers("shop")], lambda ids: ids == [before])
        users.world.docker("restart", before)
        users.await_web(first)
        second = users.drop("web")
        users.await_web(second)


# Several


def test_two_stacks_may_ask_for_the_same_pair(users: Users) -> None:
    users.drop("web")
    model = stack(web=server())
    with users.world.daemon():
        users.world.await_ready("shop", users.commit(model, WEB_USE))
        users.world.await_ready("blog", users.commit(model, WEB_USE, name="blog"))
        users.await_told("CertificateServed")
        users.await_told("CertificateServed", stack="blog")
        issued = users.drop("web")
        for name in ("shop", "blog"):
            eventually(
                partial(users.shown, "web", "web.example.com", 443, stack=name),
                lambda seen: seen == {issued.fingerprint},
            )
            users.await_told("CertificateServed", 2, stack=name)
        both = sorted(f"{users.world.name(name)}/web" for name in ("shop", "blog"))
        eventually(lambda: sorted(users.listed("web")["servedBy"]), lambda places: places == both)


def test_one_service_may_ask_for_two_pairs(users: Users) -> None:
    issued = {name: users.drop(name) for name in ("web", "mail")}
    uses = [WEB_USE, {**WEB_USE, "pair": "mail"}]
    with users.world.daemon():
        users.world.await_ready("shop", users.commit(stack(web=server("web", "mail")), *uses))
        users.await_told("CertificateServed", 2)
        issued["mail"] = users.drop("mail")
        users.await_told("CertificateServed", 3)
        for name, own in issued.items():
            assert users.shown("web", f"{name}.example.com", 443) == {own.fingerprint}
            assert users.listed(name)["servedBy"] == [f"{users.world.name('shop')}/web"]


def test_pairs_for_the_same_names_go_each_to_whoever_asks_for_it(users: Users) -> None:
    issued = {name: users.drop(name, "*.example.com") for name in ("web", "mail")}
    with users.world.daemon():
        for name, own in issued.items():
            use = {**WEB_USE, "pair": name}
            users.world.await_ready(name, users.commit(stack(web=server(name)), use, name=name))
            users.await_told("CertificateServed", stack=name)
            assert users.shown("web", "any.example.com", 443, stack=name) == {own.fingerprint}


# One pass and away


def test_once_tells_and_verifies_before_it_ends(users: Users) -> None:
    users.drop("db")
    users.commit(databases(db=database()), DB_USE)
    done = users.world.once()
    assert done.returncode == 0, done.stdout + done.stderr
    second = users.drop("db")
    assert users.world.once().returncode == 0
    assert users.shown("db", "db.example.com", 5432, "postgres") == {second.fingerprint}
    assert len(users.told("CertificateServed")) == 2
