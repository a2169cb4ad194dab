"""Hooks as they run: each once in an attempt, written down before and after, also across a crash. Decides nothing else.

What a failing one means for the release is the loop's question; how each kind is run, the port's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.model.desired import Release
from reconciler.model.errors import StalledError
from reconciler.model.hook import GATING, OWED, Attempt, Hook, HookRecord, HookState, OnFailure, Phase
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.model.manifest import Manifest
from reconciler.planning.hooks import certificate_attempt, hook_named, hooks_at
from reconciler.ports.books import HookBook, Journal
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Progress
from reconciler.ports.rooms import Hooks

_LAST_LINES = 20  # of what a failing hook said, for the message
_LONGEST_MESSAGE = 4096  # characters of them


class HookFailedError(StalledError):
    """A hook failed, and its ``onFailure`` is abort. The message ends with its last lines."""

    reason = "HookFailed"


@dataclass(frozen=True, slots=True)
class HookScene:
    """What the hooks of one attempt share; as in HookCall."""

    attempt: Attempt
    manifest: Manifest
    release: Release
    model: Path
    environment: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    progress: Progress
    stop: Callable[[], str]
    clean: Callable[[str], str]


def scene_of(call: HookCall) -> HookScene:
    """That of a hook which has others run around what it does."""
    return HookScene(
        attempt=call.attempt,
        manifest=call.manifest,
        release=call.release,
        model=call.model,
        environment=call.environment,
        variables=call.variables,
        progress=call.told,
        stop=call.stop,
        clean=call.clean,
    )


class HookKeeping:
    """Safe to use from several threads as long as no two work on the same stack. ``before_change``: what must be so before a hook changes data; raises StalledError where it is not."""

    def __init__(
        self,
        hooks: Hooks,
        book: HookBook,
        journal: Journal,
        clock: Clock,
        before_change: Callable[[HookScene, Hook], None],
    ) -> None:
        self._before_change = before_change
        self._hooks = hooks
        self._book = book
        self._journal = journal
        self._clock = clock

    def begin_attempt(self, release: Release) -> int:
        return self._book.begin_attempt(release.stack, release.number or 0)

    def run(self, scene: HookScene, phase: Phase, name: str, pass_id: int) -> bool:
        """False: it was ended because the daemon leaves. Raises HookFailedError, WaitingError."""
        hook = hook_named(scene.manifest, phase, name)
        assert hook is not None, f"the plan has a hook {name} that the manifest has not"
        known = self._known(scene.attempt, hook)
        if known is not None and known.state in (HookState.DONE, HookState.FAILED):
            scene.progress(f"{scene.attempt.stack}: {phase} hook {name} has run already in this attempt")
        else:
            known = self._run(scene, hook, known, pass_id)
        if known.state is HookState.FAILED:
            self._tell_or_raise(scene, hook, known)
        return known.state is not HookState.BEGUN

    def recover(self, stack: str) -> None:
        """Of hooks that were cut short nothing is left running. Raises EngineUnavailableError."""
        for record in self._book.hooks(stack, HookState.BEGUN):
            self._hooks.clear(stack, record.phase, record.name)
            self._book.save_hook(replace(record, state=HookState.CUT_SHORT))

    def owe(self, manifest: Manifest, attempt: Attempt) -> None:
        """The syncFail hooks of an attempt that is about to fail: they run once the undo is over, however that goes on."""
        self._owe(manifest, Phase.SYNC_FAIL, attempt)

    def owe_for_certificates(self, manifest: Manifest, release: Release, domains: Iterable[str]) -> bool:
        """The postCert hooks of what runs: they run at the end of the stack's next pass. Whether there are any."""
        attempt = certificate_attempt(release, int(self._clock.now()), domains)
        return self._owe(manifest, Phase.POST_CERT, attempt)

    def _owe(self, manifest: Manifest, phase: Phase, attempt: Attempt) -> bool:
        hooks = hooks_at(manifest, phase, attempt.occasion)
        for hook in hooks:
            self._book.save_hook(_record(attempt, hook, HookState.OWED, 0, self._clock.now()))
        return bool(hooks)

    def owed(self, stack: str) -> tuple[HookRecord, ...]:
        cut_short = self._book.hooks(stack, HookState.CUT_SHORT)
        owed = (*self._book.hooks(stack, HookState.OWED), *(r for r in cut_short if r.phase in OWED))
        return tuple(sorted(owed, key=lambda record: record.name))

    def forgive(self, record: HookRecord) -> None:
        """The attempt did not fail after all, or the hook is no longer declared."""
        self._book.drop_hook(record)

    def _known(self, attempt: Attempt, hook: Hook) -> HookRecord | None:
        return self._book.hook(attempt.stack, attempt.release, attempt.number, hook.phase, hook.name)

    def _run(self, scene: HookScene, hook: Hook, known: HookRecord | None, pass_id: int) -> HookRecord:
        attempt = scene.attempt
        if hook.changes_data:
            self._before_change(scene, hook)
        begun = _record(attempt, hook, HookState.BEGUN, pass_id, self._clock.now())
        self._book.save_hook(begun)
        end = self._end_of(scene, hook, known is not None and known.state is not HookState.OWED)
        if end.interrupted:
            return begun
        said = "\n".join(text for text in (end.output, end.fault) if text)
        state = HookState.FAILED if end.fault else HookState.DONE
        ended = replace(begun, state=state, ended_at=self._clock.now(), exit_code=end.exit_code, output=said)
        self._book.save_hook(ended)
        return ended

    def _end_of(self, scene: HookScene, hook: Hook, cut_short: bool) -> HookEnd:
        stack = scene.attempt.stack
        call = HookCall(
            hook=hook,
            attempt=scene.attempt,
            cut_short=cut_short,
            manifest=scene.manifest,
            release=scene.release,
            model=scene.model,
            environment=scene.environment,
            variables=scene.variables,
            told=lambda line: scene.progress(f"{stack}: {hook.name}: {line}"),
            stop=scene.stop,
            clean=scene.clean,
        )
        try:
            return self._hooks.run(call)
        except StalledError as error:
            return HookEnd(None, fault=scene.clean(str(error)))

    def _tell_or_raise(self, scene: HookScene, hook: Hook, failed: HookRecord) -> None:
        message = _message(failed)
        if hook.on_failure is OnFailure.ABORT and hook.phase in GATING:
            raise HookFailedError(message)
        scene.progress(f"{scene.attempt.stack}: {message}")
        self._journal.tell(
            scene.attempt.stack, "error", "HookFailed", message, scene.attempt.revision, self._clock.now()
        )


def _record(attempt: Attempt, hook: Hook, state: HookState, pass_id: int, now: float) -> HookRecord:
    return HookRecord(
        stack=attempt.stack,
        release=attempt.release,
        attempt=attempt.number,
        phase=hook.phase,
        name=hook.name,
        state=state,
        pass_id=pass_id,
        began_at=now,
        failed_step=attempt.failed_step,
        error=attempt.error,
        domains=attempt.domains,
    )


def _message(failed: HookRecord) -> str:
    *lines, fault = failed.output.splitlines() or [""]
    said = "".join(f"\n{line}" for line in lines[-_LAST_LINES:])[-_LONGEST_MESSAGE:]
    return f"the {failed.phase} hook {failed.name} failed: {fault}" + (f"\nIts last lines:{said}" if said else "")
