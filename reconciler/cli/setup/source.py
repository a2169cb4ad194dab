"""Where this host's configuration comes from: what host.yaml says of it, asked for and tried, or taken from flags."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.setup import asking

if TYPE_CHECKING:
    from reconciler.layout import Layout
    from reconciler.model.errors import ReconcilerError
    from reconciler.model.remote import Remote
    from reconciler.model.source import Revision

_HOST_YAML = """\
# The settings of this host; never read from Git. Every key is described in schemas/host.schema.json.
# A change counts from the next start of reconciler on.
source:
{source}  # interval: 60s
{hints}
# Which stacks of the repository run here.
stacks: ["*"]
"""
_HINTS = """\
  # For ssh:   sshKey: /etc/reconciler/deploy_key, knownHosts: /etc/reconciler/known_hosts
  # For https: username: deploy, passwordFile: /etc/reconciler/token
"""
_KEYSCAN_S = 15


@dataclass(frozen=True, slots=True)
class SourceWanted:
    """``token``: a file with the password of https. "" for what was not said."""

    url: str = ""
    branch: str = "main"
    folder: str = ""
    ssh_key: str = ""
    known_hosts: str = ""
    username: str = ""
    token: str = ""
    ca_file: str = ""

    def absolute(self) -> SourceWanted:
        """With paths that stay right wherever one stands."""
        is_here = bool(self.url) and "://" not in self.url and not self.url.startswith("/") and Path(self.url).is_dir()
        paths = {
            name: os.path.abspath(path)
            for name in ("ssh_key", "known_hosts", "token", "ca_file")
            if (path := getattr(self, name))
        }
        return replace(self, url=os.path.abspath(self.url) if is_here else self.url, **paths)


_KEYS = {
    "url": "url",
    "branch": "branch",
    "folder": "path",
    "ssh_key": "sshKey",
    "known_hosts": "knownHosts",
    "username": "username",
    "token": "passwordFile",
    "ca_file": "caFile",
}


def host_yaml(wanted: SourceWanted) -> str:
    """Texts are written as JSON, which YAML reads the same, whatever characters are in them."""
    values = {_KEYS[each.name]: getattr(wanted, each.name) for each in fields(wanted)}
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in values.items() if value)
    return _HOST_YAML.format(source=lines, hints="" if wanted.ssh_key or wanted.token else _HINTS)


def check(wanted: SourceWanted) -> None:
    """Raises Failure before anything is made, where the settings would be refused later."""
    problems = _problems(wanted)
    if problems:
        told = "\n".join(f"  {key}: {message}" for key, message in problems.items())
        raise Failure(f"this would make a host.yaml that is refused:\n{told}", WRONG_USE)


def _problems(wanted: SourceWanted) -> Mapping[str, str]:
    from reconciler.model.errors import InvalidInputError
    from reconciler.settings import load_settings

    try:
        load_settings(host_yaml(wanted).encode(), "host.yaml")
    except InvalidInputError as error:
        return {problem.key: problem.message for problem in error.problems}
    return {}


def ask(layout: Layout, given: SourceWanted) -> SourceWanted:
    """Asks until the repository was read. Raises click.Abort."""
    output.heading("Where does this host's configuration come from?")
    wanted, is_mended = given, False
    while True:
        if not is_mended:
            wanted = _named(wanted)
        output.note(f"reading {wanted.branch} of it ...")
        try:
            found = _tried(wanted)
            output.line(f"read   {found.short} ({found.subject})")
            return wanted
        except _errors() as error:
            output.complain(str(error))
            mended = _mended(layout, wanted, error)
            wanted, is_mended = mended or wanted, mended is not None


def _errors() -> type[ReconcilerError]:
    from reconciler.model.errors import ReconcilerError

    return ReconcilerError


def _named(before: SourceWanted) -> SourceWanted:
    url = asking.text(
        "The Git repository (ssh, https, or a path)", default=before.url or None, check=lambda text: _wrong("url", text)
    )
    wanted = replace(before, url=url).absolute()
    branch = asking.text("Its branch", default=before.branch, check=lambda text: _wrong("branch", text, url=wanted.url))
    folder = asking.text(
        "The folder in it that holds the stacks (/ for its root)",
        default=before.folder or "/",
        check=lambda text: _wrong("path", _folder(text), url=wanted.url),
    )
    return _fitting(replace(wanted, branch=branch, folder=_folder(folder)), before.url)


def _fitting(wanted: SourceWanted, before: str) -> SourceWanted:
    """Without what was asked for on the way to the address ``before``: another server must not be told its password."""
    from reconciler.model.remote import parse_remote
    from reconciler.settings import ONLY_FOR

    remote = parse_remote(wanted.url)
    idle = [name for name, key in _KEYS.items() if ONLY_FOR.get(key, remote.transport) is not remote.transport]
    if before and _server(parse_remote(before)) != _server(remote):
        idle += ["username", "token"]
    return replace(wanted, **dict.fromkeys(idle, ""))


def _server(remote: Remote) -> tuple[str, int | None]:
    return remote.host, remote.port


def _folder(text: str) -> str:
    return text.strip("/")


def _wrong(key: str, text: str, url: str = "/") -> str:
    names = {yaml: name for name, yaml in _KEYS.items()}
    wanted = replace(SourceWanted(url=url), **{names[key]: text}).absolute()
    return _problems(wanted).get(f"source.{key}", "")


def _tried(wanted: SourceWanted) -> Revision:
    """Raises SourceError, StalledError, InvalidInputError where it has no such folder. Into a mirror that is thrown away:
    host.yaml is not written yet."""
    from reconciler.adapters.git_source import GitSource
    from reconciler.adapters.git_tree import GitTree
    from reconciler.declared.stack_folders import stack_folders
    from reconciler.settings import load_settings

    settings = load_settings(host_yaml(wanted).encode(), "host.yaml").source
    with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
        mirror = Path(folder) / "mirror.git"
        found = GitSource(settings, mirror).fetch()
        stack_folders(GitTree(mirror).entries(found), settings.path)
        return found


def _mended(layout: Layout, wanted: SourceWanted, error: ReconcilerError) -> SourceWanted | None:
    """With what the server asks for, to be tried again; None where only another address or branch can help.

    What is tried again may be equal: another token lies in the same file, a key was authorized meanwhile.
    """
    from reconciler.model.remote import Transport, parse_remote

    transport = parse_remote(wanted.url).transport
    if error.reason == "HostKeyUnknown":
        return _with_host_key(layout, wanted)
    if error.reason in ("AuthenticationFailed", "RepositoryNotFound") and transport is Transport.SSH:
        return _with_key(layout, wanted)
    if error.reason in ("AuthenticationFailed", "RepositoryNotFound") and transport is Transport.HTTPS:
        return _with_token(layout, wanted)
    if error.reason == "CertificateUntrusted":
        return _with_authority(wanted)
    return None


def _with_key(layout: Layout, wanted: SourceWanted) -> SourceWanted | None:
    path = asking.text("The private key to read it with (new: make one)", default="new", check=_wrong_key)
    if path != "new":
        return replace(wanted, ssh_key=os.path.abspath(path))
    key = layout.env / "deploy_key"
    if not key.exists():
        _private_folder(layout)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "reconciler", "-f", str(key))
    output.line(f"Give this to the repository as a deploy key that may read:\n\n{key.with_suffix('.pub').read_text()}")
    return replace(wanted, ssh_key=str(key)) if asking.yes("Is it there (no: back to the address)?") else None


def _wrong_key(text: str) -> str:
    return "" if text == "new" else _wrong_file(text)


def _wrong_file(text: str) -> str:
    return "" if not text or Path(text).is_file() else f"there is no file {text}"


def _with_host_key(layout: Layout, wanted: SourceWanted) -> SourceWanted | None:
    """Shown, and taken only when a person says that it is the right one."""
    from reconciler.model.remote import parse_remote

    remote = parse_remote(wanted.url)
    keys = _run("ssh-keyscan", "-T", "5", "-p", str(remote.port or 22), "--", remote.host)
    prints = _run("ssh-keygen", "-l", "-f", "-", given=keys)
    output.line(f"It says that it is:\n\n{prints}")
    if not keys or not asking.yes("Is that what its operator publishes?", default=False):
        return None
    path = Path(wanted.known_hosts) if wanted.known_hosts else layout.env / "known_hosts"
    _private_folder(layout)
    with path.open("a", encoding="utf-8") as file:
        file.write(keys)
    return replace(wanted, known_hosts=str(path))


def _with_token(layout: Layout, wanted: SourceWanted) -> SourceWanted | None:
    from reconciler.model.remote import parse_remote

    known = wanted.username or parse_remote(wanted.url).username or "git"
    username = asking.text("The user name, or any word beside a token", default=known)
    token = asking.secret("The password or token (it is not shown; Enter alone to go back)")
    if not token:
        return None
    path = layout.env / "source-token"
    _private_folder(layout)
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)  # also of one that was there
        file.write(f"{token}\n")
    return replace(wanted, username=username, token=str(path))


def _with_authority(wanted: SourceWanted) -> SourceWanted | None:
    """Never fetched from the server: whoever answers in its place would vouch for himself."""
    path = asking.text(
        "A PEM file with the authority to trust for it (Enter alone to go back)", default="", check=_wrong_file
    )
    return replace(wanted, ca_file=path).absolute() if path else None


def _private_folder(layout: Layout) -> None:
    layout.env.mkdir(mode=0o700, parents=True, exist_ok=True)


def _run(*words: str, given: str = "") -> str:
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=_KEYSCAN_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise Failure(f"{words[0]} could not be run: {error}") from error
    return done.stdout
