"""Answers which stacks a revision declares for this host, and what is wrong with those that cannot be taken as they are.

What is wrong concerns the stack it is wrong with; the others go on. Reads through ``read`` only; runs and renders
nothing: what a Compose file means is for Compose to say.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from reconciler.declared.actions_section import wrong_actions
from reconciler.declared.backups import wrong_engines, wrong_recipients, wrong_schedules
from reconciler.declared.documents import KeyPath, read_compose
from reconciler.declared.environment.schema_file import SCHEMA_FILE
from reconciler.declared.environment.section import wrong_environment
from reconciler.declared.hooks_section import FOLDER as HOOKS_FOLDER
from reconciler.declared.hooks_section import scripts_of, wrong_hooks
from reconciler.declared.overlays import Overlay, idle_overlays, is_for, laid_over, overlays_of, wrong_in_overlay
from reconciler.declared.repository_files import Found, RepositoryFiles, leads_out
from reconciler.declared.stack_file import StackFile, check_stack_file, manifest_of, read_stack_file
from reconciler.declared.stack_folders import MISNAMED_STACK_FILE, STACK_FILE, StackFolder, overlooked, stack_folders
from reconciler.declared.updates import wrong_updates
from reconciler.declared.yaml_words import shown
from reconciler.model.errors import Problem
from reconciler.model.manifest import Manifest
from reconciler.model.source import TreeEntry
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.nearest import did_you_mean
from reconciler.planning.sealed import is_sealed, wrong_form
from reconciler.planning.stack_order import cycles, order

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TRACKED = (
    '"{}" is in Git, so containers get a copy of it that nothing is put into; name a folder that Git does not hold, or '
    "take it out of Git (git rm -r --cached)"
)
_MOST_REFERENCES = 1000  # of one stack: Compose files, those they include, and where each was looked for


@dataclass(frozen=True, slots=True)
class Discovery:
    """``manifests``: the sound stacks, each after those it depends on. ``broken``: the others' problems, by name.

    ``warnings``: what somebody may have meant otherwise; it stops nothing and concerns no stack. ``elsewhere``: why a stack
    of the repository is not for this host, by name.
    """

    manifests: tuple[Manifest, ...]
    broken: Mapping[str, tuple[Problem, ...]]
    warnings: tuple[Problem, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class _Here:
    """This host: its name, and the patterns of the stacks that run on it."""

    name: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """``hosts``: the patterns of those that it is for; none means all."""

    folder: StackFolder
    file: StackFile
    name: str
    depends_on: tuple[str, ...]
    hosts: tuple[str, ...]
    overlays: tuple[Overlay, ...]
    problems: list[Problem] = field(default_factory=list)

    def problem(self, message: str, *path: str | int) -> Problem:
        """About the key at ``path`` of its ``stack.yaml``; about the folder where there is none."""
        if self.file.document is not None:
            return self.file.document.problem(path, message)
        name = STACK_FILE if STACK_FILE in self.folder.names else ""
        return Problem(self.folder.path(name).rstrip("/") or "(root of the repository)", 0, "", message)


def discover(
    entries: Mapping[str, TreeEntry],
    path: str,
    read: Callable[[str], bytes],
    patterns: tuple[str, ...],
    host: str = "",
) -> Discovery:
    """The stacks in the folders below ``path`` whose names match one of ``patterns`` (shell patterns), and that are for the
    host of the name ``host``, with what is laid over them there.

    ``entries``: the revision's tree by path; ``read``: a file's content by object id. Raises InvalidInputError where
    ``path`` does not exist, and SourceError where the mirror does not give a file.
    """
    files = RepositoryFiles(entries, read)
    folders = stack_folders(entries, path)
    here, overlays = _Here(host, patterns), overlays_of(entries, path, host)
    everything = [_candidate(folder, files, overlays) for folder in folders]
    away = {candidate.name: why for candidate in everything if (why := _why_not_here(candidate, here))}
    chosen = [candidate for candidate in everything if not _why_not_here(candidate, here)]
    for candidate in chosen:
        candidate.problems.extend(_twins(candidate, chosen))
        candidate.problems.extend(_wrong_dependencies(candidate, everything, here))
    _add_circles(chosen)
    names = tuple(candidate.name for candidate in everything)
    warnings = (*overlooked(entries, path, folders, files.target_of), *_idle_patterns(patterns, everything))
    warnings = (*warnings, *_named_in_vain(chosen, everything, here), *idle_overlays(overlays, names))
    return Discovery(_sound(chosen, files), _broken(chosen), warnings, MappingProxyType(away))


def _candidate(folder: StackFolder, files: RepositoryFiles, overlays: Mapping[str, tuple[Overlay, ...]]) -> _Candidate:
    own, problems = _stack_file(folder, files)
    name = own.name() or folder.default_name
    laid = overlays.get(name, ())
    stack_file, more = _with_overlays(own, laid, files)
    candidate = _Candidate(
        folder=folder,
        file=stack_file,
        name=name,
        depends_on=tuple(dict.fromkeys(name for _, name in stack_file.texts("dependsOn"))),
        hosts=tuple(pattern for _, pattern in own.texts("hosts")),
        overlays=laid,
        problems=[*problems, *stack_file.problems, *more],
    )
    candidate.problems.extend(_wrong_name(candidate))
    candidate.problems.extend(_wrong_compose_files(candidate, files))
    candidate.problems.extend(_wrong_env_files(candidate, files))
    candidate.problems.extend(_wrong_environment(candidate, files))
    candidate.problems.extend(_wrong_actions(candidate))
    candidate.problems.extend(_wrong_data_paths(candidate))
    candidate.problems.extend(_wrong_certificates(candidate, files))
    candidate.problems.extend(_wrong_backups(candidate, files))
    root = {} if stack_file.document is None else stack_file.document.root
    for where, fault in wrong_hooks(root, folder.folder, files):
        candidate.problems.append(candidate.problem(fault, *where))
    for where, fault in wrong_updates(root.get("updates")):
        candidate.problems.append(candidate.problem(fault, "updates", *where))
    return candidate


def _stack_file(folder: StackFolder, files: RepositoryFiles) -> tuple[StackFile, list[Problem]]:
    if MISNAMED_STACK_FILE in folder.names:
        file = folder.path(MISNAMED_STACK_FILE)
        return StackFile(None), [Problem(file, 0, "", f"rename it to {STACK_FILE}; it is not read under this name")]
    if STACK_FILE not in folder.names:
        return StackFile(None), []
    found = files.find(folder.folder, STACK_FILE)
    if found.fault:
        return StackFile(None), [Problem(folder.path(STACK_FILE), 0, "", found.fault)]
    return read_stack_file(found.content, folder.path(STACK_FILE)), []


def _with_overlays(
    own: StackFile, overlays: tuple[Overlay, ...], files: RepositoryFiles
) -> tuple[StackFile, list[Problem]]:
    """The stack's settings with those that ``stack.yaml`` of each overlay has, checked as a whole."""
    problems: list[Problem] = []
    for overlay in overlays:
        found, wrong = _stack_file(StackFolder(overlay.folder, overlay.names), files)
        problems += wrong
        if found.document is None or (own.document is None and own.problems):
            problems += found.problems
            continue
        problems += wrong_in_overlay(found.document)
        own = check_stack_file(laid_over(own.document, found.document))
    return own, problems


