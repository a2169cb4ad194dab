"""Answers which stacks a revision declares for this host, and what is wrong with those that cannot be taken as they are.

What is wrong concerns the stack it is wrong with; the others go on. Reads through ``read`` only; runs and renders
nothing: what a Compose file means is for Compose to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from reconciler.declared.candidate import Candidate, candidate_of, env_schema_of
from reconciler.declared.hooks_section import scripts_of
from reconciler.declared.overlays import idle_overlays, is_for, overlays_of
from reconciler.declared.repository_files import RepositoryFiles
from reconciler.declared.stack_file import manifest_of
from reconciler.declared.stack_folders import STACK_FILE, overlooked, stack_folders
from reconciler.declared.yaml_words import shown
from reconciler.model.errors import Problem
from reconciler.model.manifest import Manifest
from reconciler.model.source import TreeEntry
from reconciler.planning.nearest import did_you_mean
from reconciler.planning.stack_order import cycles, order


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
    everything = [candidate_of(folder, files, overlays) for folder in folders]
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


def _why_not_here(candidate: Candidate, here: _Here) -> str:
    """ "" for one that is for this host."""
    if not any(fnmatchcase(candidate.name, pattern) for pattern in here.patterns):
        return "stacks: in host.yaml does not name it"
    if candidate.hosts and not is_for(here.name, candidate.hosts):
        return f'hosts: in its {STACK_FILE} ({", ".join(candidate.hosts)}) does not name this host, "{here.name}"'
    return ""


def _named_in_vain(chosen: list[Candidate], everything: list[Candidate], here: _Here) -> Iterator[Problem]:
    """host.yaml wants a stack by its very name that is not for this host."""
    for candidate in everything:
        if candidate not in chosen and candidate.name in here.patterns:
            yield Problem(
                "host.yaml", 0, "stacks", f"{candidate.name} does not run here: {_why_not_here(candidate, here)}"
            )


def _twins(candidate: Candidate, others: list[Candidate]) -> Iterator[Problem]:
    folders = [other.folder.folder for other in others if other.name == candidate.name]
    if len(folders) > 1:
        message = (
            f'the folders {" and ".join(folders)} make a stack named "{candidate.name}" each; set another name: in one'
        )
        yield candidate.problem(message, "name")


def _wrong_dependencies(candidate: Candidate, everything: list[Candidate], here: _Here) -> Iterator[Problem]:
    names = {other.name: _why_not_here(other, here) for other in everything}
    for path, name in candidate.file.texts("dependsOn"):
        if name not in names:
            near = did_you_mean(name, names.keys() - {candidate.name})
            yield candidate.problem(f'there is no stack "{shown(name)}"{near}', *path)
        elif why := names[name]:
            yield candidate.problem(f'the stack "{name}" does not run on this host: {why}', *path)


def _add_circles(chosen: list[Candidate]) -> None:
    circles = cycles({candidate.name: candidate.depends_on for candidate in chosen})
    for candidate in chosen:
        way = circles.get(candidate.name, ())
        if way == (candidate.name,):
            candidate.problems.append(candidate.problem("the stack depends on itself; take its name out", "dependsOn"))
        elif way:
            circle = " -> ".join((*way, candidate.name))
            message = f"the stacks wait for each other in a circle: {circle}; take one of these out"
            candidate.problems.append(candidate.problem(message, "dependsOn"))


def _idle_patterns(patterns: tuple[str, ...], everything: list[Candidate]) -> Iterator[Problem]:
    names = [candidate.name for candidate in everything]
    for pattern in patterns:
        if names and not any(fnmatchcase(name, pattern) for name in names):
            message = f'no stack of the repository is named "{pattern}"{did_you_mean(pattern, names)}'
            yield Problem("host.yaml", 0, "stacks", message)


def _sound(chosen: list[Candidate], files: RepositoryFiles) -> tuple[Manifest, ...]:
    by_name = {candidate.name: candidate for candidate in chosen}
    ordered = order({name: candidate.depends_on for name, candidate in by_name.items()})
    return tuple(_manifest(by_name[name], files) for name in ordered if not by_name[name].problems)


def _manifest(candidate: Candidate, files: RepositoryFiles) -> Manifest:
    folder = candidate.folder
    scripts = scripts_of(candidate.file.root, folder.folder, files)
    manifest = manifest_of(
        candidate.file.root, folder.default_name, folder.folder, folder.compose_files, scripts, env_schema_of(folder)
    )
    laid = candidate.overlays
    return replace(
        manifest,
        compose_files=(*manifest.compose_files, *(o.beside(folder.folder, n) for o in laid for n in o.compose_files)),
        env_files=(*manifest.env_files, *(o.beside(folder.folder, n) for o in laid for n in o.env_files)),
        overlays=tuple(overlay.folder for overlay in laid),
    )


def _broken(chosen: list[Candidate]) -> Mapping[str, tuple[Problem, ...]]:
    found: dict[str, set[Problem]] = {}
    for candidate in sorted(chosen, key=lambda candidate: candidate.name):
        if candidate.problems:
            found.setdefault(candidate.name, set()).update(candidate.problems)
    return MappingProxyType({name: tuple(sorted(problems)) for name, problems in found.items()})
