"""One bench for the contract's laws, in two makes: on a host in memory, and on the real engine and Compose.

Everything made on the real engine carries the bench's own project name and is taken away by ``clear``.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from reconciler.adapters.compose import ComposeProgram
from reconciler.adapters.docker_engine import DockerEngine
from reconciler.model.desired import LABEL_DEFINITION, LABEL_ROOT, LABEL_STACK
from reconciler.model.errors import ReconcilerError
from reconciler.model.event import Event
from reconciler.model.observed import Container
from reconciler.ports.engine import Compose, Engine
from tests.fakes.compose import FakeCompose
from tests.fakes.engine import FakeEngine
from tests.fakes.host import Behaviour, FakeHost
from tests.fakes.somebody import Somebody

# What a service of a kind does, for those that make the benches: see ``Bench.service``.
KINDS = ("steady", "healthy", "sick", "done", "failed", "crashing", "broken", "chatty")
SAID = "one\ntwo\nthree"
_PATIENCE_S = 20.0


class Outsider(Protocol):
    """Somebody with ``docker`` in hand. Containers by name."""

    def stop(self, name: str) -> None: ...
    def kill(self, name: str) -> None: ...
    def start(self, name: str) -> None: ...
    def pause(self, name: str) -> None: ...
    def remove(self, name: str) -> None: ...
    def rename(self, name: str, to: str) -> None: ...
    def limit_memory(self, name: str, size: int) -> None: ...
    def disconnect(self, name: str, network: str) -> None: ...
    def connect(self, name: str, network: str) -> None: ...
    def tag(self, image: str, reference: str) -> None: ...


class Bench:
    """``service`` gives definitions of a kind; ``model`` writes them down as a resolved model for Compose."""

    engine: Engine
    compose: Compose
    somebody: Outsider
    image: str
    other_image: str
    image_nobody_has = "127.0.0.1:5998/nobody/has:this"

    def __init__(self, folder: Path) -> None:
        self.project = f"contract{uuid.uuid4().hex[:8]}"
        self.root_id = f"root-{self.project}"
        self.network = f"{self.project}_default"
        self._folder = folder
        self._ears: list[Ear] = []

    def service(self, kind: str, **more: Any) -> dict[str, Any]:
        raise NotImplementedError

    def wait(self, seconds: float) -> None:
        raise NotImplementedError

    def clear(self) -> None:
        for ear in self._ears:
            ear.cover()

    def model(self, services: Mapping[str, Mapping[str, Any]], definition: str = "first", **more: Any) -> Path:
        """``definition``: the value of every container's and network's LABEL_DEFINITION."""
        own = {LABEL_ROOT: self.root_id, LABEL_STACK: self.project, LABEL_DEFINITION: definition}
        labelled = {name: {**found, "labels": {**found.get("labels", {}), **own}} for name, found in services.items()}
        network = {"default": {"name": self.network, "labels": {**own, LABEL_DEFINITION: "network"}}}
        content = {"name": self.project, "services": labelled, "networks": network, **more}
        path = self._folder / f"{uuid.uuid4().hex}.json"
        path.write_text(json.dumps(content))
        return path

    def up(self, kind: str = "steady", **more: Any) -> Container:
        """One container of service ``web``, running."""
        made = self.create(kind, **more)
        self.engine.start(made.id)
        return self.look(made)

    def create(self, kind: str = "steady", **more: Any) -> Container:
        self.compose.create(self.project, self.model({"web": self.service(kind, **more)}), ["web"], {"web": 1}, {})
        return self.only("web")

    def found(self, service: str | None = None) -> list[Container]:
        mine = [found for found in self.engine.containers() if found.stack == self.project]
        return sorted((f for f in mine if service in (None, f.service)), key=lambda f: (f.service, f.number))

    def only(self, service: str) -> Container:
        (container,) = self.found(service)
        return container

    def look(self, container: Container) -> Container:
        """As the engine's one list shows it now."""
        return next(found for found in self.engine.containers() if found.id == container.id)

    def eventually(self, fact: Callable[[], Any]) -> Any:
        """What ``fact`` gives once it is true, within its time."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            found = fact()
            if found:
                return found
            self.wait(0.05)
        raise AssertionError("it never came to be")

    def listen(self) -> Ear:
        ear = Ear(self.engine)
        self._ears.append(ear)
        return ear


class Ear:
    """Listens to the engine's events in a thread of its own, from when it is made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard: queue.SimpleQueue[Event | ReconcilerError | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.hears(lambda event: event.detail == "connected")

    def hears(self, matching: Callable[[Event], bool]) -> Event:
        """The next event that matches. Those before it are passed over."""
        while True:
            event = self._heard.get(timeout=_PATIENCE_S)
            assert isinstance(event, Event), f"the stream ended: {event!r}"
            if matching(event):
                return event

    def hears_end(self) -> ReconcilerError | None:
        """How the stream ended; None for as asked."""
        while True:
            end = self._heard.get(timeout=_PATIENCE_S)
            if not isinstance(end, Event):
                return end

    def cover(self) -> None:
        self._engine.close()  # type: ignore[attr-defined]
        self._thread.join(_PATIENCE_S)
        assert not self._thread.is_alive()

    def _listen(self) -> None:
        end: ReconcilerError | None = None
        try:
            for event in self._engine.events():
                self._heard.put(event)
        except ReconcilerError as error:
            end = error
        self._heard.put(end)


