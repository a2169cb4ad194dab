"""What is dropped into ``certs/`` is served by the real Traefik, at once and without losing a request; nothing else is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.e2e.served import STACK, Load, Served, http2, keep_alive, new_connections, served, write
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

DOMAINS = tuple(f"{letter}.example.com" for letter in "abcdefghijklm")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One stack for all scenarios of this module, each with a domain of its own."""
    world = World(tmp_path_factory.mktemp("certificates"))
    try:
        with served(world, *DOMAINS) as made:
            yield made
    finally:
        world.clean()
        print(world.logs())


def test_fifty_rotations_under_load_lose_no_request_and_leave_the_proxy_running(proxy: Served) -> None:
    domain, world = "a.example.com", proxy.world
    proxy.drop("a", proxy.ca.issue(domain))
    before = world.container(STACK, "traefik")["State"]
    with Load(proxy.port, domain).running([keep_alive, new_connections, http2]) as load:
        for _ in range(50):
            issued = proxy.ca.issue(domain)
            proxy.drop("a", issued)
            proxy.await_shown(domain, issued)
    after = world.container(STACK, "traefik")["State"]
    assert load.failures == []
    assert load.answered.keys() == {"keep-alive", "new connection", "HTTP/2"}
    assert min(load.answered.values()) > 50, load.answered
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])


@pytest.mark.parametrize("first", ["crt", "key"])
def test_the_halves_may_come_in_any_order_and_far_apart(proxy: Served, first: str) -> None:
    issued = proxy.ca.issue("b.example.com")
    halves = {"crt": issued.chain_pem, "key": issued.key_pem}
    write(proxy.certs / f"b.{first}", halves.pop(first))
    proxy.await_state("b", "invalid")  # after some quiet seconds
    (second, content) = halves.popitem()
    write(proxy.certs / f"b.{second}", content)
    proxy.await_shown("b.example.com", issued)
    assert proxy.await_state("b", "valid")["verified_by"] == (f"{proxy.world.name(STACK)}/traefik",)
    for ending in ("crt", "key"):
        (proxy.certs / f"b.{ending}").unlink()


def test_a_pair_that_is_written_slowly_is_served_when_it_is_whole_and_never_before(proxy: Served) -> None:
    old, new = proxy.ca.issue("c.example.com"), proxy.ca.issue("c.example.com")
    proxy.drop("c", old)
    proxy.await_shown("c.example.com", old)
    seen = set()
    for name, content in (("c.key", new.key_pem), ("c.crt", new.chain_pem)):
        with (proxy.certs / name).open("wb", buffering=0) as file:
            for start in range(0, len(content), 64):
                file.write(content[start : start + 64])
                seen.add(proxy.shown("c.example.com"))
    proxy.await_shown("c.example.com", new)
    assert seen <= {old.fingerprint, new.fingerprint}


def by_mv(folder: Path, staged: Path) -> None:
    for path in sorted(staged.iterdir()):
        subprocess.run(["mv", str(path), str(folder / path.name)], check=True)


def by_cp(folder: Path, staged: Path) -> None:
    subprocess.run(["cp", "-p", *map(str, staged.iterdir()), str(folder)], check=True)


def by_a_link_that_is_turned(folder: Path, staged: Path) -> None:
    """As Kubernetes and certbot lay out what they renew."""
    inside = folder / f"live-{staged.name}"
    subprocess.run(["cp", "-r", str(staged), str(inside)], check=True)
    for path in staged.iterdir():
        link = folder / f".{path.name}.new"
        link.symlink_to(f"{inside.name}/{path.name}")
        os.replace(link, folder / path.name)