def _wrong_name(candidate: _Candidate) -> Iterator[Problem]:
    """The name of a folder; a name that is written in ``stack.yaml`` is held against the schema."""
    if candidate.file.name() is not None or _NAME.fullmatch(candidate.name):
        return
    if not candidate.name:
        yield candidate.problem("the root of the repository has no name of its own; set name: in stack.yaml")
        return
    rule = "small letters, digits, - and _, beginning with a letter or digit"
    message = f"the folder's name \"{candidate.name}\" cannot be a stack's name ({rule}); set name: in stack.yaml"
    yield candidate.problem(message)


def _wrong_compose_files(candidate: _Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    folder, document = candidate.folder, candidate.file.document
    named: list[tuple[KeyPath, str]]
    if document is None or "compose" not in document.root:
        if not folder.compose_files:
            yield candidate.problem("the folder has no Compose file; add compose.yaml, or name one under compose:")
        named = [((), name) for name in folder.compose_files]
    else:
        named = list(candidate.file.paths("compose"))
    for path, name in named:
        if not files.holds(folder.folder, name):
            fault = files.find(folder.folder, name).fault
            yield candidate.problem(fault, *path) if path else Problem(folder.path(name), 0, "", fault)
    laid = [overlay.beside(folder.folder, name) for overlay in candidate.overlays for name in overlay.compose_files]
    yield from _wrong_in_compose(folder.folder, [*(name for _, name in named), *laid], files)


def _wrong_in_compose(folder: str, names: list[str], files: RepositoryFiles) -> Iterator[Problem]:
    """Of each file, and of those it names outright: a YAML bomb in an included file is a bomb all the same.

    A file that an include does not find is for Compose to tell, which knows where it looked.
    """
    ahead = deque((folder, name) for name in names)
    seen: set[str] = set()
    for _ in range(_MOST_REFERENCES):
        if not ahead:
            return
        base, name = ahead.popleft()
        found = files.find(base, name) if files.holds(base, name) else None
        if found is None or found.path in seen:
            continue
        seen.add(found.path)
        if found.fault:
            yield Problem(found.path, 0, "", found.fault)
            continue
        compose_file = read_compose(found.content, found.path)
        yield from compose_file.problems
        for reference in compose_file.references:
            ahead.extend((place, reference) for place in (posixpath.dirname(found.path), folder))


def _wrong_env_files(candidate: _Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    for path, name in candidate.file.paths("env", "files"):
        found = files.find(candidate.folder.folder, name)
        if found.fault:
            yield candidate.problem(found.fault, *path)
        else:
            yield from _wrong_in_env_file(found)
    for overlay in candidate.overlays:
        for name in overlay.env_files:
            found = files.find(overlay.folder, name)
            yield from [Problem(found.path, 0, "", found.fault)] if found.fault else _wrong_in_env_file(found)


def _wrong_in_env_file(found: Found) -> tuple[Problem, ...]:
    """What an encrypted one holds is seen when it is decrypted."""
    if is_sealed(found.path):
        return tuple(Problem(found.path, 0, "", fault) for fault in (wrong_form(found.content),) if fault)
    return read_dotenv(found.content, found.path).problems


def _wrong_environment(candidate: _Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    root = {} if candidate.file.document is None else candidate.file.document.root
    for where, fault in wrong_environment(
        root.get("env"), candidate.folder.folder, _env_schema(candidate.folder), files
    ):
        yield fault if isinstance(fault, Problem) else candidate.problem(fault, *where)


def _wrong_actions(candidate: _Candidate) -> Iterator[Problem]:
    root = {} if candidate.file.document is None else candidate.file.document.root
    for path, fault in wrong_actions(root.get("actions")):
        yield candidate.problem(fault, "actions", *path)


def _env_schema(folder: StackFolder) -> str:
    """The one that counts where none is named."""
    return SCHEMA_FILE if SCHEMA_FILE in folder.names else ""


def _wrong_data_paths(candidate: _Candidate) -> Iterator[Problem]:
    for path, name in candidate.file.paths("data"):
        if leads_out(name):
            yield candidate.problem(f'"{shown(name)}" leads out of the stack\'s folder; name a path inside it', *path)


def _wrong_certificates(candidate: _Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    """Where pairs are put: keys belong neither into Git nor into another stack's folder, and have one owner."""
    data = {posixpath.normpath(name) for _, name in candidate.file.paths("data")}
    seen: dict[tuple[str, str], int] = {}
    for index, pair, name in candidate.file.pairs():
        path, where = posixpath.normpath(name), ("certs", index, "path")
        if leads_out(name):
            yield candidate.problem(f'"{shown(name)}" leads out of the stack\'s folder; name a path inside it', *where)
        elif files.tracks(candidate.folder.folder, path) and not any(_lies_in(path, own) for own in data):
            yield candidate.problem(_TRACKED.format(shown(name)), *where)
        first = seen.setdefault((pair, path), index)
        if first != index:
            message = f'certs[{first}] puts the pair "{shown(pair)}" there, too; give each service a folder of its own'
            yield candidate.problem(message, *where)


def _wrong_backups(candidate: _Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    root = {} if candidate.file.document is None else candidate.file.document.root
    declared = root.get("backups")
    engines = wrong_engines(declared, lambda name: files.holds(HOOKS_FOLDER, name))
    for path, fault in (*wrong_schedules(declared), *engines, *wrong_recipients(declared)):
        yield candidate.problem(fault, "backups", *path)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _why_not_here(candidate: _Candidate, here: _Here) -> str:
    """ "" for one that is for this host."""
    if not any(fnmatchcase(candidate.name, pattern) for pattern in here.patterns):
        return "stacks: in host.yaml does not name it"
    if candidate.hosts and not is_for(here.name, candidate.hosts):
        return f'hosts: in its {STACK_FILE} ({", ".join(candidate.hosts)}) does not name this host, "{here.name}"'
    return ""


def _named_in_vain(chosen: list[_Candidate], everything: list[_Candidate], here: _Here) -> Iterator[Problem]:
    """host.yaml wants a stack by its very name that is not for this host."""
    for candidate in everything:
        if candidate not in chosen and candidate.name in here.patterns:
            yield Problem(
                "host.yaml", 0, "stacks", f"{candidate.name} does not run here: {_why_not_here(candidate, here)}"
            )


def _twins(candidate: _Candidate, others: list[_Candidate]) -> Iterator[Problem]:
    folders = [other.folder.folder for other in others if other.name == candidate.name]
    if len(folders) > 1:
        message = (
            f'the folders {" and ".join(folders)} make a stack named "{candidate.name}" each; set another name: in one'
        )
        yield candidate.problem(message, "name")


def _wrong_dependencies(candidate: _Candidate, everything: list[_Candidate], here: _Here) -> Iterator[Problem]:
    names = {other.name: _why_not_here(other, here) for other in everything}
    for path, name in candidate.file.texts("dependsOn"):
        if name not in names:
            near = did_you_mean(name, names.keys() - {candidate.name})
            yield candidate.problem(f'there is no stack "{shown(name)}"{near}', *path)
        elif why := names[name]:
            yield candidate.problem(f'the stack "{name}" does not run on this host: {why}', *path)


def _add_circles(chosen: list[_Candidate]) -> None:
    circles = cycles({candidate.name: candidate.depends_on for candidate in chosen})
    for candidate in chosen:
        way = circles.get(candidate.name, ())
        if way == (candidate.name,):
            candidate.problems.append(candidate.problem("the stack depends on itself; take its name out", "dependsOn"))
        elif way:
            circle = " -> ".join((*way, candidate.name))
            message = f"the stacks wait for each other in a circle: {circle}; take one of these out"
            candidate.problems.append(candidate.problem(message, "dependsOn"))


def _idle_patterns(patterns: tuple[str, ...], everything: list[_Candidate]) -> Iterator[Problem]:
    names = [candidate.name for candidate in everything]
    for pattern in patterns:
        if names and not any(fnmatchcase(name, pattern) for name in names):
            message = f'no stack of the repository is named "{pattern}"{did_you_mean(pattern, names)}'
            yield Problem("host.yaml", 0, "stacks", message)


def _sound(chosen: list[_Candidate], files: RepositoryFiles) -> tuple[Manifest, ...]:
    by_name = {candidate.name: candidate for candidate in chosen}
    ordered = order({name: candidate.depends_on for name, candidate in by_name.items()})
    return tuple(_manifest(by_name[name], files) for name in ordered if not by_name[name].problems)


def _manifest(candidate: _Candidate, files: RepositoryFiles) -> Manifest:
    root = {} if candidate.file.document is None else candidate.file.document.root
    folder = candidate.folder
    scripts = scripts_of(root, folder.folder, files)
    manifest = manifest_of(root, folder.default_name, folder.folder, folder.compose_files, scripts, _env_schema(folder))
    laid = candidate.overlays
    return replace(
        manifest,
        compose_files=(*manifest.compose_files, *(o.beside(folder.folder, n) for o in laid for n in o.compose_files)),
        env_files=(*manifest.env_files, *(o.beside(folder.folder, n) for o in laid for n in o.env_files)),
        overlays=tuple(overlay.folder for overlay in laid),
    )


def _broken(chosen: list[_Candidate]) -> Mapping[str, tuple[Problem, ...]]:
    found: dict[str, set[Problem]] = {}
    for candidate in sorted(chosen, key=lambda candidate: candidate.name):
        if candidate.problems:
            found.setdefault(candidate.name, set()).update(candidate.problems)
    return MappingProxyType({name: tuple(sorted(problems)) for name, problems in found.items()})
