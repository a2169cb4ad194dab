"""Docker Compose itself, in every version that this machine has: what we take for granted, and what we must beware of."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.compose import ComposeProgram, Limits
from reconciler.adapters.compose.find import Compose, usable
from reconciler.model.errors import EngineUnavailableError, InvalidInputError, StalledError, WaitingError
from reconciler.model.observed import State
from tests.contract.bench import DockerProgram, RealBench
from tests.free_ports import free_port

pytestmark = pytest.mark.engine

HERE = ":".join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"))


def _usable() -> tuple[Compose, ...]:
    """One of each version, newest first; none where there is no Compose, so that nothing but these tests misses it."""
    try:
        return tuple({compose.numbers: compose for compose in usable({"PATH": HERE})}.values())
    except StalledError:
        return ()


USABLE = _usable()
COMMANDS = tuple(compose.command for compose in USABLE)


@pytest.fixture(params=COMMANDS, ids=[compose.version for compose in USABLE])
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = request.param
    return found


@pytest.fixture
def compose(command: tuple[str, ...]) -> ComposeProgram:
    return ComposeProgram(commands=[command])


@pytest.fixture
def bench(compose: ComposeProgram, tmp_path: Path) -> Iterator[RealBench]:
    made = RealBench(tmp_path, compose)
    yield made
    made.clear()


def render(
    compose: ComposeProgram,
    folder: Path,
    text: str,
    environment: Mapping[str, str] | None = None,
    **env_files: str,
) -> Mapping[str, Any]:
    """``env_files``: contents by name, the later in force."""
    (folder / "compose.yaml").write_text(text)
    for name, content in env_files.items():
        (folder / f"{name}.env").write_text(content)
    files = [folder / f"{name}.env" for name in env_files]
    return compose.render("shop", folder, ["compose.yaml"], files, environment or {})


def problems(raised: pytest.ExceptionInfo[InvalidInputError]) -> list[tuple[str, int, str]]:
    return [(problem.file, problem.line, problem.key) for problem in raised.value.problems]


# --- Rendering


def test_what_is_rendered_is_resolved(compose: ComposeProgram, tmp_path: Path) -> None:
    model = render(
        compose, tmp_path, "services: {web: {image: 'shop:${TAG}', volumes: ['./conf:/conf']}}", {"TAG": "7"}
    )
    assert model["name"] == "shop"
    web = model["services"]["web"]
    assert web["image"] == "shop:7"
    assert web["volumes"][0]["source"] == str(tmp_path / "conf")
    assert web["networks"] == {"default": None}
    assert model["networks"]["default"]["name"] == "shop_default"


def test_a_dollar_stays_doubled_for_compose_to_read_again(compose: ComposeProgram, tmp_path: Path) -> None:
    model = render(
        compose, tmp_path, 'services: {web: {image: x, environment: {PRICE: "5$$", PAID: "${P}"}}}', {"P": "a$b"}
    )
    assert model["services"]["web"]["environment"] == {"PRICE": "5$$", "PAID": "a$$b"}


def test_later_env_files_win_and_the_environment_wins_over_all(compose: ComposeProgram, tmp_path: Path) -> None:
    text = 'services: {web: {image: "${A}-${B}-${C}"}}'
    model = render(compose, tmp_path, text, {"C": "env"}, one="A=1\nB=1\nC=1\n", two="B=2\nC=2\n")
    assert model["services"]["web"]["image"] == "1-2-env"


def test_nothing_of_our_own_environment_leaks_in(tmp_path: Path, command: tuple[str, ...]) -> None:
    host = {"PATH": HERE, "HOME": "/root", "SECRET_OF_THE_DAEMON": "x", "COMPOSE_PROFILES": "debug"}
    compose = ComposeProgram(commands=[command], environment=host)
    text = 'services: {web: {image: "x${SECRET_OF_THE_DAEMON:-}"}, extra: {image: x, profiles: [debug]}}'
    model = render(compose, tmp_path, text)
    assert model["services"]["web"]["image"] == "x"
    assert list(model["services"]) == ["web"]


def test_an_env_file_that_lies_about_is_not_read(compose: ComposeProgram, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAG=stray\n")
    assert render(compose, tmp_path, 'services: {web: {image: "x:${TAG:-7}"}}')["services"]["web"]["image"] == "x:7"


def test_profiles_are_chosen_by_an_env_file(compose: ComposeProgram, tmp_path: Path) -> None:
    text = "services: {web: {image: x}, extra: {image: x, profiles: [debug]}}"
    assert list(render(compose, tmp_path, text)["services"]) == ["web"]
    assert sorted(render(compose, tmp_path, text, own="COMPOSE_PROFILES=debug\n")["services"]) == ["extra", "web"]


def test_files_are_merged_in_their_order(compose: ComposeProgram, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("services: {web: {image: one, command: run}}")
    (tmp_path / "two.yaml").write_text("services: {web: {image: two}}")
    web = compose.render("shop", tmp_path, ["one.yaml", "two.yaml"], [], {})["services"]["web"]
    assert (web["image"], web["command"]) == ("two", ["run"])


def test_every_unset_variable_is_named_with_every_place_it_is_used_in(compose: ComposeProgram, tmp_path: Path) -> None:
    text = """
