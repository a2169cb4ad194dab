"""Which keys of a rendered model hold paths of the repository, and what kind of path each is. Where they lead, ``paths``
decides.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from reconciler.planning.paths import Paths

_SECCOMP = re.compile(r"(?P<key>seccomp[=:])(?!unconfined$|builtin$)(?P<path>.+)", re.DOTALL)
_NO_NAME = re.compile(r"[^A-Za-z0-9]")
_CONTEXT = "the build context"


def rewritten_service(name: str, definition: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """The keys of a service's ``definition`` that hold paths, with these rewritten."""
    found: dict[str, Any] = {}
    if definition.get("volumes"):
        found["volumes"] = [_mount(mount, name, paths) for mount in definition["volumes"]]
    if definition.get("security_opt"):
        found["security_opt"] = [_security_option(option, name, paths) for option in definition["security_opt"]]
    if definition.get("build"):
        found["build"] = _build(definition["build"], name, paths)
    return found


def rewritten_volumes(model: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Top-level volumes; one that is a folder of the repository by its ``device`` is host data, for volumes are written."""
    found: dict[str, Any] = {}
    for key, value in (model.get("volumes") or {}).items():
        definition = dict(value or {})
        device = str((definition.get("driver_opts") or {}).get("device", ""))
        if device.startswith("/"):
            device = paths.host_data(device, f"volumes.{key}.driver_opts.device")
            definition["driver_opts"] = {**definition["driver_opts"], "device": device}
        found[key] = definition
    return found


def rewritten_files(model: Mapping[str, Any], kind: str, paths: Paths) -> dict[str, Any]:
    """Top-level ``configs`` and ``secrets`` with the paths of their files rewritten; those of files that lie encrypted in Git
    are given by variable, and so copied into containers: what is mounted would lie on the disk in the clear."""
    found: dict[str, Any] = {}
    for key, value in (model.get(kind) or {}).items():
        definition = dict(value or {})
        variable = f"RECONCILER_{kind}_{_NO_NAME.sub('_', str(key))}".upper()
        if definition.get("file") and paths.sealed(definition["file"], f"{kind}.{key}.file", variable):
            del definition["file"]
            definition["environment"] = variable
        elif definition.get("file"):
            definition["file"] = paths.rewrite(definition["file"], f"{kind}.{key}.file")
        found[key] = definition
    return found


def _mount(mount: Mapping[str, Any], service: str, paths: Paths) -> Mapping[str, Any]:
    if mount.get("type") != "bind" or not mount.get("source"):
        return mount
    return {**mount, "source": paths.rewrite(mount["source"], f"services.{service}.volumes")}


def _security_option(option: str, service: str, paths: Paths) -> str:
    """With the path of a seccomp profile rewritten: Compose reads that file when it creates the container."""
    profile = _SECCOMP.fullmatch(option)
    if not profile:
        return option
    path = paths.in_stack_folder(profile["path"])
    return profile["key"] + paths.tracked(path, f"services.{service}.security_opt", "the seccomp profile")


def _build(build: Mapping[str, Any], service: str, paths: Paths) -> dict[str, Any]:
    """The build section with its paths rewritten."""
    key = f"services.{service}.build"
    found = dict(build)
    context = str(found.get("context", ""))
    if context.startswith("/"):
        found["context"] = paths.tracked(context, f"{key}.context", _CONTEXT)
        found |= _dockerfile(found, context, key, paths)
    if found.get("additional_contexts"):
        found["additional_contexts"] = {
            name: paths.tracked(value, f"{key}.additional_contexts.{name}", _CONTEXT)
            if str(value).startswith("/")
            else value
            for name, value in found["additional_contexts"].items()
        }
    return found


def _dockerfile(build: Mapping[str, Any], context: str, key: str, paths: Paths) -> dict[str, str]:
    """One inside of the context moves with it; one outside is rewritten itself, since the context moves away from it."""
    if not build.get("dockerfile"):
        return {}
    path = posixpath.normpath(posixpath.join(context, build["dockerfile"]))
    if path.startswith(posixpath.normpath(context) + "/"):
        return {"dockerfile": posixpath.relpath(path, context)}
    return {"dockerfile": paths.tracked(path, f"{key}.dockerfile", "the Dockerfile")}
