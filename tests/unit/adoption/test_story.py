"""Whatever is killed at whatever moment: the old project can be brought back as it was, and an adoption that had begun to change
hands can be brought to its end. And the two never run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler import files
from reconciler.adoption import adopter, carrying
from reconciler.adoption.adopter import Adopter, UndoneError
from reconciler.adoption.book import Book, Phase, TextChange, from_json, to_json
from reconciler.adoption.clone import sha256_of
from reconciler.adoption.cron import Cron
from reconciler.adoption.model import Adoption, CronLine, FileCopy, FolderCopy, Kind, Standing
from reconciler.adoption.old import Old
from reconciler.layout import Layout
from reconciler.model.errors import StalledError
from reconciler.model.project import ProjectContainer
from reconciler.model.record import Ready, Truth
from tests.fakes.clock import FakeClock

LINE = "0 1 * * * /opt/old/scripts/update.sh"
STANDS = (
    Standing("1", "old-proxy", "proxy", ran=True, restart="always", successor="proxy"),
    Standing("2", "old-job", "job", ran=False, restart="no"),
    Standing("3", "db", "db", ran=True, restart="on-failure", restart_count=3, aside="db.aside", successor="db"),
)


class Killed(BaseException):
    """As by SIGKILL: nobody catches it."""


@dataclass
class Host:
    """An engine with an old project, and a stack that can be brought up. ``left``: how many deeds are done before the plug is
    pulled, None for all; ``bad``: what the stack says instead of being Ready."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    stack_runs: bool = False
    suspended: bool = False
    networks_there: list[str] = field(default_factory=lambda: ["old_default"])
    left: int | None = None
    deeds: int = 0
    bad: str = ""
    told: list[str] = field(default_factory=list)
    ending: str = ""  # whose end was asked for by a process that is killed: it comes a moment later

    def settle(self) -> None:
        if self.ending:
            self.containers[self.ending]["running"], self.ending = False, ""

    def deed(self) -> None:
        self.deeds += 1
        if self.left is not None and self.deeds > self.left:
            raise Killed

    def check(self) -> None:
        """Two databases on one volume would destroy it."""
        assert not (self.stack_runs and any(found["running"] for found in self.containers.values()))

    # The engine

    def inspect(self, container_id: str) -> object | None:
        return self.containers.get(container_id)

    def update(self, container_id: str, resources: dict[str, Any]) -> None:
        self.deed()
        self.containers[container_id]["restart"] = tuple(resources.values())

    def stop(self, container_id: str, _: float | None) -> None:
        self.ending = container_id
        self.deed()
        self.containers[container_id]["running"], self.ending = False, ""

    def start(self, container_id: str) -> None:
        self.deed()
        if self.ending == container_id:
            return  # it runs still, so there is nothing to start
        self.containers[container_id]["running"] = True
        self.check()

    def rename(self, container_id: str, name: str) -> None:
        self.deed()
        self.containers[container_id]["name"] = name

    def remove(self, container_id: str) -> None:
        self.deed()
        del self.containers[container_id]

    def networks(self) -> list[Any]:
        from reconciler.model.observed import Network

        return [Network(name, name, "", "old", owned=False) for name in self.networks_there]

    def remove_network(self, name: str) -> None:
        self.deed()
        self.networks_there.remove(name)

    # The project's containers

    def projects(self) -> tuple[ProjectContainer, ...]:
        return tuple(
            ProjectContainer(
                key,
                found["name"],
                "old",
                running=found["running"],
                networks=("old_default",),
                restart=found["restart"][0],
                restart_count=found["restart"][1],
            )
            for key, found in self.containers.items()
        )

    # The stack

    def suspend(self, why: str) -> None:
        self.deed()
        self.suspended = True

    def resume(self) -> None:
        self.deed()
        self.suspended = False

    def prepare(self, adoption: Adoption) -> None:
        self.deed()

    def bring(self) -> Ready:
        self.deed()
        self.stack_runs = True
        self.check()
        self.deed()
        return Ready(Truth.FALSE, "Degraded", self.bad) if self.bad else Ready(Truth.TRUE, "Ready")

    def take_down(self) -> None:
        self.deed()
        self.stack_runs = False

    def tell(self, severity: str, reason: str, message: str) -> None:
        self.told.append(reason)


@dataclass
class Listing:
    containers: Callable[[], tuple[ProjectContainer, ...]]


