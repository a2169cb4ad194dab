"""What a stack's variables are at a revision, held against its ``env.schema.json``. Reads; writes nothing, keeps no secret
longer than the files that hold it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from reconciler.declared.environment.checking import Verdict, check_environment
from reconciler.declared.environment.schema_file import read_schema
from reconciler.declared.repository_files import RepositoryFiles
from reconciler.model.environment import Environment, EnvironmentSchema
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import Manifest
from reconciler.model.source import Revision
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.environment import EnvFile, environment_of, read_file
from reconciler.planning.marks import changed_for_good
from reconciler.planning.sealed import is_sealed
from reconciler.ports.books import MarkBook
from reconciler.ports.host_files import EnvironmentFiles, SealedFiles
from reconciler.ports.repository import Tree


@dataclass(frozen=True, slots=True)
class Survey:
    """``problems``: why nothing can be rendered with it. ``warnings``: what may be a slip, or is worth knowing."""

    environment: Environment
    schema: EnvironmentSchema | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Inputs:
    tree: str
    manifest: Manifest
    content: bytes | None = field(repr=False)
    keys: str


class Environments:
    """Safe to use from several threads."""

    def __init__(self, tree: Tree, files: EnvironmentFiles, marks: MarkBook, sealed: SealedFiles) -> None:
        self._tree = tree
        self._files = files
        self._marks = marks
        self._sealed = sealed
        self._lock = threading.Lock()
        self._known: dict[str, tuple[_Inputs, Survey]] = {}

    def of(self, manifest: Manifest, revision: Revision | None) -> Survey:
        """As of ``revision``; of the host's own file alone where Git was never read. Raises StalledError where that file may
        not be read, SourceError where the mirror does not give a file."""
        tree, keys = revision.tree if revision else "", self._sealed.state()
        inputs = _Inputs(tree, manifest, self._files.read(manifest.name), keys)
        with self._lock:
            known = self._known.get(manifest.name)
        if known is not None and known[0] == inputs:
            return known[1]
        survey = self._survey(manifest, revision, inputs.content)
        with self._lock:
            self._known[manifest.name] = (inputs, survey)
        return survey

    def changed(self, manifest: Manifest, survey: Survey) -> tuple[Problem, ...]:
        """Values that may not change any more and did. Asked anew each time: a release that is applied changes it."""
        use = manifest.environment
        if not use.immutable and not use.generate:
            return ()
        marks = {mark.name: mark for mark in self._marks.marks(manifest.name)}
        return tuple(changed_for_good(manifest.name, use, survey.environment, marks, renewers_of(manifest)))

    def _survey(self, manifest: Manifest, revision: Revision | None, content: bytes | None) -> Survey:
        name = f"env/{manifest.name}.env"
        repository = RepositoryFiles(self._tree.entries(revision), self._tree.read) if revision is not None else None
        schema = _schema_of(manifest, repository)
        tracked, faults = self._tracked(manifest, repository)
        file = EnvFile(name, content or b"", host=True)
        own = read_file(file, environment_of(tracked, schema).values)
        environment = environment_of([*tracked, file], schema, manifest.environment.generate, name)
        verdict = check_environment(schema, environment) if schema is not None else Verdict()
        to_come = tuple(_announced(environment))
        # What Compose makes of the line may be why the value is wrong: a password that is cut short at its $.
        wrong = {(problem.file, problem.line) for problem in verdict.problems}
        why = [warning for warning in own.warnings if (warning.file, warning.line) in wrong]
        problems = tuple(sorted({*own.problems, *verdict.problems, *why, *faults}))
        slips = sorted({*own.warnings, *verdict.warnings} - set(why))
        return Survey(environment, schema, problems, (*slips, *to_come))

    def _tracked(self, manifest: Manifest, repository: RepositoryFiles | None) -> tuple[list[EnvFile], list[Problem]]:
        """With what is wrong with those that are encrypted: of the others it was told when the stack was discovered."""
        files, problems = list[EnvFile](), list[Problem]()
        found = (
            [repository.find(manifest.folder, name) for name in manifest.env_files] if repository is not None else []
        )
        for one in (one for one in found if not one.fault):
            content = one.content
            if is_sealed(one.path):
                try:
                    content = self._sealed.open(one.path, content)
                except InvalidInputError as error:
                    problems += error.problems
                    files.append(EnvFile(one.path, None))
                    continue
                problems += read_dotenv(content, one.path).problems
            files.append(EnvFile(one.path, content))
        return files, problems


def renewers_of(manifest: Manifest) -> dict[str, str]:
    """The stack's actions that change a variable lawfully, by the variable's name."""
    return {action.renews: action.name for action in manifest.actions if action.renews}


def _schema_of(manifest: Manifest, repository: RepositoryFiles | None) -> EnvironmentSchema | None:
    """What is wrong with it was told when the stack was discovered."""
    if repository is None or not manifest.environment.schema:
        return None
    found = repository.find(manifest.folder, manifest.environment.schema)
    return None if found.fault else read_schema(found.content, found.path).schema


def _announced(environment: Environment) -> list[Problem]:
    message = "it is not set yet; it is generated when the stack is next reconciled, and written there"
    return [Problem(environment.file, 0, name, message) for name in sorted(environment.to_make)]
