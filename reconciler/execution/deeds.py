"""How each action of a plan is done, through which port. Decides nothing, and writes nothing down."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from reconciler.execution.around import Around
from reconciler.execution.data import data_scene
from reconciler.execution.drain import Drain
from reconciler.execution.prove import Prover, Trouble
from reconciler.execution.walk import Hands, Walk, end_if
from reconciler.model.desired import ServiceSpec
from reconciler.model.errors import (
    ReconcilerError,
    StalledError,
    WaitingError,
)
from reconciler.model.hook import Phase
from reconciler.model.manifest import HttpProbe
from reconciler.model.observed import Container
from reconciler.model.plan import (
    Action,
    AwaitCompleted,
    AwaitHealthy,
    BuildImage,
    CheckPorts,
    ConnectNetwork,
    CreateContainers,
    DisconnectNetwork,
    DrainContainer,
    DropUpstreams,
    Existing,
    ForgetNames,
    New,
    Plan,
    PullImage,
    RecreateServices,
    Ref,
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
from reconciler.planning.port_holders import are_held, held_by
from reconciler.planning.story import name_of
from reconciler.planning.strategy import fixed_ports
from reconciler.refusals import no_room

LOG_LINES = 20


class Deeds:
    """One walk's memory: which containers the new ones turned out to be."""

    def __init__(self, hands: Hands, plan: Plan, walk: Walk) -> None:
        self._hands = hands
        self._walk = walk
        self._stack = plan.stack
        self._prover = Prover(hands.engine, hands.clock, lambda: end_if(walk.stop()), lambda: end_if(walk.newer()))
        self._new: dict[New, Container] = {}

    def act(self, action: Action) -> None:
        engine = self._hands.engine
        match action:
            case CheckPorts(ports):
                self._check_ports(ports)
            case BuildImage(service, _):
                self._build(service)
            case PullImage(image, room):
                self._pull(image, room)
            case TagImage(image, image_id):
                engine.tag(image_id, image)
            case RestoreObject(path):
                self._restore(path)
            case CreateContainers(services, totals):
                self._create(services, dict(totals))
            case RecreateServices(services, anew):
                self._recreate(services, anew)
            case StartContainer(ref):
                self._start(ref)
            case UnpauseContainer(ref):
                engine.unpause(self._id(ref))
            case StopContainer(ref, at_once):
                self._stop(ref, at_once)
            case RestartContainer(ref):
                engine.restart(self._id(ref), None)
                self._prover.watch(self._id(ref))
            case RemoveContainer(ref):
                engine.remove(self._id(ref))
            case RenameContainer(ref, name):
                engine.rename(self._id(ref), name)
            case UpdateResources(ref, resources):
                engine.update(self._id(ref), dict(resources))
            case ConnectNetwork(ref, endpoint):
                engine.connect(self._id(ref), endpoint)
            case DisconnectNetwork(ref, network):
                engine.disconnect(self._id(ref), network)
            case ForgetNames(storage, names):
                self._hands.certificates.forget(storage, names)
            case ShiftTraffic(service, refs):
                self._hands.traffic.shift(self._walk.release, service, [self._seen(ref) for ref in refs])
            case DrainContainer(ref, within_s):
                self._drain(ref, within_s)
            case DropUpstreams(services):
                self._hands.traffic.drop(self._walk.release, services)
            case RunHook(phase, name):
                self._run_hook(Phase(phase), name)
            case RestoreData():
                self._restore_data(action)
            case RemoveNetwork(identity, _):
                engine.remove_network(identity)
            case AwaitHealthy(service, refs, within_s, soak_s, probe):
                ids = [self._id(ref) for ref in refs]
                self._prover.await_healthy(ids, within_s, soak_s, self._asking(probe))
                if any(isinstance(ref, New) for ref in refs):
                    self._hands.traffic.see_read(self._walk.release, service)
            case AwaitCompleted(_, ref, within_s):
                self._prover.await_completed(self._id(ref), within_s)
            case _:
                assert_never(action)

    def last_words(self, action: Action) -> str:
        """The log of the container that an action failed on, the unhealthy one where there are several."""
        ref = getattr(action, "ref", None)
        identity = self._prover.failing or (self._known_id(ref) if ref is not None else None)
        if identity is None or isinstance(action, StopContainer | RemoveContainer):
            return ""
        try:
            return self._hands.engine.logs(identity, LOG_LINES).strip()
        except ReconcilerError:
            return ""

    def _id(self, ref: Ref) -> str:
        identity = self._known_id(ref)
        if identity is None:
            raise WaitingError(f"Compose did not make {name_of(ref)}", reason="CreateFailed")
        return identity

    def _known_id(self, ref: Ref) -> str | None:
        if isinstance(ref, Existing):
            return ref.id
        found = self._new.get(ref)
        return found.id if found else None

    def _seen(self, ref: Ref) -> Container:
        found = self._hands.engine.inspect(self._id(ref))
        if found is None:
            raise WaitingError(f"{ref} is gone", reason="NotFound")
        return found

    def _drain(self, ref: Ref, within_s: float) -> None:
        hands, release = self._hands, self._walk.release
        drain = Drain(hands.clock, lambda: end_if(self._walk.stop()))
        drain.until_idle(lambda: hands.traffic.under_way(release, self._seen(ref)), within_s)

    def _check_ports(self, ports: tuple[str, ...]) -> None:
        taken = self._hands.ports.taken(ports)
        if taken:
            told = held_by(taken, self._hands.engine.containers(), self._stack)
            raise WaitingError(f"{told}. It is tried again by itself", reason="PortTaken")

    def _with_holders(self, error: WaitingError, spec: ServiceSpec | None) -> WaitingError:
        """The engine names the port that a container cannot have, and not whose it is."""
        if error.reason != "PortTaken" or spec is None:
            return error
        others = self._hands.engine.containers()
        taken = are_held(sorted(fixed_ports(spec.definition)), others)
        return WaitingError(held_by(taken, others, self._stack), reason="PortTaken") if taken else error

    def _pull(self, image: str, room: int) -> None:
        engine, found = self._hands.engine, self._hands.engine.room()
        if found is not None and found.free < room:
            raise no_room(f"pull {image}", found.path, found.free, room)
        before = engine.image(image)
        pulled = engine.pull(image, self._walk.progress)
        if before is None or before.id != pulled.id:
            self._hands.images.save_brought(pulled.id, image)

    def _asking(self, probe: HttpProbe | None) -> Trouble | None:
        if probe is None:
            return None
        return lambda identity: self._hands.asks.trouble(self._hands.engine.address(identity), probe)

    def _run_hook(self, phase: Phase, name: str) -> None:
        scene = self._walk.scene
        assert scene is not None, "only an attempt at a release has hooks"
        self._lay_out_files()
        if not self._hands.hooks.run(scene, phase, name, self._walk.pass_id):
            end_if(self._walk.stop())

    def _restore_data(self, action: RestoreData) -> None:
        walk, hands = self._walk, self._hands
        assert walk.scene is not None, "data are restored for a release"
        scene = walk.scene
        why = (
            f"release {scene.attempt.release} asks for it"
            if action.forth
            else "a release failed after it had changed data"
        )
        around = Around(hands.hooks, hands.clock, lambda: scene, lambda: walk.pass_id)
        try:
            hands.restores.restore(data_scene(scene, why, around), action)
        except WaitingError as error:
            if error.reason == "Interrupted":
                end_if(walk.stop())
            raise

    def _lay_out_files(self) -> None:
        """What the containers will mount or be built from is in its place before Compose looks for it."""
        objects = self._hands.objects
        for entry in self._walk.release.objects:
            objects.ensure(entry)
        for seed in self._walk.release.seeds:
            self._hands.data.seed(objects.ensure(seed.entry), Path(seed.path))
        self._hands.certificates.lay_out(self._walk.release, self._walk.manifest)

    @property
    def _environment(self) -> dict[str, str]:
        return {**self._walk.environment, **self._walk.release.variables}

    def _build(self, service: str) -> None:
        walk = self._walk
        self._lay_out_files()
        self._hands.compose.build(self._stack, walk.model, service, self._environment, walk.progress)
        spec = walk.release.service(service)
        built = self._hands.engine.image(spec.image) if spec is not None else None
        if spec is not None and built is not None:
            self._hands.images.save_brought(built.id, spec.image)

    def _restore(self, path: str) -> None:
        for entry in self._walk.release.objects:
            if str(self._hands.objects.path(entry)) == path:
                self._hands.objects.restore(entry)

    def _create(self, services: tuple[str, ...], totals: dict[str, int]) -> None:
        walk, before = self._walk, self._ids()
        self._lay_out_files()
        self._hands.compose.create(self._stack, walk.model, services, totals, self._environment)
        self._learn(services, before)

    def _recreate(self, services: tuple[str, ...], anew: bool) -> None:
        walk, before = self._walk, self._ids()
        self._lay_out_files()
        self._hands.compose.recreate(self._stack, walk.model, services, self._environment, anew=anew)
        self._learn(services, before)

    def _ids(self) -> set[str]:
        return {found.id for found in self._hands.engine.containers(self._stack)}

    def _learn(self, services: tuple[str, ...], before: set[str]) -> None:
        """Bind the plan's new containers to those that appeared, and remember how they were made."""
        appeared = [
            found for found in self._hands.engine.containers(self._stack) if found.owned and found.id not in before
        ]
        for container in appeared:
            self._hands.journal.save_baseline(container.id, self._stack, container.settings)
        for service in services:
            mine = sorted((found for found in appeared if found.service == service), key=lambda found: found.number)
            for index, container in enumerate(mine):
                self._new[New(service, index)] = container

    def _start(self, ref: Ref) -> None:
        identity = self._id(ref)
        spec = self._spec_of(ref, identity)
        engine = self._hands.engine
        if spec is not None and spec.injections:
            engine.inject(identity, spec.injections)
        try:
            engine.start(identity)
        except WaitingError as error:
            raise self._with_holders(error, spec) from error
        self._prover.watch(identity)
        for hook in spec.post_start if spec is not None else ():
            status = engine.execute(identity, hook)
            if status:
                raise StalledError(f"post_start {' '.join(hook.command)} ended with exit status {status}")

    def _stop(self, ref: Ref, at_once: bool) -> None:
        identity = self._id(ref)
        spec = self._spec_of(ref, identity)
        for hook in spec.pre_stop if spec is not None else ():
            self._hands.engine.execute(identity, hook)
        grace_s = spec.stop_grace_s if spec is not None else None
        self._hands.engine.stop(identity, 0.0 if at_once else grace_s)

    def _spec_of(self, ref: Ref, identity: str) -> ServiceSpec | None:
        """What the container was made from, if that is this release's: another release's hooks are not ours to run."""
        if isinstance(ref, New):
            return self._walk.release.service(ref.service)
        container = self._hands.engine.inspect(identity)
        spec = self._walk.release.service(container.service) if container else None
        return spec if spec and container and container.definition == spec.digest else None