@dataclass
class Scene:
    root: Path
    old: Path
    host: Host

    @property
    def adopter(self) -> Adopter:
        """A process of its own: nothing is remembered but what was written down."""
        layout = Layout(self.root)
        host = cast(Any, self.host)
        return Adopter(
            layout=layout,
            book=Book(layout.adoption, layout.staging),
            cron=Cron(layout.staging, (str(self.root.parent / "cron"),)),
            old=Old(host, Listing(self.host.projects)),
            stack=host,
            clock=FakeClock(),
            progress=lambda _: None,
            stop=lambda: "",
        )

    @property
    def adoption(self) -> Adoption:
        dump = self.old / "backup" / "1.dump"
        return Adoption(
            stack="shop",
            folder=str(self.old),
            project="old",
            files=(FileCopy(Kind.DUMP, str(dump), str(self.root / "adopted" / "1.dump"), sha256_of(dump), 1),),
            data=(FolderCopy(str(self.old / "db"), str(self.root / "data" / "shop" / "db"), "db", "/data"),),
            containers=STANDS,
            volumes={"files": "old_files"},
            cron=(CronLine(str(self.root.parent / "cron"), LINE),),
        )

    def adopt(self) -> None:
        texts = (
            TextChange(str(self.root / "env" / "shop.env"), "A=1\n", "A=1\nB=2\n"),
            TextChange(str(self.root / "env" / "new.env"), None, "C=3\n"),
            TextChange(str(self.root / "host.yaml"), "before\n", "after\n"),
        )
        self.adopter.adopt(self.adoption, texts)

    def record(self) -> Any:
        return self.adopter.book.read()

    def picture(self) -> dict[str, Any]:
        """All that an adoption may change, but what it has set aside and what it says of itself."""
        self.host.settle()
        places = (self.root, self.root.parent / "cron")
        texts = {
            str(path.relative_to(self.root.parent)): path.read_text()
            for place in places
            for path in (sorted(place.rglob("*")) if place.is_dir() else [place])
            if path.is_file() and ".undone-" not in str(path) and "SHA256SUMS" not in path.name
        }
        return {"texts": texts, "containers": {key: dict(found) for key, found in self.host.containers.items()}}


