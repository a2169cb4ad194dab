"""Let's Encrypt in the sample stack: ordered for what asks for it, proven on the port that is open, kept as host data."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from tests.e2e.sample import STACK, Sample, pair_for, sample_with_acme
from tests.e2e.terminal import Terminal
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine


@pytest.fixture
def sample(world: World) -> Iterator[Sample]:
    with sample_with_acme(world) as made:
        yield made


def test_where_port_80_is_open_the_proof_is_given_there_and_http_leads_to_https(world: World) -> None:
    with sample_with_acme(world, by_http=True) as sample:
        sample.install()
        sample.publish(ordered=["a.test"])
        eventually(lambda: sample.is_trusted("a.test"))
        assert published(sample) == {"443/tcp": str(sample.tls_port), f"{sample.http_port}/tcp": str(sample.http_port)}
        assert sample.redirect("a.test") == f"https://a.test:{sample.tls_port}/x"


def test_while_nothing_is_ordered_nobody_is_asked_for_anything(sample: Sample) -> None:
    for email in ("ops@example.com", ""):
        sample.install(LETSENCRYPT_EMAIL=email)
        sample.publish(pairs=[pair_for("a.test")])
        eventually(lambda: sample.names("a.test"), lambda names: "a.test" in names)
    assert sample.ca.requests() == 0


def test_a_domain_is_proven_by_port_443_alone_and_what_comes_of_it_is_host_data_that_only_the_owner_reads(
    sample: Sample,
) -> None:
    sample.install()
    sample.publish(ordered=["a.test"])
    eventually(lambda: sample.is_trusted("a.test"))
    assert published(sample) == {"443/tcp": str(sample.tls_port)}
    before, container = sample.served("a.test"), sample.world.container(STACK, "traefik")["Id"]

    # Another release: Traefik is replaced.
    sample.install(LETSENCRYPT_EMAIL="other@example.com")
    assert sample.world.container(STACK, "traefik")["Id"] != container
    eventually(lambda: sample.served("a.test"), lambda shown: shown == before)
    assert sample.ca.orders() == 1
    assert stat.S_IMODE(sample.acme_file.stat().st_mode) == 0o600

    # The same server by another address of it is another CA to whoever knows it by its address: a file of its own.
    first = sample.acme_file
    content = first.read_bytes()
    assert first.name != "acme.json"
    sample.install(LETSENCRYPT_CA_SERVER=sample.ca.directory + "?again")
    sample.publish(ordered=["a.test"])
    (second,) = set(sample.letsencrypt.glob("acme*.json")) - {first}
    eventually(lambda: "a.test" in second.read_text())
    assert sample.ca.orders() == 2
    assert first.read_bytes() == content


def test_an_account_is_bound_to_what_the_ca_knows_its_customer_by(world: World) -> None:
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    with sample_with_acme(world, accounts={"kid-1": key}) as sample:
        sample.install(LETSENCRYPT_EAB_KID="kid-1", LETSENCRYPT_EAB_HMAC=key)
        sample.publish(ordered=["a.test"])
        eventually(lambda: sample.is_trusted("a.test"))


def test_what_no_pair_covers_is_ordered_by_the_reconciler_and_nothing_else(sample: Sample) -> None:
    commit = sample.commit(["a.test"])
    with sample.daemon("a.test"):
        sample.world.await_ready(STACK, commit)
        eventually(lambda: sample.is_trusted("a.test"))
    assert sample.ca.orders() == 1


def test_domains_that_cannot_be_proven_are_ordered_for_once_and_hold_up_no_other(sample: Sample) -> None:
    """Each proof by TLS-ALPN changes Traefik's configuration, and each change orders anew for every router that is there."""
    bad = ["a.bad.test", "b.bad.test"]
    for name in bad:
        sample.ca.lose_name(name)
    with sample.daemon(*bad, "good.test"):
        sample.world.await_ready(STACK, sample.commit([*bad, "good.test"]))
        eventually(lambda: sample.is_trusted("good.test"))
        eventually(lambda: {sample.state_of(name) for name in bad}, lambda states: states == {"failed"})
        ordered = sample.ca.orders()
        for _ in range(5):
            sample.await_shown("good.test", sample.drop("other", "good.test"))
    assert ordered <= 2 * len(bad) + 1
    assert sample.ca.orders() == ordered


