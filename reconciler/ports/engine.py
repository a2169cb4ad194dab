"""What runs containers and what asks them: the Docker engine, Docker Compose, this host's ports, a container's HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from reconciler.model.desired import Injection, LifecycleHook
from reconciler.model.event import Event
from reconciler.model.manifest import HttpProbe
from reconciler.model.observed import Container, Endpoint, Image, Network, Room

Progress = Callable[[str], None]  # a line for people: "pulling 3f4a... 12 MB of 40 MB"


class Engine(Protocol):
    """The Docker engine. Containers and networks are named by id."""

    def containers(self, stack: str | None = None) -> tuple[Container, ...]:
        """Every container of ``stack``, or of any Compose project, ours (``owned``) and foreign. One list call, and one
        look at each; details are cached by id and dropped when the engine reports a change of the container."""

    def inspect(self, container_id: str) -> Container | None:
        """One container, by its id or name, read anew; None if it is gone."""

    def networks(self) -> tuple[Network, ...]:
        """Every network of a Compose project."""

    def image(self, reference: str) -> Image | None: ...

    def pull(self, reference: str, progress: Progress) -> Image:
        """Raises WaitingError when the registry does not give it (also for a tag that does not exist: it may be pushed
        later)."""

    def tag(self, image_id: str, reference: str) -> None: ...

    def remove_image(self, image_id: str) -> bool:
        """With all its tags. False where it is in use, or not there: nothing is forced."""

    def room(self) -> Room | None:
        """None where the engine's images are not on this host."""

    def start(self, container_id: str) -> None:
        """Raises WaitingError(reason="PortTaken"), and StalledError where the container cannot ever run."""

    def stop(self, container_id: str, grace_s: float | None) -> None:
        """SIGTERM (or its stop signal), then SIGKILL after ``grace_s`` (None: the container's own). Fine if stopped."""

    def restart(self, container_id: str, grace_s: float | None) -> None: ...

    def unpause(self, container_id: str) -> None: ...

    def remove(self, container_id: str) -> None:
        """Fine if it is gone. Never takes volumes along, anonymous ones included."""

    def rename(self, container_id: str, name: str) -> None: ...

    def update(self, container_id: str, resources: Mapping[str, str | int]) -> None: ...

    def connect(self, container_id: str, endpoint: Endpoint) -> None: ...

    def disconnect(self, container_id: str, network: str) -> None: ...

    def remove_network(self, network_id: str) -> None: ...

    def inject(self, container_id: str, files: Sequence[Injection]) -> None:
        """Copy the files into the container's file system."""

    def execute(self, container_id: str, hook: LifecycleHook, within_s: float | None = None) -> int:
        """Run a command inside; its exit status. ``within_s``: None for the adapter's own limit."""

    def signal(self, container_id: str, name: str) -> None:
        """Send the signal ``name`` (SIGHUP) to its first process. Fine if it does not run."""

    def process(self, container_id: str) -> int:
        """The number that this host knows its first process by; 0 while it has none."""

    def address(self, container_id: str) -> str:
        """Where it answers: one of its addresses on a bridge of this host, or this host's own; "" if it has none."""

    def logs(self, container_id: str, lines: int) -> str:
        """The last lines of its output, standard error included; "" if there is none."""

    def events(self) -> Iterator[Event]:
        """Blocks; ends by raising EngineUnavailableError when the connection is lost."""


class Compose(Protocol):
    """Docker Compose as a program: it renders, creates and builds; it decides nothing for us."""

    def version(self) -> str: ...

    def render(
        self,
        project: str,
        folder: Path,
        files: Sequence[str],
        env_files: Sequence[Path],
        environment: Mapping[str, str],
    ) -> Mapping[str, Any]:
        """``config --format json``: the resolved model. ``files`` are relative to ``folder``; later ``env_files`` win;
        ``environment`` is all of the process environment that interpolation sees. Raises InvalidInputError for what
        Compose refuses and for variables that are unset and have no default (all of them at once)."""

    def create(
        self,
        project: str,
        model: Path,
        services: Sequence[str],
        totals: Mapping[str, int],
        environment: Mapping[str, str],
    ) -> None:
        """``create --no-recreate --pull never --no-build`` with ``--scale`` for every service of ``totals``."""

    def recreate(
        self, project: str, model: Path, services: Sequence[str], environment: Mapping[str, str], *, anew: bool
    ) -> None:
        """``up -d --no-deps --pull never --no-build`` for ``services``; ``anew``: also of what is right already."""

    def build(
        self, project: str, model: Path, service: str, environment: Mapping[str, str], progress: Progress
    ) -> None: ...

    def command(
        self, project: str, model: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command line that does ``arguments`` (``exec ...``, ``run ...``) on ``model``, and all of its environment:
        for whoever must look after the program itself, since it may run long and be ended."""


class Ports(Protocol):
    def taken(self, ports: Sequence[str]) -> tuple[str, ...]:
        """Of ``address:port/protocol``, those that cannot be bound now."""


class Asks(Protocol):
    """Asks a container whether it answers."""

    def trouble(self, address: str, probe: HttpProbe) -> str:
        """Why it does not answer as it should, "" if it does. Raises nothing: a new container may take its time."""