@pytest.fixture(autouse=True)
def _a_write_is_a_deed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a process is killed before each of them, too."""
    put, remove, carry = files.put, files.remove, carrying.carry_file

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def called(*words: Any, **more: Any) -> Any:
            now[0].deed()
            return work(*words, **more)

        return called

    monkeypatch.setattr(files, "put", counted(put))
    monkeypatch.setattr(files, "remove", counted(remove))
    monkeypatch.setattr(adopter, "carry_file", counted(carry))
    monkeypatch.setattr(adopter, "carry_folder", counted(carrying.carry_folder))


now: list[Host] = []


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return made(tmp_path)


def made(folder: Path) -> Scene:
    root, old = folder / "root", folder / "old"
    for path, text in (
        (root / "host.yaml", "before\n"),
        (root / "env" / "shop.env", "A=1\n"),
        (old / "backup" / "1.dump", "d"),
        (old / "db" / "rows", "1 row"),
        (folder / "cron", f"{LINE}\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "host.yaml").chmod(0o600)
    (root / "state").mkdir()
    containers = {
        one.id: {"name": one.name, "running": one.ran, "restart": (one.restart, one.restart_count)} for one in STANDS
    }
    now[:] = [Host(containers)]
    return Scene(root, old, now[0])


def all_deeds(folder: Path) -> Iterator[int]:
    """How many deeds there are to be killed at."""
    scene = made(folder)
    scene.adopt()
    return iter(range(scene.host.deeds))


def killed(folder: Path, after: int) -> tuple[Scene, dict[str, Any]]:
    scene = made(folder)
    before = scene.picture()
    scene.host.left = after
    with pytest.raises(Killed):
        scene.adopt()
    scene.host.left = None
    return scene, before


def test_an_adoption_changes_hands_and_is_told(scene: Scene) -> None:
    scene.adopt()
    assert scene.host.stack_runs
    assert not scene.host.suspended
    assert scene.host.told == ["Adopted"]
    assert scene.record().phase is Phase.ADOPTED
    assert {found["restart"] for found in scene.host.containers.values()} == {("no", 0)}
    assert scene.host.containers["3"]["name"] == "db.aside"
    assert (scene.root / "data/shop/db/rows").read_text() == "1 row"
    assert (scene.root / "env/shop.env").read_text() == "A=1\nB=2\n"
    assert (scene.root / "adopted/SHA256SUMS").read_text() == f"{sha256_of(scene.old / 'backup/1.dump')}  1.dump\n"
    assert (scene.root.parent / "cron").read_text() == ""


def test_killed_at_any_moment_all_can_be_undone(tmp_path: Path) -> None:
    for after in all_deeds(tmp_path / "whole"):
        scene, before = killed(tmp_path / str(after), after)
        if scene.record() is None:
            assert (scene.picture(), after) == (before, 0)
            continue
        scene.adopter.undo(scene.record())
        assert scene.picture() == before, f"killed after {after} deeds"
        assert not scene.host.stack_runs
        assert scene.record() is None


def test_killed_at_any_moment_of_an_undoing_all_can_be_undone(tmp_path: Path) -> None:
    for after in range(60):
        scene = made(tmp_path / str(after))
        before = scene.picture()
        scene.adopt()
        scene.host.left = scene.host.deeds + after
        try:
            scene.adopter.undo(scene.record())
        except Killed:
            scene.host.left = None
            if scene.record() is not None:
                scene.adopter.undo(scene.record())
            assert scene.picture() == before, f"killed after {after} deeds"
            continue
        assert scene.picture() == before
        return
    raise AssertionError("an undoing never comes to its end")


def test_killed_while_it_changes_hands_it_can_go_on(tmp_path: Path) -> None:
    went_on = 0
    for after in all_deeds(tmp_path / "whole"):
        scene, _ = killed(tmp_path / str(after), after)
        if scene.record() and scene.record().phase in (Phase.STANDING, Phase.STARTED):
            went_on += 1
            scene.host.stack_runs = False  # as after the pass that was killed: its containers are the pass's to end
            scene.adopter.go_on(scene.record())
            assert scene.record().phase is Phase.ADOPTED
            assert scene.host.stack_runs
    assert went_on > 5


def test_a_stack_that_does_not_become_ready_is_sent_back_by_itself_with_the_reason(scene: Scene) -> None:
    before = scene.picture()
    scene.host.bad = "server exits with 1"
    with pytest.raises(UndoneError, match="server exits with 1"):
        scene.adopt()
    assert scene.picture() == before
    assert scene.host.suspended, "the daemon must not try what failed, beside the old project"
    assert scene.host.told == ["AdoptionUndone"]


def test_what_was_written_into_a_copy_is_set_aside_and_never_lost(scene: Scene) -> None:
    scene.adopt()
    (scene.root / "data/shop/db/rows").write_text("2 rows")
    told = scene.adopter.undo(scene.record())
    (aside,) = (scene.root / "data/shop").glob("db.undone-*")
    assert (aside / "rows").read_text() == "2 rows"
    assert any(str(aside) in word for word in told)


def test_a_copy_that_nobody_wrote_to_leaves_nothing_behind(scene: Scene) -> None:
    scene.adopt()
    assert scene.adopter.undo(scene.record()) == ()
    assert list((scene.root / "data/shop").iterdir()) == []


def test_what_a_person_edited_meanwhile_stays(scene: Scene) -> None:
    scene.adopt()
    (scene.root / "env/shop.env").write_text("A=1\nB=3\n")
    (scene.root / "host.yaml").write_text("edited\n")
    told = scene.adopter.undo(scene.record())
    assert (scene.root / "env/shop.env").read_text() == "A=1\nB=3\n"
    assert (scene.root / "host.yaml").read_text() == "edited\n"
    assert len(told) == 2


def test_a_copy_whose_original_is_gone_is_not_taken_back(scene: Scene) -> None:
    scene.adopt()
    (scene.old / "backup" / "1.dump").unlink()
    scene.adopter.undo(scene.record())
    assert (scene.root / "adopted/1.dump").read_text() == "d"


def test_nothing_is_brought_up_while_somebody_started_an_old_container_again(scene: Scene) -> None:
    scene.host.stop = lambda container_id, _: None  # type: ignore[method-assign]
    with pytest.raises(UndoneError, match="somebody started it again"):
        scene.adopt()
    assert not scene.host.stack_runs


def test_a_confirmed_adoption_leaves_nothing_of_the_old_project_but_its_data(scene: Scene) -> None:
    scene.adopt()
    assert scene.adopter.confirm(scene.record()) == ("old-proxy", "old-job", "db.aside", "network old_default")
    assert (scene.host.containers, scene.host.networks_there) == ({}, [])
    assert (scene.old / "db" / "rows").exists()
    assert scene.record() is None


def test_killed_while_it_is_confirmed_it_can_be_confirmed_again(tmp_path: Path) -> None:
    for after in range(6):
        scene = made(tmp_path / str(after))
        scene.adopt()
        scene.host.left = scene.host.deeds + after
        with pytest.raises(Killed):
            scene.adopter.confirm(scene.record())
        scene.host.left = None
        scene.adopter.confirm(scene.record())
        assert scene.host.containers == {}


def test_what_has_not_come_to_its_end_cannot_be_confirmed(tmp_path: Path) -> None:
    scene, _ = killed(tmp_path, 12)
    with pytest.raises(StalledError, match="has not come to its end"):
        scene.adopter.confirm(scene.record())


def test_a_record_is_read_back_as_it_was_written(scene: Scene) -> None:
    scene.adopt()
    record = scene.record()
    assert from_json(to_json(record)) == replace(
        record, adoption=replace(record.adoption, volumes={"files": "old_files"})
    )
