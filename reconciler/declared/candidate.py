"""One folder of the repository as a stack: what it says, and all that is wrong with it taken by itself. Of other stacks it
knows nothing, and what a Compose file means is for Compose to say."""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.declared.actions_section import wrong_actions
from reconciler.declared.backups import wrong_engines, wrong_recipients, wrong_schedules
from reconciler.declared.documents import KeyPath, read_compose
from reconciler.declared.environment.schema_file import SCHEMA_FILE
from reconciler.declared.environment.section import wrong_environment
from reconciler.declared.hooks_section import FOLDER as HOOKS_FOLDER
from reconciler.declared.hooks_section import wrong_hooks
from reconciler.declared.overlays import Overlay, laid_over, wrong_in_overlay
from reconciler.declared.repository_files import Found, RepositoryFiles, leads_out
from reconciler.declared.stack_file import StackFile, check_stack_file, read_stack_file
from reconciler.declared.stack_folders import MISNAMED_STACK_FILE, STACK_FILE, StackFolder
from reconciler.declared.updates import wrong_updates
from reconciler.declared.yaml_words import shown
from reconciler.model.errors import Problem
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.sealed import ENDING, is_encrypted, is_sealed, wrong_form

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TRACKED = (
    '"{}" is in Git, so containers get a copy of it that nothing is put into; name a folder that Git does not hold, or '
    "take it out of Git (git rm -r --cached)"
)
_MOST_REFERENCES = 1000  # of one stack: Compose files, those they include, and where each was looked for


@dataclass(frozen=True, slots=True)
class Candidate:
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


def candidate_of(folder: StackFolder, files: RepositoryFiles, overlays: Mapping[str, tuple[Overlay, ...]]) -> Candidate:
    own, problems = _stack_file(folder, files)
    name = own.name() or folder.default_name
    laid = overlays.get(name, ())
    stack_file, more = _with_overlays(own, laid, files)
    candidate = Candidate(
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
    for where, fault in wrong_hooks(candidate.file.root, folder.folder, files):
        candidate.problems.append(candidate.problem(fault, *where))
    for where, fault in wrong_updates(candidate.file.root.get("updates")):
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


def _wrong_name(candidate: Candidate) -> Iterator[Problem]:
    """The name of a folder; a name that is written in ``stack.yaml`` is held against the schema."""
    if candidate.file.name() is not None or _NAME.fullmatch(candidate.name):
        return
    if not candidate.name:
        yield candidate.problem("the root of the repository has no name of its own; set name: in stack.yaml")
        return
    rule = "small letters, digits, - and _, beginning with a letter or digit"
    message = f"the folder's name \"{candidate.name}\" cannot be a stack's name ({rule}); set name: in stack.yaml"
    yield candidate.problem(message)


def _wrong_compose_files(candidate: Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    folder = candidate.folder
    named: list[tuple[KeyPath, str]]
    if "compose" not in candidate.file.root:
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


def _wrong_env_files(candidate: Candidate, files: RepositoryFiles) -> Iterator[Problem]:
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
    if is_encrypted(found.content):
        message = f"it is encrypted, and taken for what is in the clear: a name that ends in {ENDING} says so"
        return (Problem(found.path, 0, "", message),)
    return read_dotenv(found.content, found.path).problems


def _wrong_environment(candidate: Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    for where, fault in wrong_environment(
        candidate.file.root.get("env"), candidate.folder.folder, env_schema_of(candidate.folder), files
    ):
        yield fault if isinstance(fault, Problem) else candidate.problem(fault, *where)


def _wrong_actions(candidate: Candidate) -> Iterator[Problem]:
    for path, fault in wrong_actions(candidate.file.root.get("actions")):
        yield candidate.problem(fault, "actions", *path)


def _wrong_data_paths(candidate: Candidate) -> Iterator[Problem]:
    for path, name in candidate.file.paths("data"):
        if leads_out(name):
            yield candidate.problem(f'"{shown(name)}" leads out of the stack\'s folder; name a path inside it', *path)


def _wrong_certificates(candidate: Candidate, files: RepositoryFiles) -> Iterator[Problem]:
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


def _wrong_backups(candidate: Candidate, files: RepositoryFiles) -> Iterator[Problem]:
    declared = candidate.file.root.get("backups")
    engines = wrong_engines(declared, lambda name: files.holds(HOOKS_FOLDER, name))
    for path, fault in (*wrong_schedules(declared), *engines, *wrong_recipients(declared)):
        yield candidate.problem(fault, "backups", *path)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def env_schema_of(folder: StackFolder) -> str:
    """The one that counts where none is named."""
    return SCHEMA_FILE if SCHEMA_FILE in folder.names else ""
