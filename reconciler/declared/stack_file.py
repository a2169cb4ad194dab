"""Turns the bytes of a ``stack.yaml`` into what its stack declares, as far as it can be read. Does no I/O.

Whether the files that it names exist, and whether its name is free, is for ``manifest`` to find out.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reconciler.declared.actions_section import actions_of
from reconciler.declared.backups import plans_of
from reconciler.declared.documents import Document, KeyPath, read_document
from reconciler.declared.environment.section import environment_use_of
from reconciler.declared.hooks_section import hooks_of
from reconciler.declared.updates import updates_of
from reconciler.declared.validation import STACK, check_schema
from reconciler.model.duration import parse_duration
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import (
    CertificateUse,
    DriftMode,
    HttpProbe,
    Manifest,
    Prune,
    Rollout,
    ServiceRollout,
    Strategy,
)
from reconciler.model.requires import Requires
from reconciler.model.size import parse_size
from reconciler.model.source import TreeEntry


@dataclass(frozen=True, slots=True)
class StackFile:
    """``document`` is None where it could not be read at all; ``problems`` says why, or what is wrong in it."""

    document: Document | None
    problems: tuple[Problem, ...] = ()

    @property
    def root(self) -> Mapping[str, Any]:
        """Its values; {} where there is no such file, or it cannot be read."""
        return {} if self.document is None else self.document.root

    def texts(self, *path: str) -> tuple[tuple[KeyPath, str], ...]:
        """The texts of the list at ``path`` and where each stands; what is no text is a problem already."""
        value: Any = self.root
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, list):
            return ()
        return tuple(((*path, index), text) for index, text in enumerate(value) if isinstance(text, str) and text)

    def paths(self, *path: str) -> tuple[tuple[KeyPath, str], ...]:
        """As ``texts``, without absolute paths, which are a problem already."""
        return tuple((where, name) for where, name in self.texts(*path) if not name.startswith("/"))

    def pairs(self) -> tuple[tuple[int, str, str], ...]:
        """Of each sound entry of ``certs``, its index, its pair and its path; the others are a problem already."""
        value = self.root.get("certs")
        entries = enumerate(value) if isinstance(value, list) else ()
        found = ((index, own.get("pair"), own.get("path")) for index, own in entries if isinstance(own, dict))
        return tuple(
            (index, pair, path)
            for index, pair, path in found
            if isinstance(pair, str) and isinstance(path, str) and path and not path.startswith("/")
        )

    def name(self) -> str | None:
        """The name it claims, valid or not."""
        claimed = self.root.get("name")
        return claimed if isinstance(claimed, str) and claimed else None


def read_stack_file(content: bytes, file: str) -> StackFile:
    """Never raises: all that is wrong is in ``problems``."""
    try:
        document = read_document(content, file)
    except InvalidInputError as error:
        return StackFile(None, error.problems)
    return check_stack_file(document)


def check_stack_file(document: Document) -> StackFile:
    return StackFile(document, (*document.problems, *check_schema(document, STACK)))


def manifest_of(
    root: Mapping[str, Any],
    name: str,
    folder: str,
    compose_files: tuple[str, ...],
    scripts: Mapping[str, TreeEntry] = MappingProxyType({}),
    env_schema: str = "",
) -> Manifest:
    """``root``: the values of a file without problems; {} for a stack that has none. ``scripts``: the tracked files that
    its hooks name. ``env_schema``: that of its variables, where it names none."""
    return Manifest(
        name=root.get("name", name),
        folder=folder,
        compose_files=_paths(root["compose"]) if "compose" in root else compose_files,
        depends_on=tuple(root.get("dependsOn", ())),
        env_files=_paths(root.get("env", {}).get("files", ())),
        environment=environment_use_of(root.get("env", {}), env_schema),
        data_paths=_paths(root.get("data", ())),
        rollout=_rollout(root.get("rollout", {})),
        drift=DriftMode(root.get("drift", DriftMode.ENABLED)),
        prune=_prune(root.get("prune", {})),
        certificates=tuple(_certificate(own) for own in root.get("certs", ())),
        backups=plans_of(root.get("backups", {})),
        hooks=hooks_of(root, scripts),
        updates=updates_of(root.get("updates", {})),
        actions=actions_of(root.get("actions", {})),
        requires=_requires(root.get("requires", {})),
    )


def _requires(values: Mapping[str, Any]) -> Requires:
    return Requires(
        cpus=float(values.get("cpus", 0)),
        memory=parse_size(values["memory"]) if "memory" in values else 0,
        disk=parse_size(values["disk"]) if "disk" in values else 0,
        reach=tuple(values.get("reach", ())),
    )


def _certificate(values: Mapping[str, Any]) -> CertificateUse:
    user, _, group = str(values.get("owner", "0:0")).partition(":")
    verify = values.get("verify", {})
    signal = values.get("signal", "")
    return CertificateUse(
        pair=values["pair"],
        path=posixpath.normpath(values["path"]),
        service=values["service"],
        owner=(int(user), int(group or user)),
        mode=int(values.get("mode", "0600"), 8),
        signal=f"SIG{signal.removeprefix('SIG')}" if signal else "",
        command=tuple(values.get("exec", ())),
        port=int(verify["port"]) if "port" in verify else None,
        starttls=verify.get("starttls", ""),
    )


def _paths(names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(posixpath.normpath(name) for name in names)


def _rollout(values: Mapping[str, Any]) -> Rollout:
    services = {name: _service(own) for name, own in values.get("services", {}).items()}
    return Rollout(**_seconds(values, "timeout", "soak", "drain"), services=MappingProxyType(services))


def _service(values: Mapping[str, Any]) -> ServiceRollout:
    return ServiceRollout(
        strategy=Strategy(values["strategy"]) if "strategy" in values else None,
        job=values.get("job"),
        probe=HttpProbe(**values["probe"]) if "probe" in values else None,
        **_seconds(values, "timeout", "soak", "drain"),
    )


def _seconds(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {f"{key}_s": parse_duration(values[key]) for key in keys if key in values}


def _prune(values: Mapping[str, Any]) -> Prune:
    given: dict[str, Any] = {"enabled": values["enabled"]} if "enabled" in values else {}
    if "maxRemovePercent" in values:
        given["max_remove_percent"] = int(values["maxRemovePercent"])
    return Prune(**given)
