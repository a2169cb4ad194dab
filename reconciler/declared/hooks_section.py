"""What ``hooks:`` of a ``stack.yaml`` declares, and which tracked files its scripts mean. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.declared.documents import KeyPath
from reconciler.declared.repository_files import RepositoryFiles, leads_out
from reconciler.declared.yaml_words import shown
from reconciler.model.backup import Verify
from reconciler.model.duration import parse_duration
from reconciler.model.hook import (
    BackupGate,
    Exec,
    Hook,
    Http,
    Kind,
    Occasion,
    OnFailure,
    Phase,
    Require,
    Run,
    Script,
    occasions_of,
)
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.nearest import did_you_mean

FOLDER = "hooks"  # the repository's own


@dataclass(frozen=True, slots=True)
class _Declared:
    """One hook as it was written, sound or not. ``where``: the keys that lead to it."""

    where: KeyPath
    phase: str
    values: Mapping[str, Any]


def hooks_of(root: Mapping[str, Any], scripts: Mapping[str, TreeEntry]) -> tuple[Hook, ...]:
    """By phase, then by name. ``root``: the values of a file without problems; ``scripts``: what each path means."""
    found = (_hook(declared, scripts) for declared in _declared(root))
    return tuple(sorted(found, key=lambda hook: (hook.phase, hook.name)))


def scripts_of(root: Mapping[str, Any], folder: str, files: RepositoryFiles) -> dict[str, TreeEntry]:
    """The tracked file that each script's path means; without those that mean none."""
    names = (declared.values.get("script") for declared in _declared(root))
    found = {name: script(folder, name, files) for name in names if isinstance(name, str)}
    return {name: entry for name, entry in found.items() if entry is not None}


def script(folder: str, name: str, files: RepositoryFiles) -> TreeEntry | None:
    """In the stack's folder first, then in the repository's ``hooks/``."""
    for place, inner in ((folder, name), (FOLDER, name.removeprefix(f"{FOLDER}/"))):
        if inner and files.holds(place, inner):
            return files.entry(place, inner)
    return None


def wrong_hooks(root: Mapping[str, Any], folder: str, files: RepositoryFiles) -> Iterator[tuple[KeyPath, str]]:
    """What the schema cannot see: names that are there twice, scripts that are not there, expressions that mean nothing."""
    seen: set[tuple[str, object]] = set()
    for declared in _declared(root):
        name = declared.values.get("name")
        if (declared.phase, name) in seen:
            yield (
                (*declared.where, "name"),
                f'{declared.phase} has another hook named "{shown(str(name))}"; rename one',
            )
        seen.add((declared.phase, name))
        if fault := _occasion_fault(declared):
            yield (*declared.where, "on"), fault
        if "backup" in declared.values:
            yield from _gate_faults(declared, root.get("backups"))
        if declared.values.get("changesData") is True and (fault := _change_fault(declared, root)):
            yield (*declared.where, "changesData"), fault
        path = declared.values.get("script")
        if isinstance(path, str) and path and not path.startswith("/"):
            yield from (((*declared.where, "script"), fault) for fault in _script_faults(folder, path, files))
        http = declared.values.get("http")
        if isinstance(http, Mapping) and isinstance(http.get("matches"), str):
            yield from _expression_faults((*declared.where, "http", "matches"), http["matches"])


def _occasion_fault(declared: _Declared) -> str:
    """Why it would never run."""
    known = occasions_of(Phase(declared.phase))
    named = declared.values.get("on")
    if not isinstance(named, list) or not named or not set(named) <= set(Occasion) or known & set(named):
        return ""
    usable = ", ".join(occasion for occasion in Occasion if occasion in known)
    return f"{declared.phase} runs for {usable} only, so this one never would; take on: out, or name one of these"


def _gate_faults(declared: _Declared, backups: Any) -> Iterator[tuple[KeyPath, str]]:
    where, name = (*declared.where, "backup"), declared.values["backup"]
    if declared.phase != Phase.PRE_SYNC:
        yield (
            where,
            f"a backup lets a release pass, so it belongs into {Phase.PRE_SYNC}; take it out of {declared.phase}",
        )
    known = backups if isinstance(backups, Mapping) else {}
    if not isinstance(name, str) or not name:
        return
    if name not in known:
        hint = did_you_mean(name, known) or "; declare it there, such as {postgres: {service: db, database: app}}"
        yield where, f'backups has none named "{shown(name)}"{hint}'
        return
    verify = known[name].get("verify") if isinstance(known[name], Mapping) else None
    if verify == Verify.NONE and declared.values.get("require", Require.VERIFIED) == Require.VERIFIED:
        yield (
            where,
            f"{shown(name)} is made with verify: none, so it is never verified; say require: made, or verify more",
        )