class FakeBench(Bench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.host = FakeHost(root_id=self.root_id)
        self.engine = FakeEngine(self.host)
        self.compose = FakeCompose(self.host)
        self.somebody = Somebody(self.host)
        self.image, self.other_image = "steady:1", "other:1"
        self.host.behaviours = {
            "healthy:1": Behaviour(healthy_after_s=0.5),
            "sick:1": Behaviour(healthy_after_s=None, unhealthy_after_s=1),
            "done:1": Behaviour(exits_after_s=0.1, exit_code=0),
            "failed:1": Behaviour(exits_after_s=0.1, exit_code=3),
            "crashing:1": Behaviour(exits_after_s=0.1, exit_code=1),
            "broken:1": Behaviour(cannot_start="no such command"),
            "chatty:1": Behaviour(log=SAID),
        }
        for kind in (*KINDS, "other"):
            self.host.add_image(f"{kind}:1")

    def service(self, kind: str, **more: Any) -> dict[str, Any]:
        probed: dict[str, Any] = {"healthcheck": {"test": ["CMD", "true"]}} if kind in ("healthy", "sick") else {}
        policy = {"restart": "always"} if kind == "crashing" else {}
        return {"image": f"{kind}:1", **probed, **policy, "networks": {"default": None}, **more}

    def wait(self, seconds: float) -> None:
        self.host.clock.advance(seconds)


class RealBench(Bench):
    def __init__(self, folder: Path, compose: Compose | None = None) -> None:
        super().__init__(folder)
        self.engine = DockerEngine(self.root_id)
        self.compose = compose or ComposeProgram()
        self.somebody = DockerProgram()
        self.image, self.other_image = "rig/busybox:1", "rig/busybox:2"
        self._volumes: set[str] = set()  # anonymous ones carry no project, and outlive their containers

    def found(self, service: str | None = None) -> list[Container]:
        found = super().found(service)
        for container in found:
            if container.has_anonymous_volumes:
                mounts = DockerProgram().run("inspect", "-f", "{{range .Mounts}}{{.Name}} {{end}}", container.id)
                self._volumes.update(mounts.split())
        return found

    def service(self, kind: str, **more: Any) -> dict[str, Any]:
        command = {
            "done": "exit 0",
            "failed": "exit 3",
            "crashing": "sleep 0.1; exit 1",
            "chatty": f"printf '{SAID}\n'; sleep 1000",
        }.get(kind, "trap exit TERM; while :; do sleep 0.1; done")
        found: dict[str, Any] = {"image": self.image, "command": ["sh", "-c", command], "networks": {"default": None}}
        if kind in ("healthy", "sick"):
            test = "true" if kind == "healthy" else "false"
            found["healthcheck"] = {"test": ["CMD", test], "interval": "300ms", "timeout": "5s", "retries": 2}
        if kind == "crashing":
            found["restart"] = "always"
        if kind == "broken":
            found["command"] = ["/no/such/command"]
        return {**found, **more}

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def clear(self) -> None:
        super().clear()
        docker = DockerProgram().run
        of_ours = f"--filter=label=com.docker.compose.project={self.project}"
        for container in docker("ps", "-aq", of_ours).split():
            docker("rm", "-fv", container)
        for kind in ("network", "volume"):
            for name in docker(kind, "ls", "-q", of_ours).split():
                docker(kind, "rm", name)
        for name in self._volumes & set(docker("volume", "ls", "-q").split()):
            docker("volume", "rm", name)


class DockerProgram:
    """``docker`` on the command line."""

    def run(self, *arguments: str) -> str:
        done = subprocess.run(("docker", *arguments), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def stop(self, name: str) -> None:
        self.run("stop", "-t", "1", name)

    def kill(self, name: str) -> None:
        self.run("kill", name)

    def start(self, name: str) -> None:
        self.run("start", name)

    def pause(self, name: str) -> None:
        self.run("pause", name)

    def remove(self, name: str) -> None:
        self.run("rm", "-f", name)

    def rename(self, name: str, to: str) -> None:
        self.run("rename", name, to)

    def limit_memory(self, name: str, size: int) -> None:
        self.run("update", f"--memory={size}", f"--memory-swap={2 * size}", name)

    def disconnect(self, name: str, network: str) -> None:
        self.run("network", "disconnect", network, name)

    def connect(self, name: str, network: str) -> None:
        self.run("network", "connect", network, name)

    def tag(self, image: str, reference: str) -> None:
        self.run("tag", image, reference)


def names(containers: Sequence[Container]) -> list[str]:
    return [container.name for container in containers]
