"""Hooks of the kind backup: a release passes when a backup is as fresh and as proven as it asks for; else one is made now.

The backup it passes by says from then on which release it precedes. Never decides what a gate that stays shut means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.backup.entry import Backup
from reconciler.backup.kit import Kit, Stop, Wanted
from reconciler.backup.running import Errand, Runs
from reconciler.model.backup import BackupPlan
from reconciler.model.errors import WaitingError
from reconciler.model.hook import BackupGate, Occasion, Require
from reconciler.model.hook_call import HookCall, HookEnd


def good_enough(newest_first: Iterable[Backup], gate: BackupGate, now: float, since: float) -> Backup | None:
    """The newest one that lets pass, of backups of the gate's plan. One from the future is not trusted: a clock was set.
    ``since``: when what runs was proven. One from before holds what another release knew, which must not be gone back to."""
    for backup in newest_first:
        if backup.before_restore:  # it and all that are older hold what somebody had replaced
            return None
        is_fresh = 0 <= now - backup.created_at <= gate.max_age_s and backup.created_at >= since
        if is_fresh and _is_good(backup, gate.require):
            return backup
    return None


def _is_good(backup: Backup, require: Require) -> bool:
    return backup.verified if require is Require.VERIFIED else backup.sound


@dataclass(frozen=True, slots=True)
class Gate:
    kit: Kit
    runs: Runs

    def let_pass(self, wanted: Wanted, gate: BackupGate, call: HookCall) -> HookEnd:
        """Raises StalledError where there is no such backup to be made."""
        plan = wanted.plan(gate.backup)
        if not self._has_anything(plan, call):
            return _end(
                call, f"there is nothing to back up yet: the service {plan.service} does not run before this release"
            )
        store = self.kit.store(wanted.stack, plan)
        since = self._proven_at(call)
        found = good_enough(store.all(wanted.stack, plan.name), gate, self.kit.clock.now(), since)
        if found is None:
            return self._make(wanted, plan, gate, call)
        store.describe(found.before(call.attempt.release))
        age_s = self.kit.clock.now() - found.created_at
        return _end(call, f"{found.name} is {age_s:.0f} s old and reaches {found.level.name}")

    def _proven_at(self, call: HookCall) -> float:
        releases = self.kit.journal.releases(call.attempt.stack)
        proven = (found.ended_at for found in releases if found.number == call.attempt.previous_release)
        return next(proven, None) or 0.0

    def _has_anything(self, plan: BackupPlan, call: HookCall) -> bool:
        """What runs is always backed up. What does not run, and did not in the release before, holds nothing yet; else it is
        down, and then nothing passes."""
        if self.kit.target_or_none(call.attempt.stack, plan.service) is not None:
            return True
        is_new = any(found.service == plan.service and not found.old_image for found in call.attempt.changed)
        return not is_new and call.attempt.occasion is not Occasion.FIRST

    def _make(self, wanted: Wanted, plan: BackupPlan, gate: BackupGate, call: HookCall) -> HookEnd:
        number = call.attempt.release
        call.told(f"backing up {plan.name} before release {number}")
        errand = Errand(why=f"before release {number}", precedes=number, stop=self._stop(call))
        try:
            made = self.runs.run(wanted, plan, errand)
        except WaitingError:
            if call.stop():
                return HookEnd(None, interrupted=True)
            return _end(call, fault=f"the backup has not ended within {call.hook.timeout_s:g} s and was ended")
        if made.finding:
            return _end(
                call, fault=f"{plan.name} could not be backed up: {made.finding.level.name}: {made.finding.problem}"
            )
        assert made.backup is not None
        if not _is_good(made.backup, gate.require):
            return _end(
                call, fault=f"{made.backup.name} is made, but not {gate.require}: verify of {plan.name} asks for less"
            )
        return _end(call, f"{made.backup.name} reaches {made.backup.level.name}, {made.backup.size} bytes")

    def _stop(self, call: HookCall) -> Stop:
        clock = self.kit.clock
        ends = clock.monotonic() + call.hook.timeout_s
        return lambda: call.stop() or ("its time is over" if clock.monotonic() >= ends else "")


def _end(call: HookCall, said: str = "", fault: str = "") -> HookEnd:
    if said:
        call.told(said)
    return HookEnd(None, call.clean(said), call.clean(fault))
