"""Backups of one database that is a single text: what is written into it, backed up and restored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from reconciler.model.data import DataBackup, DataScene
from reconciler.model.errors import ReconcilerError
from reconciler.model.hook import BackupFacts, Phase


@dataclass
class FakeBackups:
    """Implements ``Backups``. ``live``: the data. ``kept``: the backups, by name. ``passed``: those that let a release pass.
    ``during``: called while the data change and nobody uses them. ``stop``: stops a container. ``fails``: raised before they do."""

    service: str = "db"
    live: str = "old"
    kept: dict[str, str] = field(default_factory=dict)
    passed: dict[int, str] = field(default_factory=dict)
    during: Callable[[], None] = lambda: None
    stop: Callable[[str], None] = lambda _: None
    fails: ReconcilerError | None = None
    restored: list[str] = field(default_factory=list)

    def back_up(self, release: int | None = None) -> str:
        """As it is now; before ``release``."""
        name = f"backup-{len(self.kept) + 1}"
        self.kept[name] = self.live
        if release is not None:
            self.passed[release] = name
        return name

    def passed_by(self, scene: DataScene, release: int) -> tuple[DataBackup, ...]:
        name = self.passed.get(release)
        return () if name is None else (DataBackup(name, self.service),)

    def save(self, scene: DataScene, backups: Sequence[DataBackup]) -> tuple[DataBackup, ...]:
        return tuple(DataBackup(self.back_up(), self.service) for _ in backups)

    def restore(
        self,
        scene: DataScene,
        name: str,
        *,
        must_ask: bool,
        for_good: Collection[str],
        swapping: Callable[[], None],
        swapped: Callable[[], None],
    ) -> None:
        scene.hooks(Phase.PRE_RESTORE, BackupFacts("db", "shop", name))
        if self.fails is not None:
            raise self.fails
        for container in for_good:
            self.stop(container)
        swapping()
        self.during()
        self.live = self.kept[name]
        self.restored.append(name)
        swapped()
