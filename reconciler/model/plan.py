"""A plan: steps in the order they are taken, each with the reason it is there.

One action is one small dataclass is one port call. A plan is a value: made by ``planning``, printed by ``diff``, walked
by ``execution``; nobody edits it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.manifest import HttpProbe, Strategy
from reconciler.model.observed import Endpoint


@dataclass(frozen=True, slots=True)
class Existing:
    """A container that the snapshot holds."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class New:
    """The ``index``-th (from 0) container that the plan's own create step makes for ``service``."""

    service: str
    index: int = 0


Ref = Existing | New


@dataclass(frozen=True, slots=True)
class CheckPorts:
    """Fails, before anything stops, when a host port is held by somebody else. Ports as ``address:port/protocol``."""

    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildImage:
    service: str
    image: str


@dataclass(frozen=True, slots=True)
class PullImage:
    """``room``: bytes that must be free where the engine keeps images before it begins."""

    image: str
    room: int = 0


@dataclass(frozen=True, slots=True)
class TagImage:
    """Let ``image`` (a reference) name ``image_id`` again."""

    image: str
    image_id: str


@dataclass(frozen=True, slots=True)
class RestoreObject:
    """Put the content that Git holds back into a mounted file or folder. ``path`` is its place under state/objects."""

    path: str


@dataclass(frozen=True, slots=True)
class CreateContainers:
    """One ``compose create``: ``services`` get containers beside what is there.

    ``totals``: for every service of the model, how many containers it has afterwards, stopped ones included, because
    Compose would take away what it counts as too many.
    """

    services: tuple[str, ...]
    totals: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class RecreateServices:
    """Compose's own recreate (``compose up --no-deps``) of services that a swap cannot serve. ``anew``: of all of their containers,
    also of those that Compose takes for right, such as one that read an old certificate when it started."""

    services: tuple[str, ...]
    anew: bool = False


@dataclass(frozen=True, slots=True)
class StartContainer:
    ref: Ref


@dataclass(frozen=True, slots=True)
class UnpauseContainer:
    ref: Ref


@dataclass(frozen=True, slots=True)
class StopContainer:
    """``at_once``: without the time to end what is under way, where every moment that nobody serves counts more."""

    ref: Ref
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class RestartContainer:
    ref: Ref


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Never takes volumes along."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class RenameContainer:
    ref: Ref
    name: str


@dataclass(frozen=True, slots=True)
class UpdateResources:
    ref: Ref
    resources: tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, slots=True)
class ConnectNetwork:
    ref: Ref
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class DisconnectNetwork:
    ref: Ref
    network: str


@dataclass(frozen=True, slots=True)
class ForgetNames:
    """Take ``names`` out of the ACME file ``storage`` (a path of this host) of a proxy that is stopped."""

    storage: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShiftTraffic:
    """The proxies send what is for ``service`` to ``refs`` and nobody else; to whoever has its name, if there are none.
    Done when every proxy that runs has said that it does."""

    service: str
    refs: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class DrainContainer:
    """Wait until no request to ``ref`` is under way, for ``within_s`` at most."""

    ref: Ref
    within_s: float


@dataclass(frozen=True, slots=True)
class DropUpstreams:
    """The proxies hear nothing of ``services`` from us any more."""

    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunHook:
    """A hook of the stack's manifest, once for this attempt. ``phase``: as in stack.yaml."""

    phase: str
    name: str


@dataclass(frozen=True, slots=True)
class RestoreData:
    """A backup, by its name, in the place of the live database; what uses that is stopped for the moment it takes to change.
    ``forth``: on the way to a release, which can fail yet: then what is replaced is backed up first. ``stops``: containers of
    another release, which serve until then, and stay stopped: they must not write to what is restored."""

    backup: str
    forth: bool
    stops: tuple[Existing, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveNetwork:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class AwaitHealthy:
    """All of ``refs`` healthy within ``within_s`` and then healthy, without a restart, for ``soak_s``.

    A container without a healthcheck is healthy while it runs; with a ``probe`` it must answer, too. ``service`` is whose
    patience these figures are.
    """

    service: str
    refs: tuple[Ref, ...]
    within_s: float
    soak_s: float
    probe: HttpProbe | None = None


@dataclass(frozen=True, slots=True)
class AwaitCompleted:
    """A job's container ends with exit status 0 within ``within_s``."""

    service: str
    ref: Ref
    within_s: float


Action = (
    CheckPorts
    | BuildImage
    | PullImage
    | TagImage
    | RestoreObject
    | CreateContainers
    | RecreateServices
    | StartContainer
    | UnpauseContainer
    | StopContainer
    | RestartContainer
    | RemoveContainer
    | RenameContainer
    | UpdateResources
    | ConnectNetwork
    | DisconnectNetwork
    | ForgetNames
    | ShiftTraffic
    | DrainContainer
    | DropUpstreams
    | RunHook
    | RestoreData
    | RemoveNetwork
    | AwaitHealthy
    | AwaitCompleted
)


class CauseKind(StrEnum):
    """Why a step is there."""

    CREATED = "created"  # the service is new
    CHANGED = "changed"  # its definition differs; ``changes`` says where
    IMAGE = "image"  # the reference names another image
    SCALE = "scale"
    DRIFT = "drift"  # somebody changed what runs
    CERTIFICATE = "certificate"  # a pair of certs/ is new
    HOOK = "hook"  # stack.yaml says so
    DATA = "data"  # they are not what the release that runs knew
    DEPENDENCY = "dependency"  # something it stands on is replaced
    REMOVED = "removed"  # no longer in the release
    UNFINISHED = "unfinished"  # left over from a swap that did not end
    PROVEN = "proven"  # the new is proven, so the old may go


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a service's definition. Values are None where absent; of a secret neither value is ever kept."""

    key: str
    old: str | None
    new: str | None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    kind: CauseKind
    text: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    action: Action
    cause: Cause
    service: str = ""  # "" for steps that concern the whole stack


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What happens to one service, for people: the verb, the strategy with its reason, and the cause."""

    service: str
    verb: str  # create, replace, repair, scale, remove, restart, none
    cause: Cause
    strategy: Strategy | None = None
    strategy_reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """``proven_after``: how many of the steps must be done for the release to be proven; the rest is cleaning up.
    ``costs``: what taking the steps may cost: it is over with them."""

    stack: str
    release: str  # the release's digest
    steps: tuple[Step, ...] = ()
    services: tuple[ServicePlan, ...] = ()
    notes: tuple[
        str, ...
    ] = ()  # what is declined, announced or worth knowing: gaps, refused prunes, foreign containers
    proven_after: int = 0
    costs: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.steps
