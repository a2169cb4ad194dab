"""What git needs to reach a remote without asking anybody: keys, known hosts, certificates and logins.

No secret is ever put on a command line, and no URL with a login is handed to git.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from reconciler.model.errors import SourceError
from reconciler.model.manifest import SourceSettings
from reconciler.model.remote import Remote, Transport
from reconciler.plumbing.process import Git

# A shell function as git's credential helper. What it prints comes from its environment or from the file, so the
# configuration that names it holds no secret. It only answers "get": a refused login is not forgotten or stored.
_HELPER = (
    '!f() { test "$1" = get || return 0; '
    'printf "username=%s\\n" "$RECONCILER_GIT_USERNAME"; '
    'if test -n "$RECONCILER_GIT_PASSWORD_FILE"; '
    'then printf "password=%s\\n" "$(head -n 1 "$RECONCILER_GIT_PASSWORD_FILE" | tr -d "\\r")"; '
    'else printf "password=%s\\n" "$RECONCILER_GIT_PASSWORD"; fi; }; f'
)


def connected(git: Git, remote: Remote, settings: SourceSettings) -> Git:
    """``git`` with what it takes to reach ``remote``. Raises SourceError where a file that it needs is not there."""
    allowed = {"GIT_ALLOW_PROTOCOL": remote.transport.value}
    if remote.transport is Transport.SSH:
        return _with(git, {**allowed, **_ssh(settings)}, {})
    if remote.transport is Transport.HTTPS:
        return _https(git, allowed, remote, settings)
    return _with(git, {**allowed, "GIT_NO_LAZY_FETCH": _lazy_fetch(remote.path)}, {})


def upload_pack(remote: Remote) -> tuple[str, ...]:
    """The option that lets git read a local repository of another user.

    git starts the other side without our configuration, and there it would refuse what it calls dubious ownership.
    Whoever wrote host.yaml named this repository; no hook or filter of it runs on this way.
    """
    if remote.transport is not Transport.LOCAL:
        return ()
    return ("--upload-pack", "git -c safe.directory='*' upload-pack")


def receive_pack(remote: Remote) -> tuple[str, ...]:
    """The same for writing to one."""
    if remote.transport is not Transport.LOCAL:
        return ()
    return ("--receive-pack", "git -c safe.directory='*' receive-pack")


def _ssh(settings: SourceSettings) -> Mapping[str, str]:
    """ssh that never asks, never takes a host key that nobody checked, and leaves no connection behind.

    The user's own ssh configuration stays in force (aliases, jump hosts), these options win over it.
    """
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "ControlMaster=no",
        "ControlPath=none",
        "ForwardAgent=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "ServerAliveInterval=15",
    ]
    if settings.known_hosts is not None:
        known_hosts = _existing(settings.known_hosts, "source.knownHosts")
        options += [f'UserKnownHostsFile="{_without_tokens(known_hosts)}"', f"GlobalKnownHostsFile={os.devnull}"]
    command = ["ssh"]
    if settings.ssh_key is not None:
        key = _existing(settings.ssh_key, "source.sshKey")
        command += ["-i", _without_tokens(key)]
        options += ["IdentitiesOnly=yes", "IdentityAgent=none"]
    for option in options:
        command += ["-o", option]
    return {"GIT_SSH_COMMAND": shlex.join(command), "GIT_SSH_VARIANT": "ssh"}


def _https(git: Git, allowed: Mapping[str, str], remote: Remote, settings: SourceSettings) -> Git:
    environment = dict(allowed)
    configuration = {"http.sslVerify": "true"}
    if settings.ca_file is not None:
        configuration["http.sslCAInfo"] = _existing(settings.ca_file, "source.caFile")
    username = settings.username or remote.username
    if settings.password_file is not None or username is not None:
        environment["RECONCILER_GIT_USERNAME"] = username or "git"  # forges take any name beside a token
        environment["RECONCILER_GIT_PASSWORD"] = remote.password or ""
        # Only this very host is ever told: a redirect to another one asks in vain.
        host = f"[{remote.host}]" if ":" in remote.host else remote.host
        port = "" if remote.port is None else f":{remote.port}"
        configuration[f"credential.https://{host}{port}.helper"] = _HELPER
    if settings.password_file is not None:
        environment["RECONCILER_GIT_PASSWORD_FILE"] = _existing(settings.password_file, "source.passwordFile")
    return _with(git, environment, configuration)


def _with(git: Git, environment: Mapping[str, str], configuration: Mapping[str, str]) -> Git:
    return Git(
        git.folder,
        limit_s=git.limit_s,
        environment={**git.environment, **environment},
        configuration={**git.configuration, **configuration},
        writer=git.writer,
    )


def _existing(path: str, setting: str) -> str:
    """Checked here, since ssh and git go on without a file that they cannot read and blame the server."""
    try:
        with Path(path).open("rb"):
            return path
    except OSError as error:
        why = error.strerror or "cannot be read"
        raise SourceError(f"{setting}: {path}: {why}", reason="AuthenticationFailed") from error


def _without_tokens(path: str) -> str:
    """ssh replaces ``%h`` and the like in names of files."""
    return path.replace("%", "%%")


def _lazy_fetch(path: str) -> str:
    """A partial clone fetches what it lacks by commands of its own configuration: only where that is our own."""
    try:
        return "0" if Path(path).stat().st_uid == os.geteuid() else "1"
    except OSError:
        return "1"
