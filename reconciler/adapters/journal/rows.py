"""Rows of state.db to records and back. Knows no connection; raises ValueError or KeyError for a row it cannot read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from reconciler.model.backup import BackupRecord, Level
from reconciler.model.data import DataBackup
from reconciler.model.environment import Mark
from reconciler.model.observed import Endpoint, LiveSettings
from reconciler.model.record import (
    EventRecord,
    Health,
    Outcome,
    PassGoal,
    PassRecord,
    Ready,
    ReleaseRecord,
    Request,
    RequestKind,
    StackRecord,
    StepRecord,
    StepState,
    Suspension,
    Sync,
    Truth,
)
from reconciler.model.updates import ImageRecord, Seen

Row = tuple[Any, ...]

# The order of these is the order of the fields of the records below them.
STACK = (
    "name, sync, health, ready_status, ready_reason, ready_message, attempted_revision, applied_revision, "
    "attempted_release, applied_release, wanted_release, suspension, updated_at"
)
RELEASE = "stack, number, digest, revision, outcome, created_at, ended_at, subject, asked_by, quarantined, images"
PASS = "id, stack, release, goal, began_at, ended_at, outcome"
STEP = "pass_id, number, service, text, state, began_at, ended_at, error"
BASELINE = "container_id, stack, settings"
BACKUP = "stack, plan, slot, began_at, ended_at, failed, level, verified_at, verified, folder"
EVENT = "id, at, stack, severity, reason, message, revision"
IMAGE = (
    "stack, service, repository, policy, tag, digest, before, taken_at, slot, looked_at, problem, attempts, retry_at, "
    "seen, written, waits_for, waits_until"
)
HOOK = "stack, release, attempt, phase, name, state, pass_id, began_at, ended_at, exit_code, output, failed_step, error, domains"
MARK = "stack, name, salt, print, making, made, renewed_after, rolls"
REQUEST = "id, kind, stack, who, created_at, force, release, reason, until, handled_at, answer, data"


def stack_of(row: Row) -> StackRecord:
    name, sync, health, status, reason, message, attempted, applied, attempting, applying, wanted, held, updated = row
    return StackRecord(
        name=name,
        sync=Sync(sync),
        health=Health(health),
        ready=Ready(Truth(status), reason, message),
        attempted_revision=attempted,
        applied_revision=applied,
        attempted_release=attempting,
        applied_release=applying,
        wanted_release=wanted,
        suspension=None if held is None else Suspension(**json.loads(held)),
        updated_at=updated,
    )


def stack_row(record: StackRecord) -> Row:
    return (
        record.name,
        record.sync.value,
        record.health.value,
        record.ready.status.value,
        record.ready.reason,
        record.ready.message,
        record.attempted_revision,
        record.applied_revision,
        record.attempted_release,
        record.applied_release,
        record.wanted_release,
        suspension_text(record.suspension),
        record.updated_at,
    )


def status_of(record: StackRecord) -> dict[str, Any]:
    """By column, without what people ask for."""
    found = dict(zip(STACK.split(", "), stack_row(record), strict=True))
    return {column: value for column, value in found.items() if column not in ("name", "wanted_release", "suspension")}


def suspension_text(held: Suspension | None) -> str | None:
    if held is None:
        return None
    return json.dumps({"reason": held.reason, "who": held.who, "since": held.since, "until": held.until})


def release_of(row: Row) -> ReleaseRecord:
    stack, number, digest, revision, outcome, created, ended, subject, asked_by, quarantined, images = row
    return ReleaseRecord(
        stack=stack,
        number=number,
        digest=digest,
        revision=revision,
        outcome=Outcome(outcome),
        created_at=created,
        ended_at=ended,
        subject=subject,
        asked_by=asked_by,
        quarantined=quarantined,
        images=MappingProxyType(json.loads(images)),
    )


def images_text(images: Mapping[str, str]) -> str:
    return json.dumps(dict(images))


def pass_of(row: Row) -> PassRecord:
    id_, stack, release, goal, began, ended, outcome = row
    return PassRecord(id_, stack, release, PassGoal(goal), began, ended, outcome)


def step_of(row: Row) -> StepRecord:
    pass_id, number, service, text, state, began, ended, error = row
    return StepRecord(pass_id, number, service, text, StepState(state), began, ended, error)


def settings_of(text: str) -> LiveSettings:
    written = json.loads(text)
    return LiveSettings(
        name=written["name"],
        resources=tuple((key, value) for key, value in written["resources"]),
        endpoints=tuple(
            Endpoint(network, tuple(aliases), ipv4, ipv6) for network, aliases, ipv4, ipv6 in written["endpoints"]
        ),
    )


def settings_text(settings: LiveSettings) -> str:
    return json.dumps(
        {
            "name": settings.name,
            "resources": settings.resources,
            "endpoints": [(e.network, e.aliases, e.ipv4, e.ipv6) for e in settings.endpoints],
        }
    )


def backup_of(row: Row) -> BackupRecord:
    stack, plan, slot, began, ended, failed, level, verified_at, verified, folder = row
    return BackupRecord(stack, plan, slot, began, ended, failed, Level[level], verified_at, verified, folder)


def event_of(row: Row) -> EventRecord:
    return EventRecord(*row)


def request_of(row: Row) -> Request:
    id_, kind, stack, who, created, force, release, reason, until, handled, answer, data = row
    return Request(
        id=id_,
        kind=RequestKind(kind),
        stack=stack,
        who=who,
        created_at=created,
        force=bool(force),
        release=release,
        reason=reason,
        until=until,
        handled_at=handled,
        answer=answer,
        data=tuple(DataBackup(*found) for found in json.loads(data)),
    )


def mark_of(row: Row) -> Mark:
    stack, name, salt, print_, making, made, renewed_after, rolls = row
    if not all(isinstance(text, str) for text in (*row[:4], rolls)):
        raise ValueError("no mark")
    salt = bytes.fromhex(salt).hex()
    return Mark(stack, name, salt, print_, bool(making), bool(made), int(renewed_after), rolls)


def image_of(row: Row) -> ImageRecord:
    seen = tuple(Seen(*one) for one in json.loads(row[13]))
    values: Row = (*row[:13], seen, *row[14:])
    return ImageRecord(*values)
