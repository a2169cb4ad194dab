"""Releases, passes and hooks as programs get them (docs/json-output.md)."""

from __future__ import annotations

from reconciler.model.duration import shown_duration
from reconciler.model.hook import HookRecord
from reconciler.model.moment import iso_moment
from reconciler.model.record import PassRecord, ReleaseRecord, StackRecord, StepRecord


def took(began_at: float, ended_at: float | None) -> str:
    return "-" if ended_at is None else shown_duration(ended_at - began_at)


def release_object(record: StackRecord, release: ReleaseRecord) -> dict[str, object]:
    return {
        "number": release.number,
        "revision": release.revision,
        "subject": release.subject,
        "outcome": release.outcome.value,
        "quarantined": release.quarantined,
        "current": release.number == record.applied_release,
        "createdAt": iso_moment(release.created_at),
        "endedAt": iso_moment(release.ended_at),
        "durationSeconds": None if release.ended_at is None else round(release.ended_at - release.created_at, 3),
        "askedBy": release.asked_by,
        "digest": release.digest,
        "images": dict(release.images),
    }


def pass_object(found: PassRecord, steps: tuple[StepRecord, ...], ran: list[HookRecord]) -> dict[str, object]:
    return {
        "id": found.id,
        "goal": found.goal.value,
        "release": found.release,
        "outcome": found.outcome,
        "beganAt": iso_moment(found.began_at),
        "endedAt": iso_moment(found.ended_at),
        "steps": [
            {
                "number": step.index,
                "service": step.service,
                "text": step.text,
                "state": step.state.value,
                "error": step.error,
                "beganAt": iso_moment(step.began_at),
                "endedAt": iso_moment(step.ended_at),
            }
            for step in steps
        ],
        "hooks": [hook_object(record) for record in ran],
    }


def hook_object(record: HookRecord) -> dict[str, object]:
    return {
        "phase": record.phase.value,
        "name": record.name,
        "release": record.release,
        "attempt": record.attempt,
        "state": record.state.value,
        "exitCode": record.exit_code,
        "output": record.output,
        "beganAt": iso_moment(record.began_at),
        "endedAt": iso_moment(record.ended_at),
        "durationSeconds": None if record.ended_at is None else round(record.ended_at - record.began_at, 3),
    }