def test_a_pair_that_is_there_first_keeps_the_ca_from_ever_being_asked(sample: Sample) -> None:
    sample.drop("a", "a.test")
    with sample.daemon("a.test"):
        sample.world.await_ready(STACK, sample.commit(["a.test"]))
        before = sample.world.running(STACK)
        for _ in range(20):
            issued = sample.drop("a", "a.test")
            sample.await_shown("a.test", issued)
        assert sample.world.running(STACK) == before
    assert sample.ca.requests() == 0


def test_a_pair_takes_over_what_acme_holds_and_gives_it_back(sample: Sample) -> None:
    names = ["a.test", "b.test"]
    with sample.daemon(*names):
        sample.world.await_ready(STACK, sample.commit(names))
        eventually(lambda: sample.is_trusted("a.test") and sample.is_trusted("b.test"))
        of_acme, ordered = sample.fingerprint("b.test"), sample.ca.orders()

        sample.drop("a", "a.test")
        eventually(lambda: [s for s in sample.world.steps(STACK) if s.startswith("take a.test out of")])
        eventually(sample.held, lambda held: held == {"b.test"})
        for _ in range(20):
            issued = sample.drop("a", "a.test")
            sample.await_shown("a.test", issued)
        assert {sample.fingerprint("a.test") for _ in range(20)} == {issued.fingerprint}
        assert sample.fingerprint("b.test") == of_acme
        assert sample.ca.orders() == ordered
        assert stat.S_IMODE(sample.acme_file.stat().st_mode) == 0o600

        running = sample.world.running(STACK)
        sample.undrop("a")
        eventually(lambda: sample.is_trusted("a.test"))
        assert sample.world.running(STACK) == running
    assert sample.ca.orders() == ordered + 1


def test_an_expired_pair_gives_way_to_acme(sample: Sample) -> None:
    with sample.daemon("a.test"):
        sample.world.await_ready(STACK, sample.commit([]))
        short = sample.drop("a", "a.test", days=6 / 86400)
        eventually(lambda: sample.state_of("a"), lambda state: state == "valid")
        sample.world.await_ready(STACK, sample.commit(["a.test"]))
        eventually(lambda: sample.is_trusted("a.test"))
        assert sample.fingerprint("a.test") != short.fingerprint
    assert sample.world.told("", "CertificateWithdrawn", "CertificateIssued")


def test_a_ca_that_is_down_is_asked_again_until_it_is_up(sample: Sample) -> None:
    sample.ca.shut()
    with sample.daemon("a.test"):
        sample.world.await_ready(STACK, sample.commit(["a.test"]))
        eventually(lambda: sample.state_of("a.test"), lambda state: state == "failed")
        assert sample.world.told("", "OrderFailed")
        sample.ca.open()
        eventually(lambda: sample.is_trusted("a.test"))


def test_a_domain_that_leads_elsewhere_is_not_ordered_for_until_it_leads_here(sample: Sample) -> None:
    with sample.daemon():
        sample.world.await_ready(STACK, sample.commit(["a.test"]))
        eventually(lambda: sample.state_of("a.test"), lambda state: state == "uncovered")
        assert "does not resolve" in str(sample.world.told("", "DomainUncovered"))
        assert sample.ca.requests() == 0
        sample.resolve("a.test")
        eventually(lambda: sample.is_trusted("a.test"))
    assert sample.ca.orders() == 1


def test_who_chooses_it_in_init_is_served_by_its_certificate(sample: Sample) -> None:
    sample.commit_settings_too("a.test")
    (sample.world.root / "host.yaml").unlink()
    words = [*sample.program("a.test"), "init", str(sample.world.root)]
    person = Terminal(words, {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"})
    person.answer("Git repository", str(sample.world.repository))
    person.answer("branch", "")
    person.answer("folder", "stacks")
    person.await_words(r"Nobody has one for a\.test")
    person.answer("How", "2")
    person.answer("Whom may it write to", "nobody")
    person.await_words("write an e-mail address")
    person.answer("Whom may it write to", "ops@example.com")
    person.answer("Start now", "y")
    person.await_words(r"a\.test: valid, by .*, until 20")
    assert person.status() == 0, person.printed
    assert sample.is_trusted("a.test"), person.printed
    assert sample.ca.orders() == 1


def published(sample: Sample) -> dict[str, str]:
    """Ports of the host by the container's."""
    found = sample.world.container(STACK, "traefik")["HostConfig"]["PortBindings"]
    return {port: binding["HostPort"] for port, bindings in found.items() for binding in bindings}
