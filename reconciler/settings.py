"""Turns the bytes of ``host.yaml`` into this host's settings, or names all that is wrong with them. Does no I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.declared.documents import Document, read_document
from reconciler.declared.validation import HOST, check_schema
from reconciler.model.duration import parse_duration
from reconciler.model.errors import InvalidInputError, Problem, StalledError
from reconciler.model.manifest import CertificateSettings, HostSettings, SourceSettings
from reconciler.model.remote import Transport, check_branch, parse_remote
from reconciler.planning.versions import wrong_range

# Keys that are of use for one way to reach a repository only. Silence would leave somebody wondering.
ONLY_FOR = {
    "sshKey": Transport.SSH,
    "knownHosts": Transport.SSH,
    "caFile": Transport.HTTPS,
    "username": Transport.HTTPS,
    "passwordFile": Transport.HTTPS,
}
_NAMES = {
    "sshKey": "ssh_key",
    "knownHosts": "known_hosts",
    "caFile": "ca_file",
    "passwordFile": "password_file",
}


def load_settings(text: bytes, file: str) -> HostSettings:
    """``file``: the name that problems carry. Raises InvalidInputError with all problems, in the order of the lines."""
    document = read_document(text, file)
    problems = {*document.problems, *check_schema(document, HOST), *_misfits(document)}
    if problems:
        raise InvalidInputError(tuple(sorted(problems)))
    root = document.root
    given: dict[str, Any] = {"stacks": tuple(root["stacks"])} if "stacks" in root else {}
    if "name" in root:
        given["name"] = root["name"].lower()
    if "concurrency" in root:
        given["concurrency"] = int(root["concurrency"])
    if "keep" in root.get("releases", {}):
        given["kept_releases"] = int(root["releases"]["keep"])
    if "volumes" in root:
        given["volumes"] = {stack: dict(volumes) for stack, volumes in root["volumes"].items()}
    return HostSettings(source=_source(root["source"]), certificates=_certificates(root.get("certs", {})), **given)


def _certificates(values: Mapping[str, Any]) -> CertificateSettings:
    given: dict[str, Any] = {}
    if "warnBefore" in values:
        given["warn_before_s"] = parse_duration(values["warnBefore"])
    if "trust" in values:
        given["public"] = values["trust"] == "public"
    if "caFile" in values:
        given["ca_file"] = values["caFile"]
    if "addresses" in values:
        given["addresses"] = tuple(values["addresses"])
    return CertificateSettings(**given)


def _source(values: Mapping[str, Any]) -> SourceSettings:
    """What is not given keeps the default that the value itself has."""
    given = {_NAMES.get(key, key): value for key, value in values.items()}
    for key in ("interval", "timeout"):
        if key in given:
            given[f"{key}_s"] = parse_duration(given.pop(key))
    if "path" in given:
        path = posixpath.normpath(given["path"] or ".")
        given["path"] = "" if path == "." else path
    return SourceSettings(**given)


def _misfits(document: Document) -> Iterator[Problem]:
    """What no schema can say. Values of the wrong type are the schema's to tell of."""
    source = document.root.get("source")
    if not isinstance(source, dict):
        return
    branch, url, tag = source.get("branch"), source.get("url"), source.get("tag")
    if isinstance(tag, str) and tag and (why := wrong_range(tag)):
        yield document.problem(("source", "tag"), why)
    if isinstance(branch, str) and branch:
        yield from _refusal(document, "branch", lambda: check_branch(branch))
        if branch.startswith("refs/"):
            yield document.problem(
                ("source", "branch"), "write the branch's own name, such as main, without refs/heads/"
            )
    if not isinstance(url, str) or not url:
        return
    yield from _refusal(document, "url", lambda: parse_remote(url))
    yield from _idle_keys(document, source, url)


def _refusal(document: Document, key: str, check: Callable[[], object]) -> Iterator[Problem]:
    try:
        check()
    except StalledError as error:
        # Only the reason: line and key say which value it is, and a malformed address may hold a password.
        message = str(error)
        yield document.problem(
            ("source", key), message.partition(" is refused: ")[2] or message.removeprefix(f"source.{key} ")
        )


def _idle_keys(document: Document, source: Mapping[str, Any], url: str) -> Iterator[Problem]:
    try:
        transport = parse_remote(url).transport
    except StalledError:
        return
    for key, wanted in ONLY_FOR.items():
        if key in source and transport is not wanted:
            message = f"is for {wanted.value} alone, and source.url is reached by {transport.value}; take it out"
            yield document.problem(("source", key), message)
