"""Which hooks a release has, where they stand in its plan, and what they are told. Pure; runs nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, assert_never

from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.errors import Problem
from reconciler.model.hook import (
    Attempt,
    BackupFacts,
    BackupGate,
    ChangedService,
    Exec,
    Hook,
    Http,
    Kind,
    Occasion,
    Phase,
    Run,
    Script,
)
from reconciler.model.manifest import Manifest
from reconciler.model.plan import BuildImage, Cause, CauseKind, CheckPorts, Plan, PullImage, RunHook, Step, TagImage

_FAILED_AT_HOOK = re.compile(r"step \d+, run \w+ hook ")  # as planning.story describes it
_FAILED_AT_STEP = re.compile(r"step \d+, ")
_LONGEST_ERROR = 8192  # characters: a variable of any length cannot be handed to a program


def hooks_at(manifest: Manifest, phase: Phase, occasion: Occasion) -> tuple[Hook, ...]:
    """In the order in which they run."""
    found = (hook for hook in manifest.hooks if hook.phase is phase and occasion in hook.on)
    return tuple(sorted(found, key=lambda hook: hook.name))


def hook_named(manifest: Manifest, phase: Phase, name: str) -> Hook | None:
    return next((hook for hook in manifest.hooks if (hook.phase, hook.name) == (phase, name)), None)


def occasion_of(release: Release, previous: Release | None, *, was_applied: bool, goes_back: bool) -> Occasion:
    """``was_applied``: whether anything ever was; ``previous`` may be lost all the same. ``goes_back``: a person did."""
    if goes_back:
        return Occasion.ROLLBACK
    if not was_applied:
        return Occasion.FIRST
    if previous is not None and not any(_is_new(found) for found in changed_services(release, previous)):
        return Occasion.CONFIG
    return Occasion.RELEASE


def changed_services(release: Release, previous: Release | None) -> tuple[ChangedService, ...]:
    """Those whose definition is not what it was, new and removed ones included, by name."""
    before = {spec.name: spec for spec in (previous.services if previous else ())}
    after = {spec.name: spec for spec in release.services}
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        old_image = _image(old, previous) if old and previous else ""
        new_image = _image(new, release) if new else ""
        if old is None or new is None or old.digest != new.digest or _differ(old, previous, new, release):
            found.append(ChangedService(name, old_image, new_image))
    return tuple(found)


def _is_new(changed: ChangedService) -> bool:
    """A service that went brings no image."""
    return bool(changed.new_image) and changed.old_image != changed.new_image


def _image(spec: ServiceSpec, release: Release) -> str:
    """The reference, and what it was pinned to: the same tag may name another image today."""
    pinned = release.images.get(spec.image, "")
    built = f" (build {spec.build_digest[:12]})" if spec.build_digest else ""
    return f"{spec.image}@{pinned}" if pinned else f"{spec.image}{built}"


def _differ(old: ServiceSpec, previous: Release | None, new: ServiceSpec, release: Release) -> bool:
    """Only where both are known: before images are brought, the new release's are not."""
    was = previous.images.get(old.image) if previous else None
    now = release.images.get(new.image)
    return bool(was and now and was != now)


def with_hooks(found: Plan, manifest: Manifest, occasion: Occasion) -> Plan:
    """preSync hooks before anything is changed, but after what would keep the plan from being walked at all is known:
    images that cannot be had, ports that somebody holds. postSync hooks are the last part of the proof."""
    towards, rest = found.steps[: found.proven_after], found.steps[found.proven_after :]
    first = tuple(step for step in towards if _changes_nothing(step))
    then = tuple(step for step in towards if not _changes_nothing(step))
    before = tuple(_steps(hooks_at(manifest, Phase.PRE_SYNC, occasion), occasion))
    after = tuple(_steps(hooks_at(manifest, Phase.POST_SYNC, occasion), occasion))
    if not before and not after:
        return found
    steps = (*first, *before, *then, *after, *rest)
    return replace(found, steps=steps, proven_after=len(steps) - len(rest))


def _changes_nothing(step: Step) -> bool:
    return isinstance(step.action, PullImage | BuildImage | TagImage | CheckPorts)


def _steps(hooks: tuple[Hook, ...], occasion: Occasion) -> Iterator[Step]:
    for hook in hooks:
        service = hook.kind.service if isinstance(hook.kind, Exec | Run) else ""
        cause = Cause(CauseKind.HOOK, f"stack.yaml, hooks.{hook.phase}, on {occasion}")
        yield Step(RunHook(hook.phase.value, hook.name), cause, service)


def failed_at_step(why: str) -> bool:
    """Of a plan, a hook or not: nobody put it into quarantine by hand."""
    return _FAILED_AT_STEP.match(why) is not None


def failed_at_hook(why: str) -> bool:
    """``why``: what the journal says of a failed step."""
    return _FAILED_AT_HOOK.match(why) is not None