services:
  web:
    image: shop:${TAG}
    command: run ${TAG} ${PORT:-80} $$NOT ${KEY:?give the key}
    environment: {NAME: $NAME, MORE: "${WORD?}"}
"""
    with pytest.raises(InvalidInputError) as raised:
        render(compose, tmp_path, text)
    assert [str(problem) for problem in raised.value.problems] == [
        "compose.yaml:5: variable KEY is required: give the key",
        "compose.yaml:6: variable NAME is not set and has no default; set it, or write ${NAME:-default}",
        "compose.yaml:4: variable TAG is not set and has no default; set it, or write ${TAG:-default}",
        "compose.yaml:5: variable TAG is not set and has no default; set it, or write ${TAG:-default}",
        "compose.yaml:6: variable WORD is required; set it",
    ]


def test_a_password_with_a_dollar_in_an_env_file_is_not_cut_short(compose: ComposeProgram, tmp_path: Path) -> None:
    """Compose would take pa$word for pa and a variable that is not set: two characters of a password."""
    with pytest.raises(InvalidInputError) as raised:
        render(compose, tmp_path, 'services: {web: {image: "x${PASSWORD}"}}', own="\nPASSWORD=pa$word\n")
    assert problems(raised) == [("own.env", 2, "")]
    assert "pa$word" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("services:\n  web:\n    imge: x\n", ("compose.yaml", 3, "services.web.imge")),
        ("services:\n  web:\n\timage: x\n", ("compose.yaml", 3, "")),
        ("services:\n  web: {image: x}\n  web: {image: y}\n", ("compose.yaml", 3, "")),
        ("services:\n  web:\n    image: x\n    deploy: 3\n", ("compose.yaml", 4, "services.web.deploy")),
        ("services:\n  web:\n    image: x\n    networks: [none_such]\n", ("compose.yaml", 2, "services.web")),
        ("services:\n  web:\n    image: x\n    env_file: none.env\n", ("compose.yaml", 0, "")),
        ("services:\n  web: {image: 'x${'}\n", ("compose.yaml", 2, "services.web.image")),
    ],
)
def test_what_compose_refuses_is_told_with_its_place(
    compose: ComposeProgram, tmp_path: Path, text: str, place: tuple[str, int, str]
) -> None:
    with pytest.raises(InvalidInputError) as raised:
        render(compose, tmp_path, text)
    assert problems(raised) == [place]
    assert str(tmp_path) not in str(raised.value)


def test_what_is_refused_and_what_is_unset_are_told_together(compose: ComposeProgram, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as raised:
        render(compose, tmp_path, "services:\n  web:\n    image: x${TAG}\n    imge: y\n")
    assert problems(raised) == [("compose.yaml", 3, ""), ("compose.yaml", 4, "services.web.imge")]


def test_a_file_that_is_no_text_is_refused(compose: ComposeProgram, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_bytes(b"services: {web: {image: '\xff\xfe'}}")
    with pytest.raises(InvalidInputError, match=r"compose\.yaml"):
        compose.render("shop", tmp_path, ["compose.yaml"], [], {})


# --- Creating


def test_totals_protect_what_the_created_service_stands_on(bench: RealBench) -> None:
    needs_db = {"db": {"condition": "service_started", "required": True}}
    services = {"db": bench.service("steady"), "web": bench.service("steady", depends_on=needs_db)}
    bench.compose.create(bench.project, bench.model(services), ["web"], {"web": 1, "db": 2}, {})
    before = bench.found("db")
    bench.compose.create(bench.project, bench.model(services, "second"), ["web"], {"web": 2, "db": 2}, {})
    assert bench.found("db") == before
    assert [found.definition for found in bench.found("web")] == ["first", "second"]


def test_after_a_swap_up_has_nothing_to_do(bench: RealBench, command: tuple[str, ...]) -> None:
    old = bench.up()
    model = bench.model({"web": bench.service("steady", ports=[_port(free_port())])}, "second")
    bench.compose.create(bench.project, model, ["web"], {"web": 2}, {})
    (new,) = (found for found in bench.found("web") if found.id != old.id)
    bench.engine.start(new.id)
    bench.engine.stop(old.id, 1)
    bench.engine.remove(old.id)
    bench.engine.rename(new.id, f"{bench.project}-web-1")
    new = bench.only("web")
    by_hand = (*command, "-p", bench.project, "-f", str(model), "up", "-d", "--pull", "never")
    done = subprocess.run(by_hand, capture_output=True, text=True, timeout=60, check=True)
    assert "Started" not in done.stderr
    assert bench.only("web") == new


def test_a_changed_network_must_be_gone_before_containers_are_made(bench: RealBench) -> None:
    """Compose 2.40 would stop what runs on it in order to make it anew; the plan takes the network away first."""
    running = bench.up()
    model = bench.model({"web": bench.service("steady")}, "second")
    content = json.loads(model.read_text())
    content["networks"]["default"]["labels"]["other"] = "label"
    model.write_text(json.dumps(content))
    bench.engine.stop(running.id, 1)
    bench.engine.remove(running.id)
    (network,) = (found for found in bench.engine.networks() if found.stack == bench.project)
    bench.engine.remove_network(network.id)
    bench.compose.create(bench.project, model, ["web"], {"web": 1}, {})
    bench.engine.start(bench.only("web").id)
    assert bench.only("web").state is State.RUNNING


def test_a_changed_volume_keeps_its_data(bench: RealBench) -> None:
    mounts = [{"type": "volume", "source": "data", "target": "/data"}]
    keep = {"command": ["sh", "-c", "echo kept >> /data/file; sleep 1000"], "stop_grace_period": "1s"}
    name = f"{bench.project}_data"

    def model(definition: str) -> Path:
        volume = {"data": {"name": name, "labels": {"definition": definition}}}
        return bench.model({"web": bench.service("steady", volumes=mounts, **keep)}, definition, volumes=volume)

    bench.compose.create(bench.project, model("first"), ["web"], {"web": 1}, {})
    bench.engine.start(bench.only("web").id)
    docker = DockerProgram().run
    look = ("run", "--rm", "-v", f"{name}:/data", bench.image, "cat", "/data/file")
    bench.eventually(lambda: "kept" in docker(*look[:-2], "sh", "-c", "cat /data/file || true"))
    bench.compose.recreate(bench.project, model("second"), ["web"], {}, anew=False)
    assert bench.only("web").definition == "second"
    assert "kept" in docker(*look)


def test_anonymous_volumes_go_over_in_composes_own_recreate_and_not_in_a_swap(bench: RealBench) -> None:
    mounts = [{"type": "volume", "target": "/data"}]
    bench.compose.create(
        bench.project, bench.model({"web": bench.service("steady", volumes=mounts)}), ["web"], {"web": 1}, {}
    )
    first = _volume(bench.only("web").id)
    again = bench.model({"web": bench.service("steady", volumes=mounts)}, "second")
    bench.compose.create(bench.project, again, ["web"], {"web": 2}, {})
    beside = bench.found("web")[1]
    assert _volume(beside.id) != first
    bench.engine.remove(beside.id)
    bench.compose.recreate(bench.project, again, ["web"], {}, anew=False)
    assert _volume(bench.only("web").id) == first


def test_what_is_external_and_missing_is_named_with_how_to_make_it(bench: RealBench) -> None:
    services = {"web": bench.service("steady")}
    network = {"default": {"name": f"{bench.project}-none", "external": True}}
    with pytest.raises(WaitingError, match=f"docker network create {bench.project}-none"):
        bench.compose.create(bench.project, bench.model(services, networks=network), ["web"], {"web": 1}, {})
    mounts = [{"type": "volume", "source": "data", "target": "/data"}]
    volumes = {"data": {"name": f"{bench.project}-none", "external": True}}
    model = bench.model({"web": bench.service("steady", volumes=mounts)}, volumes=volumes)
    with pytest.raises(WaitingError, match=f"docker volume create {bench.project}-none"):
        bench.compose.create(bench.project, model, ["web"], {"web": 1}, {})


def test_a_port_that_a_program_holds_is_named_by_recreate(bench: RealBench) -> None:
    with socket.create_server(("0.0.0.0", 0)) as held:
        port = held.getsockname()[1]
        model = bench.model({"web": bench.service("steady", ports=[_port(port)])})
        with pytest.raises(WaitingError, match=str(port)) as raised:
            bench.compose.recreate(bench.project, model, ["web"], {}, anew=False)
    assert raised.value.reason == "PortTaken"


def test_an_image_is_built_line_by_line_by_one_that_can(bench: RealBench, tmp_path: Path) -> None:
    """Compose 2.40 wants a newer buildx than Debian 13 has."""
    bench.compose = ComposeProgram(commands=COMMANDS)
    (tmp_path / "Dockerfile").write_text(f"FROM {bench.image}\nRUN echo made it\n")
    image = f"{bench.project}-web"
    build = {"context": str(tmp_path), "dockerfile": "Dockerfile", "labels": {"io.reconciler.build": "7"}}
    model = bench.model({"web": bench.service("steady", image=image, build=build)})
    lines: list[str] = []
    try:
        bench.compose.build(bench.project, model, "web", {}, lines.append)
        built = bench.engine.image(image)
        assert built is not None
        assert built.labels["io.reconciler.build"] == "7"
        assert any("made it" in line for line in lines)
    finally:
        DockerProgram().run("rmi", "-f", image)


def test_an_image_that_is_built_anew_is_told_and_seen(bench: RealBench, tmp_path: Path) -> None:
    bench.compose = ComposeProgram(commands=COMMANDS)
    image = f"{bench.project}-web"
    build = {"context": str(tmp_path), "dockerfile": "Dockerfile"}
    model = bench.model({"web": bench.service("steady", image=image, build=build)})
    ear = bench.listen()
    try:
        seen = []
        for number in "12":
            (tmp_path / "Dockerfile").write_text(f"FROM {bench.image}\nLABEL number={number}\n")
            bench.compose.build(bench.project, model, "web", {}, lambda _: None)
            ear.hears(lambda event: image in event.detail)
            found = bench.engine.image(image)
            assert found is not None
            seen.append(found.labels["number"])
        assert seen == ["1", "2"]
    finally:
        DockerProgram().run("rmi", "-f", image)


def test_a_build_that_fails_stalls_with_the_line_that_tells_why(bench: RealBench, tmp_path: Path) -> None:
    bench.compose = ComposeProgram(commands=COMMANDS)
    (tmp_path / "Dockerfile").write_text(f"FROM {bench.image}\nRUN exit 7\n")
    build = {"context": str(tmp_path), "dockerfile": "Dockerfile"}
    model = bench.model({"web": bench.service("steady", image=f"{bench.project}-web", build=build)})
    with pytest.raises(StalledError, match="exit code: 7"):
        bench.compose.build(bench.project, model, "web", {}, lambda _: None)


# --- Limits


def test_an_engine_that_is_not_there_is_told_as_such(tmp_path: Path, command: tuple[str, ...]) -> None:
    host = {"PATH": HERE, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    compose = ComposeProgram(commands=[command], environment=host)
    (tmp_path / "model.json").write_text('{"name": "shop", "services": {"web": {"image": "x"}}}')
    with pytest.raises(EngineUnavailableError):
        compose.create("shop", tmp_path / "model.json", ["web"], {"web": 1}, {})


def test_a_compose_that_hangs_ends_within_its_time_limit(tmp_path: Path, command: tuple[str, ...]) -> None:
    """An engine that takes the connection and never answers, and a render that reads a pipe nobody writes to."""
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(f"{tmp_path}/engine.sock")
        engine.listen()
        host = {"PATH": HERE, "DOCKER_HOST": f"unix://{tmp_path}/engine.sock"}
        compose = ComposeProgram(commands=[command], environment=host, limits=Limits(create_s=0.5))
        (tmp_path / "model.json").write_text('{"name": "shop", "services": {"web": {"image": "x"}}}')
        began = time.monotonic()
        with pytest.raises(WaitingError, match=r"0\.5 s") as raised:
            compose.create("shop", tmp_path / "model.json", ["web"], {"web": 1}, {})
    assert raised.value.reason == "TimedOut"
    assert time.monotonic() - began < 30


def test_the_newest_compose_of_the_host_is_taken() -> None:
    assert ComposeProgram(environment={"PATH": HERE}).version() == USABLE[0].version


def test_no_compose_at_all_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(StalledError, match="install Docker Compose v2"):
        ComposeProgram(commands=[], environment={"PATH": str(tmp_path)}).version()


def test_an_old_compose_says_what_to_install(tmp_path: Path) -> None:
    old = tmp_path / "docker-compose"
    old.write_text(f"#!{shutil.which('sh')}\necho 1.29.2\n")
    old.chmod(0o755)
    with pytest.raises(StalledError, match=r"1\.29\.2 is too old: install Docker Compose v2"):
        ComposeProgram(commands=[(str(old),)]).version()


def _port(number: int) -> dict[str, object]:
    return {"mode": "ingress", "target": 80, "published": str(number), "protocol": "tcp"}


def _volume(container_id: str) -> str:
    return DockerProgram().run("inspect", "-f", "{{(index .Mounts 0).Name}}", container_id).strip()
