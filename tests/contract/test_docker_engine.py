"""The real engine's own: limits on every wait, lost connections, registries, and what comes into a container."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from docker.api.client import APIClient

from reconciler.adapters.docker_engine import DockerEngine
from reconciler.adapters.host_ports import HostPorts
from reconciler.model.desired import Injection, LifecycleHook
from reconciler.model.errors import EngineUnavailableError, WaitingError
from reconciler.model.observed import State
from tests.contract.bench import DockerProgram, Ear, RealBench

pytestmark = pytest.mark.engine

docker = DockerProgram().run


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RealBench]:
    made = RealBench(tmp_path)
    yield made
    made.clear()


# --- Into and out of a container


def test_injected_files_lie_as_compose_would_have_laid_them(bench: RealBench) -> None:
    made = bench.create()
    bench.engine.inject(
        made.id,
        [
            Injection("/run/secrets/key", "top$ecret"),
            Injection("/etc/deep/er/app.conf", "port = 80\n", mode=0o440, uid=1000, gid=1001),
        ],
    )
    bench.engine.start(made.id)
    look = ("exec", made.name, "stat", "-c", "%a %u %g")
    assert docker(*look, "/run/secrets/key").split() == ["444", "0", "0"]
    assert docker(*look, "/etc/deep/er/app.conf").split() == ["440", "1000", "1001"]
    assert docker(*look, "/etc/deep", "/run/secrets").split() == ["755", "0", "0"] * 2
    assert docker("exec", made.name, "cat", "/run/secrets/key") == "top$ecret"


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_container_that_was_signalled_is_still_started_again_by_its_restart_policy(
    bench: RealBench, policy: str
) -> None:
    """To the engine any ``docker kill`` is a wish to end, and it lets a container lie that crashes later."""
    command = [
        "sh",
        "-c",
        "touch /tmp/old; trap 'touch /tmp/told' HUP; trap 'exit 1' USR1; while :; do sleep 0.1; done",
    ]
    made = bench.create(command=command, restart=policy)
    bench.engine.start(made.id)
    bench.eventually(lambda: docker("exec", made.name, "ls", "/tmp").split() == ["old"])
    bench.engine.signal(made.id, "SIGHUP")
    bench.eventually(lambda: "told" in docker("exec", made.name, "ls", "/tmp"))
    bench.engine.signal(made.id, "SIGUSR1")
    bench.eventually(lambda: bench.look(made).restart_count == 1)


def test_a_container_answers_at_its_bridge_or_where_it_uses_the_host_s_network_there(bench: RealBench) -> None:
    bench.engine.start((made := bench.create()).id)
    assert bench.engine.address(made.id).count(".") == 3
    assert bench.engine.address(made.id) != "127.0.0.1"
    bench.engine.stop(made.id, 0)
    bench.engine.remove(made.id)
    bench.engine.start((made := bench.create(networks=[], network_mode="host")).id)
    assert bench.engine.address(made.id) == "127.0.0.1"
    bench.engine.stop(made.id, 0)
    bench.engine.remove(made.id)
    bench.engine.start((made := bench.create(networks=[], network_mode="none")).id)
    assert bench.engine.address(made.id) == ""


def test_a_signal_to_what_does_not_run_or_is_not_there_does_nothing(bench: RealBench) -> None:
    made = bench.create()
    bench.engine.signal(made.id, "SIGHUP")
    assert bench.look(made).state is State.CREATED
    bench.engine.remove(made.id)
    bench.engine.signal(made.id, "SIGHUP")


def test_a_network_given_by_id_is_known_by_name_before_the_first_start_as_after_it(bench: RealBench) -> None:
    made = bench.create()
    api = APIClient()
    network = api.inspect_container(made.id)["HostConfig"]["NetworkMode"]
    by_id: Any = {api.inspect_network(network)["Id"]: api.create_endpoint_config(aliases=["www"])}
    labels = api.inspect_container(made.id)["Config"]["Labels"]
    given = api.create_container(
        made.image, ["sleep", "600"], labels=labels, networking_config=api.create_networking_config(by_id)
    )["Id"]
    before = bench.engine.inspect(given)
    bench.engine.start(given)
    after = bench.engine.inspect(given)
    assert before
    assert after
    assert [endpoint.network for endpoint in before.settings.endpoints] == [network]
    assert before.settings == after.settings


def test_a_stopped_container_whose_network_was_made_anew_is_off_it_until_it_is_connected_again(
    bench: RealBench,
) -> None:
    """``docker network rm edge && docker network create edge``: the engine remembers the id of the one that is gone, and
    says "network ... not found" at every start."""
    running = bench.up(networks={"default": {"aliases": ["www"]}})
    bench.engine.stop(running.id, 0)
    docker("network", "rm", bench.network)
    docker("network", "create", "--label", f"com.docker.compose.project={bench.project}", bench.network)
    assert bench.look(running).settings.endpoints == ()
    with pytest.raises(WaitingError, match="not found"):
        bench.engine.start(running.id)
    bench.engine.connect(running.id, running.settings.endpoints[0])
    bench.engine.start(running.id)
    assert bench.look(running).settings == running.settings


def test_a_stopped_container_keeps_its_place_on_a_network_that_is_there(bench: RealBench) -> None:
    running = bench.up(networks={"default": {"aliases": ["www"]}})
    bench.engine.stop(running.id, 0)
    assert bench.look(running).settings == running.settings


def test_removing_a_container_leaves_its_volumes(bench: RealBench) -> None:
    made = bench.create(volumes=[{"type": "volume", "target": "/data"}])
    volume = docker("inspect", "-f", "{{(index .Mounts 0).Name}}", made.id).strip()
    bench.engine.remove(made.id)
    docker("volume", "rm", volume)


def test_a_hook_sees_its_user_folder_and_environment(bench: RealBench) -> None:
    running = bench.up()
    test = '[ "$(id -u):$PWD:$WORD" = "7:/tmp:said" ] && exit 5'
    bench.engine.inject(running.id, [Injection("/tmp/x", "")])
    hook = LifecycleHook(("sh", "-c", test), user="7", working_dir="/tmp", environment={"WORD": "said"})
    assert bench.engine.execute(running.id, hook) == 5


def test_a_hook_that_hangs_ends_within_its_time_limit(bench: RealBench) -> None:
    running = bench.up()
    engine = DockerEngine(bench.root_id, hook_s=0.3)
    with pytest.raises(WaitingError) as raised:
        engine.execute(running.id, LifecycleHook(("sleep", "1000")))
    assert raised.value.reason == "HookTimedOut"


def test_a_long_log_is_cut_to_its_end_and_made_fit_for_a_terminal(bench: RealBench) -> None:
    shout = r"i=0; while [ $i -lt 400 ]; do printf 'line %s \033[31m\377 xxxxxxxxxxxxxxxxxxxxxxxxxx\n' $i; i=$((i+1)); done; echo end"
    made = bench.create(command=["sh", "-c", shout.replace("$", "$$")])
    bench.engine.start(made.id)
    bench.eventually(lambda: bench.look(made).state is State.EXITED)
    log = bench.engine.logs(made.id, 1000)
    assert len(log.encode()) <= 3 * 4096
    assert log.endswith("\nend")
    assert "\033" not in log


def test_a_port_that_a_program_holds_is_named_before_and_at_the_start(bench: RealBench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        published = {"mode": "ingress", "target": 80, "host_ip": "127.0.0.1", "published": str(port), "protocol": "tcp"}
        made = bench.create(ports=[published])
        assert HostPorts().taken(made.ports) == (f"127.0.0.1:{port}/tcp",)
        with pytest.raises(WaitingError, match=f"127.0.0.1:{port}/tcp") as raised:
            bench.engine.start(made.id)
    assert raised.value.reason == "PortTaken"
    bench.engine.start(made.id)
    assert bench.look(made).state is State.RUNNING


# --- Registries


@pytest.fixture(scope="module")
def registry() -> str:
    """An image in the rig's registry, by the name to pull it by."""
    script = Path(__file__).parents[1] / "rig" / "registry"
    done = subprocess.run((script, "push", "rig/busybox:2"), capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.strip()


def test_an_image_is_pulled_with_its_progress_told(bench: RealBench, registry: str) -> None:
    docker("rmi", registry)
    assert bench.engine.image(registry) is None
    lines: list[str] = []
    pulled = bench.engine.pull(registry, lines.append)
    assert pulled == bench.engine.image(registry)
    assert pulled.repo_digests
    assert all(line.startswith(f"pulling {registry}") for line in lines)
    assert 1 <= len(lines) < 20
    by_digest = bench.engine.pull(pulled.repo_digests[0], lines.append)
    assert by_digest.id == pulled.id


def test_a_tag_that_no_registry_has_may_be_pushed_later(bench: RealBench, registry: str) -> None:
    missing = registry.rpartition(":")[0] + ":none-such"
    with pytest.raises(WaitingError, match=f"{missing}.*(not found|unknown)") as raised:
        bench.engine.pull(missing, lambda _: None)
    assert raised.value.reason == "ImagePullFailed"


def test_a_registry_that_hangs_is_given_up_in_its_time(bench: RealBench) -> None:
    engine = DockerEngine(bench.root_id, pull_silence_s=0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = f"127.0.0.1:{silent.getsockname()[1]}/shop:1"
        with pytest.raises(WaitingError, match=r"nothing came for 0\.5 s") as raised:
            engine.pull(reference, lambda _: None)
    assert raised.value.reason == "ImagePullFailed"


# --- An engine that goes away


def test_an_engine_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    engine = DockerEngine("root", environment={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    for call in (engine.containers, engine.networks, lambda: engine.start("x"), lambda: next(engine.events())):
        with pytest.raises(EngineUnavailableError, match=r"none\.sock"):
            call()


def test_an_engine_that_hangs_is_given_up_in_its_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/engine.sock")
        silent.listen()
        engine = DockerEngine("root", environment={"DOCKER_HOST": f"unix://{tmp_path}/engine.sock"}, read_s=1)
        with pytest.raises(EngineUnavailableError):
            engine.containers()


def test_an_engine_that_goes_and_comes_back_is_looked_at_anew(bench: RealBench, tmp_path: Path) -> None:
    """What changed while nobody listened must be seen, though details had been kept from before."""
    running = bench.up()
    relay = Relay(tmp_path / "relay.sock")
    engine = DockerEngine(bench.root_id, environment={"DOCKER_HOST": f"unix://{relay.path}"})
    ear = Ear(engine)
    assert running in engine.containers()
    relay.cut()
    assert isinstance(ear.hears_end(), EngineUnavailableError)
    with pytest.raises(EngineUnavailableError):
        engine.containers()
    bench.somebody.limit_memory(running.name, 96 << 20)
    relay.open()
    assert running not in engine.containers()
    assert bench.look(running) in engine.containers()
    relay.cut()


def test_what_we_do_is_seen_at_once_though_events_lag_behind(bench: RealBench) -> None:
    running = bench.up()
    heard = bench.engine.events()
    next(heard)  # From here on details are kept, and nobody takes the events that would drop them.
    assert bench.look(running) == running
    bench.engine.update(running.id, {"PidsLimit": 50})
    assert dict(bench.look(running).settings.resources)["PidsLimit"] == 50


def test_many_threads_may_look_and_act_at_once(bench: RealBench) -> None:
    bench.listen()
    services = {f"s{number}": bench.service("steady") for number in range(4)}
    bench.compose.create(bench.project, bench.model(services), list(services), dict.fromkeys(services, 1), {})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda found: bench.engine.start(found.id), bench.found()))
        looks = list(pool.map(lambda _: bench.found(), range(20)))
    assert {found.state for look in looks for found in look} == {State.RUNNING}


class Relay:
    """Stands between a client and the engine, and can be cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open()

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._serve, args=(self._server, self._ends), daemon=True).start()

    def cut(self) -> None:
        for end in (self._server, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve(self, server: socket.socket, ends: list[socket.socket]) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect("/var/run/docker.sock")
                ends += (client, engine)
                for source, target in ((client, engine), (engine, client)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)


# --- Images that are no longer needed


@pytest.fixture
def own_image(bench: RealBench) -> Iterator[str]:
    """An image that nobody else has; its id."""
    label = f"LABEL of={bench.project}"
    found = subprocess.run(
        ["docker", "import", "--change", label, "-", f"contract/{bench.project}:1"],
        input=bytes(1024),  # an archive with nothing in it
        capture_output=True,
        check=True,
    )
    image = found.stdout.decode().strip()
    yield image
    bench.engine.remove_image(image)


def test_an_image_goes_with_all_its_tags(bench: RealBench, own_image: str) -> None:
    docker("tag", own_image, f"contract/{bench.project}:2")
    found = bench.engine.image(own_image)
    assert found is not None
    assert found.tags == (f"contract/{bench.project}:1", f"contract/{bench.project}:2")
    assert bench.engine.remove_image(own_image)
    assert bench.engine.image(own_image) is None
    assert not bench.engine.remove_image(own_image)


def test_an_image_that_any_container_was_made_of_keeps_its_tags(bench: RealBench, own_image: str) -> None:
    container = docker("create", own_image, "nothing").strip()
    try:
        assert not bench.engine.remove_image(own_image)
        found = bench.engine.image(own_image)
        assert found is not None
        assert found.tags == (f"contract/{bench.project}:1",)
    finally:
        docker("rm", container)


def test_the_room_for_images_is_what_the_disk_has_left(bench: RealBench) -> None:
    found = bench.engine.room()
    assert found is not None
    assert found.path == docker("info", "--format", "{{.DockerRootDir}}").strip()
    assert 0 < found.free < shutil.disk_usage(found.path).total