def told(kind: Kind) -> str:
    """What a hook does, in a few words."""
    match kind:
        case Script(path, _, arguments):
            return " ".join((path, *arguments))
        case Exec(service, command, _):
            return f"in {service}: {' '.join(command)}"
        case Run(service, command, _):
            return f"new {service}: {' '.join(command) or '(its own command)'}"
        case Http(url, expect):
            return f"GET {url}: {expect}"
        case BackupGate(backup, require, max_age_s):
            age = f"at most {max_age_s:g}s old" if max_age_s else "made now"
            return f"backup {backup}: {require}, {age}"
        case _:
            assert_never(kind)


def kind_of(kind: Kind) -> str:
    """As stack.yaml has it."""
    return "backup" if isinstance(kind, BackupGate) else type(kind).__name__.lower()


def certificate_attempt(release: Release, number: int, domains: Iterable[str]) -> Attempt:
    """What postCert hooks of ``release``, which runs, are told."""
    return Attempt(
        stack=release.stack,
        release=release.number or 0,
        revision=release.revision,
        number=number,
        occasion=Occasion.CERT,
        previous_release=release.number,
        previous_revision=release.revision,
        domains=tuple(sorted(set(domains))),
    )


def around_attempt(release: Release, number: int, occasion: Occasion, backup: BackupFacts, error: str = "") -> Attempt:
    """What the hooks around a backup or a restore of ``release``, which runs, are told. ``number``: the time."""
    return Attempt(
        stack=release.stack,
        release=release.number or 0,
        revision=release.revision,
        number=number,
        occasion=occasion,
        previous_release=release.number,
        previous_revision=release.revision,
        error=error,
        backup=backup,
    )


def wrong_services(manifest: Manifest, services: Mapping[str, Any], hint: Callable[[str], str]) -> Iterator[Problem]:
    """Hooks of services that the stack does not have. ``hint``: which may have been meant."""
    file = posixpath.join(manifest.folder, "stack.yaml")
    for hook in manifest.hooks:
        if isinstance(hook.kind, Exec | Run) and hook.kind.service not in services:
            name = hook.kind.service
            message = f'no service of this stack is named "{name}"{hint(name)}'
            yield Problem(file, 0, f"hooks.{hook.phase}: {hook.name}", message)


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and files of this host, absolute."""

    root: str
    data: str
    env_file: str


def variables(hook: Hook, attempt: Attempt, places: Places, *, cut_short: bool) -> dict[str, str]:
    """The documented RECONCILER_* variables (docs/hooks.md), all of them texts; "" for what there is none of."""
    return {
        "RECONCILER_ROOT": places.root,
        "RECONCILER_DATA": places.data,
        "RECONCILER_ENV_FILE": places.env_file,
        "RECONCILER_STACK": attempt.stack,
        "RECONCILER_PHASE": hook.phase.value,
        "RECONCILER_HOOK": hook.name,
        "RECONCILER_ON": attempt.occasion.value,
        "RECONCILER_RELEASE": str(attempt.release),
        "RECONCILER_REVISION": attempt.revision,
        "RECONCILER_PREVIOUS_RELEASE": "" if attempt.previous_release is None else str(attempt.previous_release),
        "RECONCILER_PREVIOUS_REVISION": attempt.previous_revision,
        "RECONCILER_CHANGED_SERVICES": " ".join(changed.service for changed in attempt.changed),
        "RECONCILER_ATTEMPT": str(attempt.number),
        "RECONCILER_CUT_SHORT": "true" if cut_short else "false",
        "RECONCILER_FAILED_STEP": attempt.failed_step,
        "RECONCILER_ERROR": attempt.error[-_LONGEST_ERROR:],
        "RECONCILER_DOMAINS": " ".join(attempt.domains),
        **_backup_variables(attempt.backup or BackupFacts("", "")),
    }


def _backup_variables(backup: BackupFacts) -> dict[str, str]:
    return {
        "RECONCILER_BACKUP": backup.plan,
        "RECONCILER_BACKUP_NAME": backup.name,
        "RECONCILER_BACKUP_FILE": backup.file,
        "RECONCILER_BACKUP_LEVEL": backup.level,
        "RECONCILER_BACKUP_STATE": backup.state,
        "RECONCILER_BACKUP_PRECEDES": "" if backup.precedes is None else str(backup.precedes),
        "RECONCILER_DATABASE": backup.database,
    }


def context(hook: Hook, attempt: Attempt, places: Places, *, cut_short: bool) -> dict[str, Any]:
    """What the file that RECONCILER_CONTEXT names holds (schemas/hook-context.schema.json)."""
    failed = {"step": attempt.failed_step, "error": attempt.error} if attempt.failed_step or attempt.error else None
    return {
        "stack": attempt.stack,
        "phase": hook.phase.value,
        "hook": hook.name,
        "on": attempt.occasion.value,
        "release": attempt.release,
        "revision": attempt.revision,
        "previousRelease": attempt.previous_release,
        "previousRevision": attempt.previous_revision,
        "changedServices": [
            {"service": found.service, "oldImage": found.old_image, "newImage": found.new_image}
            for found in attempt.changed
        ],
        "attempt": attempt.number,
        "cutShort": cut_short,
        "failed": failed,
        "domains": list(attempt.domains),
        "backup": None if attempt.backup is None else asdict(attempt.backup),
        "paths": {"root": places.root, "data": places.data, "envFile": places.env_file},
    }