def _change_fault(declared: _Declared, root: Mapping[str, Any]) -> str:
    """Why the data could not be brought back if its release failed. A first release has none to go back to."""
    if declared.phase not in (Phase.PRE_SYNC, Phase.POST_SYNC):
        return f"it is about releases that fail, so it belongs to hooks of {Phase.PRE_SYNC} and {Phase.POST_SYNC}; take it out"
    if "backup" in declared.values:
        return "a backup changes no data; take it out"
    unsaved = _occasions(declared) - {Occasion.FIRST}
    for gate in _declared(root):
        is_before = declared.phase != Phase.PRE_SYNC or str(gate.values.get("name")) < str(declared.values.get("name"))
        if gate.phase == Phase.PRE_SYNC and "backup" in gate.values and is_before:
            unsaved -= _occasions(gate)
    if not unsaved:
        return ""
    names = ", ".join(occasion for occasion in Occasion if occasion in unsaved)
    return (
        f"on {names} no backup is made before it that could be gone back to; declare one in {Phase.PRE_SYNC} whose name comes "
        "first, such as {name: 00-dump, backup: db}, or name in on: what both are for"
    )


def _occasions(declared: _Declared) -> frozenset[Occasion]:
    named, known = declared.values.get("on"), occasions_of(Phase(declared.phase))
    if not isinstance(named, list) or not set(named) <= set(Occasion):
        return known
    return known & {Occasion(occasion) for occasion in named}


def _script_faults(folder: str, path: str, files: RepositoryFiles) -> Iterator[str]:
    if leads_out(path):
        yield f'"{shown(path)}" leads out of the stack\'s folder; name a file inside it, or one of {FOLDER}/'
        return
    entry = script(folder, path, files)
    if entry is None:
        yield f"{files.find(folder, path).fault}; it is looked for in the stack's folder and in {FOLDER}/"
    elif entry.kind is not EntryKind.EXECUTABLE:
        yield f'"{shown(path)}" is not executable; run: git update-index --chmod=+x {shown(entry.path)}'


def _expression_faults(where: KeyPath, expression: str) -> Iterator[tuple[KeyPath, str]]:
    try:
        re.compile(expression)
    except re.error as error:
        yield where, f'"{shown(expression)}" is no regular expression: {error}'


def _declared(root: Mapping[str, Any]) -> Iterator[_Declared]:
    phases = root.get("hooks")
    for phase, hooks in phases.items() if isinstance(phases, Mapping) else ():
        for index, values in enumerate(hooks) if isinstance(hooks, list) and phase in set(Phase) else ():
            if isinstance(values, Mapping):
                yield _Declared(("hooks", phase, index), phase, values)


def _hook(declared: _Declared, scripts: Mapping[str, TreeEntry]) -> Hook:
    values = declared.values
    given: dict[str, Any] = {}
    if "on" in values:
        given["on"] = frozenset(Occasion(occasion) for occasion in values["on"])
    if "timeout" in values:
        given["timeout_s"] = parse_duration(values["timeout"])
    if "onFailure" in values:
        given["on_failure"] = OnFailure(values["onFailure"])
    if "changesData" in values:
        given["changes_data"] = values["changesData"]
    return Hook(Phase(declared.phase), values["name"], _kind(values, scripts), **given)


def _kind(values: Mapping[str, Any], scripts: Mapping[str, TreeEntry]) -> Kind:
    if "script" in values:
        return Script(values["script"], scripts[values["script"]], tuple(values.get("arguments", ())))
    if "http" in values:
        return Http(**values["http"])
    if "backup" in values:
        require = Require(values.get("require", Require.VERIFIED))
        return BackupGate(values["backup"], require, parse_duration(values.get("maxAge", "0s")))
    kind = Exec if "exec" in values else Run
    inner = values["exec" if kind is Exec else "run"]
    return kind(inner["service"], tuple(inner.get("command", ())), inner.get("user", ""))
