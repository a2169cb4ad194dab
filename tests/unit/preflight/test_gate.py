"""Before the first release of a stack: what cannot work waits, what is only unwise is said once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reconciler.certs.view import View
from reconciler.execution.work import Work
from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.manifest import Manifest
from reconciler.model.requires import Requires
from reconciler.preflight.facts import Capacity, Disk, DomainSeen
from reconciler.preflight.gate import Gate
from reconciler.preflight.stack import Eyes, Subject
from tests.fakes.clock import FakeClock

GB = 10**9
WEB = ServiceSpec("web", "d", "web:1", {"labels": {"traefik.http.routers.web.rule": "Host(`shop.eu`)"}})
RELEASE = Release("web", "c" * 40, "digest", (WEB,))
MANIFEST = Manifest("web", "web", ("compose.yaml",), requires=Requires(4, 8 * GB, 50 * GB, ("${HOST}:${PORT}",)))
SMTP = {"HOST": "mail.shop.eu", "PORT": "587"}


@dataclass
class Told:
    """As much of a journal as the gate writes to."""

    events: list[tuple[str, str, str]] = field(default_factory=list)

    def tell(self, stack: str, severity: str, reason: str, message: str, revision: str, now: float) -> None:
        self.events.append((severity, reason, message))


@dataclass
class Host:
    free: int = 100 * GB
    cpus: float = 4
    addresses: tuple[str, ...] = ("203.0.113.7",)
    refusals: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def eyes(self) -> Eyes:
        return Eyes(
            capacity=lambda: Capacity(self.cpus, 8 * GB),
            disks=lambda: (Disk("/srv", self.free, 200 * GB),),
            is_taken=lambda _: False,
            publishers=lambda: (),
            listener=lambda _: "",
            domain=self.domain,
            why_unreachable=lambda host, port: self.refusals.get(f"{host}:{port}", ""),
            pairs=lambda: (),
        )

    def domain(self, name: str) -> DomainSeen:
        self.asked.append(name)
        return DomainSeen(name, self.addresses, frozenset({"203.0.113.7"}))


@dataclass
class Scene:
    host: Host = field(default_factory=Host)
    told: Told = field(default_factory=Told)
    manifest: Manifest = MANIFEST
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.work = Work("web", self.manifest, None)
        self.clock = FakeClock()
        self.gate = Gate(self.host.eyes(), self.subject, self.told, self.clock)  # type: ignore[arg-type]

    def subject(self, work: Work, release: Release) -> Subject:
        return Subject(work.manifest, release, View(), "mine", variables=self.variables)

    def held(self, release: Release = RELEASE) -> str:
        found = self.gate.hold(self.work, release)
        self.gate.close()
        return "" if found is None else f"{found.reason}: {found.message}"


def test_a_host_that_fits_is_not_spoken_of() -> None:
    scene = Scene()
    assert (scene.held(), scene.told.events) == ("", [])


def test_a_disk_without_room_for_state_holds_the_release_until_there_is_room() -> None:
    scene = Scene(Host(free=GB // 10))
    assert scene.held().startswith("PreflightFailed: the host is not fit for it: disk: 100 MB free at /srv")
    found = scene.gate.hold(scene.work, RELEASE)
    assert found is not None
    assert found.until > scene.clock.now()
    scene.host.free = 100 * GB
    assert scene.held() == ""


def test_all_that_is_unwise_is_one_event_and_holds_nothing() -> None:
    scene = Scene(Host(cpus=2, addresses=(), refusals={"mail.shop.eu:587": "no answer within 3 s"}), variables=SMTP)
    assert scene.held() == ""
    ((severity, reason, message),) = scene.told.events
    assert (severity, reason) == ("info", "PreflightWarning")
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == [
        "cpus",
        "domain shop.eu",
        "reach mail.shop.eu",
    ]


def test_the_same_release_is_looked_at_once_however_often_it_is_tried() -> None:
    scene = Scene()
    for _ in range(3):
        scene.held()
    assert scene.host.asked == ["shop.eu"]
    scene.held(replace(RELEASE, digest="another"))
    assert scene.host.asked == ["shop.eu", "shop.eu"]


def test_a_stack_without_domains_asks_nobody_and_variables_that_are_not_set_are_nothing_to_reach() -> None:
    scene = Scene(
        Host(refusals={":": "never asked"}), manifest=replace(MANIFEST, requires=Requires(reach=("${A}:${B}",)))
    )
    scene.held(replace(RELEASE, services=(replace(WEB, definition={}),)))
    assert (scene.host.asked, scene.told.events) == ([], [])
