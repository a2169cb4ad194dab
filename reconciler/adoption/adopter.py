"""The story of an adoption: what can be done while the old project serves, then the change of hands, then proof, or all of it
back. Each step is written down before it is done and may be done twice; ``book`` says where a process that was killed stood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler import files
from reconciler.adoption.book import Book, Phase, Record, TextChange
from reconciler.adoption.carrying import carry_file, carry_folder, discard, holds_something, sum_of
from reconciler.adoption.clone import sha256_of
from reconciler.adoption.cron import Cron
from reconciler.adoption.model import Adoption, Kind
from reconciler.adoption.old import Old
from reconciler.layout import Layout
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.model.record import Ready, Truth
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Progress

_INTERRUPTED = "Interrupted"
_SUMS = "SHA256SUMS"


class NewStack(Protocol):
    """The stack that takes over. ``why``: for the record, and for whoever asks why it does not run."""

    def suspend(self, why: str) -> None: ...

    def resume(self) -> None: ...

    def prepare(self, adoption: Adoption) -> None:
        """While the old project serves: images, and a proven backup of its databases. Raises ReconcilerError."""

    def bring(self) -> Ready:
        """One pass over the stack. Raises ReconcilerError(reason="Interrupted") where the process is to leave."""

    def take_down(self) -> None:
        """Nothing of it runs, and nothing of its releases is remembered. Data, volumes and backups stay."""

    def tell(self, severity: str, reason: str, message: str) -> None: ...


class UndoneError(StalledError):
    """It could not be adopted, and the old project serves again."""

    reason = "AdoptionUndone"


@dataclass(frozen=True, slots=True)
class Adopter:
    """``stop``: why the process is to leave, "" while it is not."""

    layout: Layout
    book: Book
    cron: Cron
    old: Old
    stack: NewStack
    clock: Clock
    progress: Progress
    stop: Callable[[], str]

    def adopt(self, adoption: Adoption, texts: tuple[TextChange, ...]) -> Record:
        """Raises UndoneError where it could not be, and ReconcilerError(reason="Interrupted")."""
        record = self.book.write(Record(adoption, Phase.TAKING, self.clock.now(), texts))
        return self._or_back(record, lambda: self._all(record))

    def go_on(self, record: Record) -> Record:
        """From where a process was killed that had stopped something already. Raises as ``adopt`` does."""
        return self._or_back(record, lambda: self._change_hands(record))

    def _all(self, record: Record) -> Record:
        self.stack.suspend("it is being adopted: reconciler adopt")
        self._take_along(record)
        self._check_leaving()
        self.stack.prepare(record.adoption)
        self._check_leaving()
        return self._change_hands(record)

    def _or_back(self, record: Record, work: Callable[[], Record]) -> Record:
        try:
            return work()
        except ReconcilerError as error:
            if error.reason == _INTERRUPTED:
                raise
            self.progress(f"it failed: {error}")
            self.undo(self.book.read() or record, str(error))
            raise UndoneError(f"it was undone, and the old project serves as before: {error}") from error

    def _take_along(self, record: Record) -> None:
        for file in record.adoption.files:
            self.progress(f"copy {file.source} to {file.target}")
            carry_file(Path(file.source), Path(file.target), file.sha256, mode=0o600)
        self._write_sums(record.adoption)
        for text in record.texts:
            self.progress(f"write {text.path}")
            self._put(Path(text.path), text.after.encode())

    def _write_sums(self, adoption: Adoption) -> None:
        dumps = [file for file in adoption.files if file.kind is Kind.DUMP]
        if dumps:
            lines = "".join(f"{file.sha256}  {Path(file.target).name}\n" for file in dumps)
            self._put(Path(dumps[0].target).with_name(_SUMS), lines.encode())

    def _change_hands(self, record: Record) -> Record:
        adoption = record.adoption
        record = record if record.phase is Phase.STARTED else self.book.write(record, phase=Phase.STANDING)
        self.cron.remove(adoption.cron)
        for container in adoption.containers:
            if container.ran and container.successor and not record.stopped_at:
                record = self.book.write(record, stopped_at=self.clock.now())
            self.progress(f"stop {container.name}" + (f", kept as {container.aside}" if container.aside else ", kept"))
            self.old.stand(container)
        self.old.check_all_stand(adoption)
        for folder in adoption.data:
            if not holds_something(Path(folder.target)):
                self.progress(f"copy {folder.source} to {folder.target}")
                carry_folder(Path(folder.source), Path(folder.target), self._check_leaving)
        return self._bring(self.book.write(record, phase=Phase.STARTED))

    def _bring(self, record: Record) -> Record:
        self._check_leaving()
        self.stack.resume()
        ready = self.stack.bring()
        if ready.status is not Truth.TRUE:
            raise StalledError(f"{record.adoption.stack} did not become Ready: {ready.reason}: {ready.message}")
        record = self.book.write(record, phase=Phase.ADOPTED, ready_at=self.clock.now())
        told = f"it took over from the project {record.adoption.project} ({record.adoption.folder}), until confirmed or undone"
        self.stack.tell("info", "Adopted", told)
        return record

    def undo(self, record: Record, why: str = "") -> tuple[str, ...]:
        """From wherever it stands; what a person should know. May be called again where it failed half-way."""
        record = self.book.write(record, phase=Phase.UNDOING, why=why or record.why)
        adoption = record.adoption
        self.stack.suspend("its adoption was undone, and the old project serves")
        self.progress(f"take down what runs of {adoption.stack}")
        self.stack.take_down()
        told = [*self._set_data_aside(adoption)]
        for container in reversed(adoption.containers):
            self.progress(f"start {container.name}" if container.ran else f"put {container.name} back")
            told += self.old.restore(container)
        self.cron.put_back(adoption.cron)
        told += self._take_back(record)
        self.stack.suspend("its adoption was undone, and the old project serves; adopt it again, or resume it")
        self.stack.tell("error" if why else "info", "AdoptionUndone", why or "by hand")
        self.book.end()
        return tuple(told)

    def _set_data_aside(self, adoption: Adoption) -> list[str]:
        """What the stack wrote into copies is in none of the old folders, so it is kept."""
        told = []
        for folder in adoption.data:
            source, target = Path(folder.source), Path(folder.target)
            if not holds_something(target):
                continue
            if source.exists() and sum_of(source) == sum_of(target):
                discard(target)
                continue
            aside = target.with_name(f"{target.name}.undone-{self.clock.now():.0f}")
            target.rename(aside)
            told.append(f"what {folder.service} wrote since is in {aside}, and not in {folder.source}")
        return told

    def _take_back(self, record: Record) -> list[str]:
        """Only what is as we wrote it, and of copies only those whose original is still there."""
        told = []
        for file in record.adoption.files:
            if not file.there and sha256_of(Path(file.target)) == file.sha256 == sha256_of(Path(file.source)):
                files.remove(Path(file.target))
            elif not file.there and Path(file.target).exists():
                told.append(f"{file.target} stays: it is no longer what {file.source} is")
        for text in record.texts:
            told += self._take_text_back(text)
        return told

    def _take_text_back(self, text: TextChange) -> list[str]:
        path = Path(text.path)
        now = files.content_of(path)
        if now is None or now == (text.before or "").encode():
            return []
        if now != text.after.encode():
            return [f"{path} stays as it is: it was edited since, so take what adopt wrote out by hand"]
        if text.before is None:
            files.remove(path)
        else:
            self._put(path, text.before.encode())
        return []

    def confirm(self, record: Record) -> tuple[str, ...]:
        """The old containers go, and networks that nobody uses; what went. Volumes stay, and so does the folder."""
        if record.phase not in (Phase.ADOPTED, Phase.CONFIRMING):
            raise StalledError(
                "the adoption has not come to its end: call adopt again, or adopt --undo", reason="NotAdopted"
            )
        self.old.check_all_stand(record.adoption)
        record = self.book.write(record, phase=Phase.CONFIRMING)
        gone = self.old.remove(record.adoption)
        self.stack.tell("info", "AdoptionConfirmed", f"removed: {', '.join(gone) or 'nothing'}")
        self.book.end()
        return gone

    def _put(self, path: Path, content: bytes) -> None:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        files.put(path, content, self.layout.staging, mode=mode)

    def _check_leaving(self) -> None:
        if why := self.stop():
            raise WaitingError(f"interrupted by {why}", reason=_INTERRUPTED)