@pytest.mark.parametrize("arrive", [by_mv, by_cp, by_a_link_that_is_turned])
def test_it_does_not_matter_how_files_arrive(
    proxy: Served, arrive: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    for number in range(2):
        issued = proxy.ca.issue("d.example.com")
        staged = tmp_path / str(number)
        staged.mkdir()
        write(staged / "d.crt", issued.chain_pem)
        write(staged / "d.key", issued.key_pem)
        arrive(proxy.certs, staged)
        proxy.await_shown("d.example.com", issued)


def test_a_folder_that_is_replaced_by_another_is_watched_on(proxy: Served, tmp_path: Path) -> None:
    issued = proxy.ca.issue("e.example.com")
    away = proxy.certs.with_name("certs.old")
    proxy.certs.rename(away)
    try:
        proxy.drop("e", issued)
        proxy.await_shown("e.example.com", issued)
    finally:
        for path in proxy.certs.iterdir():
            path.rename(away / path.name)
        proxy.certs.rmdir()
        away.rename(proxy.certs)


def test_thirty_pairs_that_arrive_together_are_one_publication(proxy: Served, tmp_path: Path) -> None:
    published = proxy.world.root / "state" / "traefik" / proxy.world.name(STACK) / "certificates.yml"
    proxy.drop("f", proxy.ca.issue("f.example.com"))
    staged = tmp_path / "staged"
    staged.mkdir()
    pairs = {f"f{number}": proxy.ca.issue("f.example.com", f"{number}.f.example.com") for number in range(30)}
    for name, issued in pairs.items():
        write(staged / f"{name}.crt", issued.chain_pem)
        write(staged / f"{name}.key", issued.key_pem)
    seen = {published.stat().st_ino}

    def state() -> object:
        seen.add(published.stat().st_ino)
        return proxy.listed("f29").get("state")

    mover = subprocess.Popen(["sh", "-c", f"mv {staged}/* {proxy.certs}"])
    eventually(state, lambda found: found == "valid")
    mover.wait()
    assert len(seen) <= 2
    for name in pairs:
        proxy.remove(name)
    eventually(lambda: proxy.listed("f29") == {})


def test_what_arrives_while_nobody_looks_is_served_at_the_next_start(world: World) -> None:
    with served(world, "a.example.com") as made:
        made.drop("a", made.ca.issue("a.example.com"))
        made.await_state("a", "valid")
    renewed = made.ca.issue("a.example.com")
    made.drop("a", renewed)
    with world.daemon():
        made.await_shown("a.example.com", renewed)


def test_an_invalid_pair_changes_nothing_for_itself_or_others_and_says_how_to_mend_it(proxy: Served) -> None:
    good, other = proxy.ca.issue("g.example.com"), proxy.ca.issue("h.example.com")
    proxy.drop("g", good)
    proxy.drop("h", other)
    proxy.await_shown("h.example.com", other)
    expired = proxy.ca.issue("g.example.com", days=-1, since_days=30)
    proxy.drop("g", expired)
    assert "expired" in proxy.await_state("g", "invalid")["message"]
    renewed = proxy.ca.issue("h.example.com")
    proxy.drop("h", renewed)
    proxy.await_shown("h.example.com", renewed)
    assert proxy.shown("g.example.com") == good.fingerprint
    proxy.drop("g", good)
    proxy.await_state("g", "valid")
    assert [event.message for event in proxy.world.told("", "CertificateRejected") if event.message.startswith("g:")]


def test_a_pair_that_goes_is_withdrawn_only_if_its_names_are_covered_still(proxy: Served) -> None:
    one, two = proxy.ca.issue("i.example.com"), proxy.ca.issue("i.example.com", "j.example.com")
    proxy.drop("one", one)
    proxy.drop("two", two)
    eventually(lambda: proxy.listed("two").get("state") == "valid" and proxy.listed("one").get("state") == "valid")
    proxy.remove("one")
    eventually(lambda: proxy.listed("one") == {})
    proxy.await_shown("i.example.com", two)
    proxy.remove("two")
    message = proxy.await_state("two", "kept")["message"]
    assert "i.example.com, j.example.com would be left without a certificate" in message
    assert proxy.shown("j.example.com") == two.fingerprint


def test_a_name_without_any_certificate_gets_ours_for_all_other_names_and_is_told_of(proxy: Served) -> None:
    listed = eventually(lambda: proxy.listed("m.example.com"))
    assert "no pair in certs/ covers it" in listed["message"]
    assert proxy.shown("m.example.com") == proxy.shown("unheard-of.example.org")


def test_a_proxy_that_shows_another_certificate_gets_the_last_good_file_back(proxy: Served) -> None:
    """A file of somebody else in the folder that Traefik reads, with a pair that has the same names."""
    good = proxy.ca.issue("k.example.com")
    proxy.drop("k", good)
    proxy.await_shown("k.example.com", good)
    folder = proxy.world.root / "state" / "traefik" / proxy.world.name(STACK)
    write(folder / "broken.yml", b"http: {routers: [")  # with it there Traefik reads nothing any more
    before = (folder / "certificates.yml").read_bytes()
    try:
        proxy.drop("k", proxy.ca.issue("k.example.com"))
        message = proxy.await_state("k", "invalid")["message"]
        assert "the one before was put back" in message
        assert (folder / "certificates.yml").read_bytes() == before
        assert proxy.shown("k.example.com") == good.fingerprint
    finally:
        (folder / "broken.yml").unlink()
    newest = proxy.ca.issue("k.example.com")
    proxy.drop("k", newest)
    proxy.await_shown("k.example.com", newest)


def test_no_key_is_to_be_found_in_state_db_or_in_what_is_said(proxy: Served) -> None:
    issued = Authority("Secret").issue("l.example.com")
    proxy.drop("l", issued)
    eventually(lambda: proxy.listed("l"))
    lines = [line for line in issued.key_pem.decode().splitlines() if not line.startswith("-")]
    database = (proxy.world.root / "state" / "state.db").read_bytes()
    told = proxy.world.logs() + str(proxy.world.told(""))
    assert not [line for line in lines if line.encode() in database or line in told]
    modes = {
        path.name: path.stat().st_mode & 0o077 for path in (proxy.world.root / "state").rglob("*") if path.is_file()
    }
    assert not [name for name in ("certificates.yml", "pairs.json", "default.json", "state.db") if modes[name]]
