"""What the product takes for granted of an engine and of Compose: on the fakes, and on the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.desired import LABEL_DEFINITION, Injection, LifecycleHook
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.observed import Probe, State
from tests.contract.bench import SAID, Bench, FakeBench, RealBench, names
from tests.free_ports import free_port


@pytest.fixture(params=["fake", pytest.param("engine", marks=pytest.mark.engine)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made: Bench = FakeBench(tmp_path) if request.param == "fake" else RealBench(tmp_path)
    yield made
    made.clear()


# --- Reading


def test_a_container_has_a_process_and_an_address_on_each_of_its_networks_while_it_runs(bench: Bench) -> None:
    made = bench.create()
    assert (made.addresses, bench.engine.process(made.id)) == ((), 0)
    bench.engine.start(made.id)
    running = bench.look(made)
    assert [network for network, _ in running.addresses] == [place.network for place in running.settings.endpoints]
    assert all(address for _, address in running.addresses)
    assert bench.engine.process(made.id) > 0
    bench.engine.stop(made.id, 0.0)
    assert (bench.look(made).addresses, bench.engine.process(made.id)) == ((), 0)


def test_of_a_containers_labels_those_are_known_that_proxies_read(bench: Bench) -> None:
    labels = {"traefik.enable": "true", "traefik.http.routers.web.rule": "Host(`a.test`)", "other": "x"}
    made = bench.create(labels=labels)
    assert dict(made.labels) == {key: value for key, value in labels.items() if key != "other"}


def test_the_containers_of_one_stack_are_what_is_its_of_all(bench: Bench) -> None:
    made = bench.create()
    assert made.stack == bench.project
    assert bench.engine.containers(bench.project) == (made,)
    assert made in bench.engine.containers()
    assert bench.engine.containers("nobody") == ()


# --- Creating


def test_a_container_is_made_beside_the_old_one_which_stays_as_it_is(bench: Bench) -> None:
    old = bench.up()
    model = bench.model({"web": bench.service("steady")}, definition="second")
    bench.compose.create(bench.project, model, ["web"], {"web": 2}, {})
    first, second = bench.found("web")
    assert first == old
    assert (second.state, second.definition, second.number) == (State.CREATED, "second", 2)
    assert second.name == f"{bench.project}-web-2"
    assert second.owned


def test_compose_takes_away_what_it_counts_as_too_many(bench: Bench) -> None:
    """The danger that ``totals`` is there for: a dependency left at its own scale."""
    services = {"db": bench.service("steady"), "web": bench.service("steady", depends_on=_started("db"))}
    model = bench.model(services)
    bench.compose.create(bench.project, model, ["web"], {"web": 1, "db": 2}, {})
    bench.compose.create(bench.project, model, ["web"], {"web": 2, "db": 2}, {})
    assert len(bench.found("db")) == 2
    bench.compose.create(bench.project, model, ["web"], {"web": 2}, {})
    assert names(bench.found("db")) == [f"{bench.project}-db-1"]


def test_a_dependency_that_is_missing_is_made_too(bench: Bench) -> None:
    services = {"db": bench.service("steady"), "web": bench.service("steady", depends_on=_started("db"))}
    bench.compose.create(bench.project, bench.model(services), ["web"], {"web": 1, "db": 1}, {})
    assert [found.service for found in bench.found()] == ["db", "web"]


def test_an_image_that_is_missing_is_named_and_nothing_is_made(bench: Bench) -> None:
    model = bench.model({"web": bench.service("steady", image="nobody/has:this")})
    with pytest.raises(WaitingError, match="nobody/has:this") as raised:
        bench.compose.create(bench.project, model, ["web"], {"web": 1}, {})
    assert raised.value.reason == "ImageMissing"
    assert not bench.found()


def test_a_name_that_another_container_has_is_named(bench: Bench) -> None:
    other = bench.create()
    bench.engine.rename(other.id, f"{bench.project}-api-1")
    model = bench.model({"web": bench.service("steady"), "api": bench.service("steady")})
    with pytest.raises(WaitingError, match=f"{bench.project}-api-1") as raised:
        bench.compose.create(bench.project, model, ["api"], {"web": 1, "api": 1}, {})
    assert raised.value.reason == "NameTaken"


def test_a_service_that_is_not_in_the_model_stalls(bench: Bench) -> None:
    with pytest.raises(StalledError, match="nosuch"):
        bench.compose.create(bench.project, bench.model({"web": bench.service("steady")}), ["nosuch"], {}, {})


def test_composes_own_recreate_keeps_name_and_number(bench: Bench) -> None:
    old = bench.up()
    model = bench.model({"web": bench.service("steady")}, definition="second")
    bench.compose.recreate(bench.project, model, ["web"], {}, anew=False)
    new = bench.only("web")
    assert (new.name, new.number, new.definition, new.state) == (old.name, old.number, "second", State.RUNNING)
    assert new.id != old.id
    bench.compose.recreate(bench.project, model, ["web"], {}, anew=False)
    assert bench.only("web").id == new.id
    bench.compose.recreate(bench.project, model, ["web"], {}, anew=True)
    assert (bench.only("web").name, bench.only("web").id != new.id) == (new.name, True)


def test_composes_own_recreate_of_what_cannot_start_loses_the_old(bench: Bench) -> None:
    bench.up()
    model = bench.model({"web": bench.service("broken")}, definition="second")
    with pytest.raises(StalledError) as raised:
        bench.compose.recreate(bench.project, model, ["web"], {}, anew=False)
    assert raised.value.reason == "StartFailed"
    assert (bench.only("web").definition, bench.only("web").state) == ("second", State.CREATED)


def test_who_lives_in_a_container_that_was_replaced_is_recreated_though_its_definition_is_the_same(
    bench: Bench,
) -> None:
    def model(definition: str) -> Path:
        side = bench.service("steady", network_mode="service:web")
        del side["networks"]
        path = bench.model({"web": bench.service("steady"), "side": side}, definition="first")
        content = json.loads(path.read_text())
        content["services"]["web"]["labels"][LABEL_DEFINITION] = definition
        path.write_text(json.dumps(content))
        return path

    bench.compose.recreate(bench.project, model("first"), ["web", "side"], {}, anew=False)
    old = bench.only("side")
    bench.compose.recreate(bench.project, model("second"), ["web"], {}, anew=False)
    assert bench.only("side").id == old.id
    bench.compose.recreate(bench.project, model("second"), ["side"], {}, anew=False)
    assert bench.only("side").id != old.id
    assert bench.only("side").joins == (bench.only("web").id,)


# --- What is seen


def test_settings_read_the_same_before_and_after_the_start(bench: Bench) -> None:
    made = bench.create(mem_limit="67108864", pids_limit=100, cpus=0.5, restart="on-failure:3")
    bench.engine.start(made.id)
    running = bench.look(made)
    assert running.settings == made.settings
    assert dict(made.settings.resources) | {"Memory": 64 << 20, "MemorySwap": 128 << 20} == dict(
        made.settings.resources
    )
    assert [endpoint.network for endpoint in made.settings.endpoints] == [bench.network]
    assert set(made.settings.endpoints[0].aliases) == {"web", made.name}


def test_a_container_without_limits_reads_as_zeros(bench: Bench) -> None:
    resources = dict(bench.create().settings.resources)
    assert resources.pop("RestartPolicy.Name") == "no"
    assert set(resources.values()) <= {0, ""}
    assert len(resources) == 12


def test_who_shares_anothers_network_is_seen_to_join_it(bench: Bench) -> None:
    services = {"web": bench.service("steady"), "side": bench.service("steady", network_mode="service:web")}
    del services["side"]["networks"]
    bench.compose.create(bench.project, bench.model(services), ["side"], {"web": 1, "side": 1}, {})
    assert bench.only("side").joins == (bench.only("web").id,)
    assert bench.only("side").settings.endpoints == ()


def test_anonymous_volumes_are_seen(bench: Bench) -> None:
    mounts = [{"type": "volume", "target": "/cache"}]
    assert bench.create(volumes=mounts).has_anonymous_volumes
    bench.engine.remove(bench.only("web").id)
    assert not bench.create().has_anonymous_volumes


def test_networks_of_ours_are_seen_and_can_go_when_nobody_uses_them(bench: Bench) -> None:
    running = bench.up()
    (network,) = (found for found in bench.engine.networks() if found.stack == bench.project)
    assert (network.name, network.definition, network.owned) == (bench.network, "network", True)
    with pytest.raises(WaitingError):
        bench.engine.remove_network(network.id)
    bench.engine.stop(running.id, 0)
    bench.engine.remove(running.id)
    bench.engine.remove_network(network.id)
    bench.engine.remove_network(network.id)
    assert bench.project not in {found.stack for found in bench.engine.networks()}


def test_containers_without_our_label_are_foreign(bench: Bench, tmp_path: Path) -> None:
    bench.root_id, ours = "somebody else's", bench.root_id
    foreign = bench.create()
    bench.root_id = ours
    assert not foreign.owned
    assert foreign.stack == bench.project


# --- Starting and stopping


def test_a_container_with_a_healthcheck_becomes_healthy(bench: Bench) -> None:
    made = bench.create("healthy")
    assert made.started_at == 0
    bench.engine.start(made.id)
    assert bench.look(made).probe is Probe.STARTING
    assert bench.look(made).started_at > 0
    bench.eventually(lambda: bench.look(made).probe is Probe.HEALTHY)


def test_a_container_that_is_sick_becomes_unhealthy_and_runs_on(bench: Bench) -> None:
    made = bench.up("sick")
    bench.eventually(lambda: bench.look(made).probe is Probe.UNHEALTHY)
    assert bench.look(made).state is State.RUNNING


def test_a_container_without_a_healthcheck_has_no_probe(bench: Bench) -> None:
    assert bench.up().probe is Probe.NONE


@pytest.mark.parametrize(("kind", "exit_code"), [("done", 0), ("failed", 3)])
def test_a_job_ends_with_its_exit_status(bench: Bench, kind: str, exit_code: int) -> None:
    made = bench.up(kind)
    bench.eventually(lambda: bench.look(made).state is State.EXITED)
    assert bench.look(made).exit_code == exit_code


def test_a_crash_loop_is_counted(bench: Bench) -> None:
    made = bench.up("crashing")
    bench.eventually(lambda: bench.look(made).restart_count >= 2)
    assert bench.look(made).running


def test_what_cannot_run_stalls(bench: Bench) -> None:
    made = bench.create("broken")
    with pytest.raises(StalledError, match=made.name) as raised:
        bench.engine.start(made.id)
    assert raised.value.reason == "StartFailed"


def test_a_start_of_what_is_gone_waits_for_the_next_look(bench: Bench) -> None:
    made = bench.create()
    bench.engine.remove(made.id)
    with pytest.raises(WaitingError):
        bench.engine.start(made.id)


def test_a_port_that_is_held_is_named(bench: Bench) -> None:
    port = free_port()
    ports = [{"mode": "ingress", "target": 80, "published": str(port), "protocol": "tcp"}]
    services = {"web": bench.service("steady", ports=ports), "api": bench.service("steady", ports=ports)}
    bench.compose.create(bench.project, bench.model(services), ["web", "api"], {"web": 1, "api": 1}, {})
    bench.engine.start(bench.only("web").id)
    with pytest.raises(WaitingError, match=str(port)) as raised:
        bench.engine.start(bench.only("api").id)
    assert raised.value.reason == "PortTaken"
    assert f"0.0.0.0:{port}/tcp" in bench.only("web").ports


def test_starting_what_runs_and_stopping_what_stands_is_fine(bench: Bench) -> None:
    running = bench.up()
    bench.engine.start(running.id)
    assert bench.look(running).started_at == running.started_at
    bench.engine.stop(running.id, 1)
    bench.engine.stop(running.id, None)
    assert bench.look(running).state is State.EXITED
    bench.engine.remove(running.id)
    bench.engine.stop(running.id, None)


def test_a_restart_is_a_new_start(bench: Bench) -> None:
    running = bench.up()
    bench.wait(0.01)
    bench.engine.restart(running.id, 1)
    assert bench.look(running).state is State.RUNNING
    assert bench.look(running).started_at > running.started_at


def test_an_unpaused_container_runs_on(bench: Bench) -> None:
    running = bench.up()
    bench.somebody.pause(running.name)
    assert bench.look(running).state is State.PAUSED
    bench.engine.unpause(running.id)
    bench.engine.unpause(running.id)
    assert bench.look(running).state is State.RUNNING


# --- Removing, renaming, mending


def test_what_runs_is_not_removed(bench: Bench) -> None:
    running = bench.up()
    with pytest.raises(WaitingError):
        bench.engine.remove(running.id)
    assert bench.look(running).state is State.RUNNING


def test_removing_twice_is_fine(bench: Bench) -> None:
    made = bench.create()
    bench.engine.remove(made.id)
    bench.engine.remove(made.id)
    assert bench.engine.inspect(made.id) is None


def test_a_renamed_container_is_still_its_services_one(bench: Bench) -> None:
    made = bench.create()
    bench.engine.rename(made.id, f"{bench.project}-fixed")
    bench.engine.rename(made.id, f"{bench.project}-fixed")
    assert bench.look(made).name == f"{bench.project}-fixed"
    bench.compose.create(bench.project, bench.model({"web": bench.service("steady")}), ["web"], {"web": 1}, {})
    assert bench.only("web").id == made.id


def test_a_name_in_use_is_not_given(bench: Bench) -> None:
    services = {"web": bench.service("steady"), "api": bench.service("steady")}
    bench.compose.create(bench.project, bench.model(services), ["web", "api"], {"web": 1, "api": 1}, {})
    with pytest.raises(WaitingError) as raised:
        bench.engine.rename(bench.only("web").id, bench.only("api").name)
    assert raised.value.reason == "NameTaken"


@pytest.mark.parametrize("limits", [{}, {"mem_limit": "67108864"}, {"mem_limit": "67108864", "memswap_limit": -1}])
def test_a_memory_limit_that_somebody_set_is_taken_back(bench: Bench, limits: dict[str, Any]) -> None:
    running = bench.up(**limits)
    bench.somebody.limit_memory(running.name, 96 << 20)
    changed = dict(bench.look(running).settings.resources)
    assert changed["Memory"] == 96 << 20
    wanted = dict(running.settings.resources)
    bench.engine.update(running.id, {key: value for key, value in wanted.items() if changed[key] != value})
    assert bench.look(running).settings == running.settings


def test_a_lowered_limit_is_raised_again_where_swap_has_none(bench: Bench) -> None:
    running = bench.up(mem_limit="134217728", memswap_limit=-1)
    bench.somebody.limit_memory(running.name, 64 << 20)
    bench.engine.update(running.id, {"Memory": 128 << 20, "MemorySwap": -1})
    assert bench.look(running).settings == running.settings


def test_every_limit_can_be_set_and_lifted(bench: Bench) -> None:
    running = bench.up()
    limits: dict[str, str | int] = {
        "CpuShares": 512,
        "CpusetCpus": "0",
        "Memory": 64 << 20,
        "MemoryReservation": 32 << 20,
        "MemorySwap": 64 << 20,
        "NanoCpus": 500_000_000,
        "PidsLimit": 50,
        "RestartPolicy.MaximumRetryCount": 3,
        "RestartPolicy.Name": "on-failure",
    }
    bench.engine.update(running.id, limits)
    limited = dict(bench.look(running).settings.resources)
    assert limited | limits == limited
    bench.engine.update(running.id, dict(running.settings.resources))
    assert bench.look(running).settings == running.settings


def test_a_network_that_somebody_cut_off_is_connected_as_it_was(bench: Bench) -> None:
    running = bench.up(networks={"default": {"aliases": ["shop"]}})
    (wanted,) = running.settings.endpoints
    bench.somebody.disconnect(running.name, bench.network)
    assert bench.look(running).settings.endpoints == ()
    bench.engine.connect(running.id, wanted)
    bench.engine.connect(running.id, wanted)
    assert bench.look(running).settings == running.settings
    bench.engine.disconnect(running.id, bench.network)
    bench.engine.disconnect(running.id, bench.network)
    assert bench.look(running).settings.endpoints == ()


def test_connecting_to_a_network_that_is_not_there_waits(bench: Bench) -> None:
    running = bench.up()
    endpoint = running.settings.endpoints[0]
    with pytest.raises(WaitingError):
        bench.engine.connect(running.id, type(endpoint)("nosuchnetwork"))


# --- Inside


def test_hooks_run_inside_and_tell_their_exit_status(bench: Bench) -> None:
    running = bench.up()
    assert bench.engine.execute(running.id, LifecycleHook(("true",))) == 0
    bench.engine.stop(running.id, 1)
    with pytest.raises(WaitingError):
        bench.engine.execute(running.id, LifecycleHook(("true",)))


def test_files_are_injected_before_the_start(bench: Bench) -> None:
    made = bench.create()
    bench.engine.inject(made.id, [Injection("/etc/app/app.conf", "port = 80\n")])
    bench.engine.start(made.id)
    assert bench.look(made).state is State.RUNNING


def test_the_last_lines_of_a_log_are_given(bench: Bench) -> None:
    made = bench.create("chatty")
    assert bench.engine.logs(made.id, 20) == ""
    bench.engine.start(made.id)
    bench.eventually(lambda: bench.engine.logs(made.id, 20) == SAID)
    assert bench.engine.logs(made.id, 2) == "two\nthree"
    bench.engine.stop(made.id, 0)
    bench.engine.remove(made.id)
    assert bench.engine.logs(made.id, 20) == ""


# --- Images


def test_a_tag_that_somebody_moved_is_moved_back(bench: Bench) -> None:
    reference = f"contract/{bench.project}:1"
    assert bench.engine.image(reference) is None
    try:
        bench.somebody.tag(bench.image, reference)
        mine = bench.engine.image(reference)
        bench.somebody.tag(bench.other_image, reference)
        moved = bench.engine.image(reference)
        assert mine is not None
        assert moved is not None
        assert moved.id != mine.id
        bench.engine.tag(mine.id, reference)
        assert bench.engine.image(reference) == mine
    finally:
        _untag(bench, reference)


def test_an_image_that_no_registry_gives_waits_and_is_named(bench: Bench) -> None:
    with pytest.raises(WaitingError, match=bench.image_nobody_has) as raised:
        bench.engine.pull(bench.image_nobody_has, lambda _: None)
    assert raised.value.reason == "ImagePullFailed"


# --- Events, and seeing right after them

MEDDLING: dict[str, tuple[str, Callable[[Bench, str], None]]] = {
    "stop": ("die", lambda bench, name: bench.somebody.stop(name)),
    "kill": ("die", lambda bench, name: bench.somebody.kill(name)),
    "pause": ("pause", lambda bench, name: bench.somebody.pause(name)),
    "update": ("update", lambda bench, name: bench.somebody.limit_memory(name, 96 << 20)),
    "rename": ("rename", lambda bench, name: bench.somebody.rename(name, f"{bench.project}-other")),
    "disconnect": ("disconnect", lambda bench, name: bench.somebody.disconnect(name, bench.network)),
    "remove": ("destroy", lambda bench, name: bench.somebody.remove(name)),
}


@pytest.mark.parametrize("how", MEDDLING)
def test_every_kind_of_meddling_is_told_at_once_and_then_seen(bench: Bench, how: str) -> None:
    ear = bench.listen()
    running = bench.up()
    before = bench.found()
    assert bench.found() == before
    said, meddle = MEDDLING[how]
    meddle(bench, running.name)
    event = ear.hears(lambda event: event.container_id == running.id and event.detail.startswith(said))
    assert event.stack == bench.project
    assert bench.found() != before
    assert bench.found() == [found for found in [bench.engine.inspect(running.id)] if found is not None]


@pytest.mark.parametrize("how", MEDDLING)
def test_every_kind_of_meddling_is_seen_without_anybody_listening(bench: Bench, how: str) -> None:
    running = bench.up()
    before = bench.found()
    MEDDLING[how][1](bench, running.name)
    assert bench.found() != before
    assert bench.found() == [found for found in [bench.engine.inspect(running.id)] if found is not None]


def test_what_we_do_ourselves_is_seen_at_once_while_listening(bench: Bench) -> None:
    bench.listen()
    running = bench.up()
    bench.engine.update(running.id, {"PidsLimit": 50})
    assert dict(bench.look(running).settings.resources)["PidsLimit"] == 50
    bench.engine.rename(running.id, f"{bench.project}-renamed")
    assert bench.look(running).name == f"{bench.project}-renamed"
    bench.engine.disconnect(running.id, bench.network)
    assert bench.look(running).settings.endpoints == ()
    bench.engine.stop(running.id, 0)
    assert bench.look(running).state is State.EXITED


def test_health_and_starts_are_told(bench: Bench) -> None:
    ear = bench.listen()
    made = bench.create("healthy")
    bench.engine.start(made.id)
    ear.hears(lambda event: event.container_id == made.id and event.detail.startswith("start"))
    bench.eventually(lambda: bench.look(made).probe is Probe.HEALTHY)
    event = ear.hears(lambda event: event.container_id == made.id and event.detail.startswith("health_status"))
    assert event.stack == bench.project
    assert bench.look(made).probe is Probe.HEALTHY


def test_a_moved_tag_is_told_to_every_stack(bench: Bench) -> None:
    ear = bench.listen()
    reference = f"contract/{bench.project}:1"
    try:
        bench.somebody.tag(bench.image, reference)
        assert ear.hears(lambda event: reference in event.detail).stack is None
    finally:
        _untag(bench, reference)


def test_an_image_is_seen_as_it_is_while_listening(bench: Bench) -> None:
    ear = bench.listen()
    reference = f"contract/{bench.project}:1"
    try:
        bench.somebody.tag(bench.image, reference)
        ear.hears(lambda event: reference in event.detail)
        mine = bench.engine.image(reference)
        assert bench.engine.image(reference) == mine
        bench.somebody.tag(bench.other_image, reference)
        ear.hears(lambda event: reference in event.detail)
        assert bench.engine.image(reference) != mine
        assert mine is not None
        bench.engine.tag(mine.id, reference)
        assert bench.engine.image(reference) == mine
    finally:
        _untag(bench, reference)


def test_closing_ends_the_events_for_whoever_waits_for_one(bench: Bench) -> None:
    ear = bench.listen()
    ear.cover()
    assert ear.hears_end() is None


def _started(service: str) -> dict[str, dict[str, object]]:
    return {service: {"condition": "service_started", "required": True}}


def _untag(bench: Bench, reference: str) -> None:
    if isinstance(bench, RealBench):
        bench.somebody.run("rmi", reference)  # type: ignore[attr-defined]
