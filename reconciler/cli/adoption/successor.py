"""The stack that takes over from an old project, brought up and taken down for ``Adopter``.

Parts are opened anew for each errand, since host.yaml and env/ change in between.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.adapters.docker_engine.projects import Projects
from reconciler.adoption.deciding import other_majors
from reconciler.adoption.model import Adoption
from reconciler.cli import output, roots
from reconciler.cli.wiring import Leaving, Parts, opened
from reconciler.layout import Layout
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.model.record import Ready, StackRecord, Suspension

if TYPE_CHECKING:
    from reconciler.backup.making import Made
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.model.backup import BackupPlan
    from reconciler.model.desired import Release
    from reconciler.model.project import ProjectContainer


@dataclass(frozen=True, slots=True)
class Successor:
    """Implements ``NewStack``."""

    layout: Layout
    name: str
    level: int
    leaving: Leaving
    dumps: bool = True

    def suspend(self, why: str) -> None:
        self._suspended(Suspension(why, roots.who(), time.time()))

    def resume(self) -> None:
        self._suspended(None)

    def _suspended(self, suspension: Suspension | None) -> None:
        with roots.open_journal(self.layout) as journal:
            record = journal.stack(self.name) or StackRecord(self.name)
            journal.save_stack(replace(record, suspension=suspension))

    def tell(self, severity: str, reason: str, message: str) -> None:
        with roots.open_journal(self.layout) as journal:
            journal.tell(self.name, severity, reason, message, "", time.time())

    def prepare(self, adoption: Adoption) -> None:
        with self._parts() as parts:
            host = parts.host(output.progress)
            parts.lookout.turn()
            work = self._work(host)
            release = host.release(work)
            self._bring_images(parts, release)
            ids = {container.id for container in adoption.containers}
            old = [one for one in Projects().containers() if one.id in ids]
            here = {spec.image: Projects().image_environment(spec.image) for spec in release.services}
            for refusal in other_majors(old, release, here):
                raise StalledError(refusal, reason="OtherMajor")
            if self.dumps:
                self._dump(parts, work, old)

    def _bring_images(self, parts: Parts, release: Release) -> None:
        for spec in release.services:
            if spec.build_digest is None and parts.engine.image(spec.image) is None:
                output.progress(f"pull {spec.image}")
                parts.engine.pull(spec.image, output.progress)

    def _dump(self, parts: Parts, work: Work, old: list[ProjectContainer]) -> None:
        wanted = parts.backups.wanted(self.name, work.manifest.backups, work.variables)
        for backup in wanted.plans:
            running = next((one for one in old if one.service == backup.service and one.running), None)
            if running is not None:
                from reconciler.backup.making import Target

                output.progress(f"back up {backup.name} of {running.name}, and prove it")
                target = Target(self.name, running.id, running.image_id)
                self._check_dump(parts.backups.of_another(wanted, backup, target), backup)

    def _check_dump(self, made: Made | None, backup: BackupPlan) -> None:
        if made is None:
            return
        if made.finding is not None:
            raise StalledError(
                f"the backup {backup.name} before the change of hands is not good: {made.finding.level.name}: "
                f"{made.finding.problem}; mend that, or do without it: --without-dump",
                reason="BackupFailed",
            )
        if made.backup is not None:
            output.progress(f"{made.backup.name} reaches {made.backup.level.name}")

    def bring(self) -> Ready:
        from reconciler.certs.trouble import Trouble
        from reconciler.certs.vigil import Vigil

        with self._parts() as parts:
            host = parts.host(output.progress)
            vigil = Vigil(parts.certificates, parts.clock, Trouble(parts.journal, parts.clock))
            parts.lookout.turn()
            vigil.turn()  # before any service starts that reads a certificate
            try:
                record = host.reconcile(replace(self._work(host), forced=True))
            except ReconcilerError as error:
                if self.leaving.why:
                    raise WaitingError(f"interrupted by {self.leaving.why}", reason="Interrupted") from error
                raise
            vigil.stacks_changed()
            vigil.settle()
            return record.ready

    def take_down(self) -> None:
        with self._parts() as parts:
            engine = parts.engine
            mine = [one for one in engine.containers(self.name) if one.owned]
            for container in mine:
                engine.stop(container.id, None)
            for container in mine:
                engine.remove(container.id)
            for network in engine.networks():
                if network.owned and network.stack == self.name:
                    engine.remove_network(network.id)
            parts.shelf.clear(self.name)
            suspension = (parts.journal.stack(self.name) or StackRecord(self.name)).suspension
            parts.journal.forget_stack(self.name)
            parts.journal.save_stack(StackRecord(self.name, suspension=suspension))
            shutil.rmtree(self.layout.traefik_of(self.name), ignore_errors=True)

    def _work(self, host: Host) -> Work:
        found = next((work for work in host.works() if work.name == self.name), None)
        if found is None:
            raise StalledError(f"{self.name} is no longer in Git", reason="StackGone")
        return found

    @contextmanager
    def _parts(self) -> Iterator[Parts]:
        with opened(self.layout, log_level=self.level, mend=True, leaving=self.leaving) as parts:
            yield parts
