"""Reads why a fetch failed from what git said, and says how to mend it. It decides nothing else.

git's words are those of ``LC_ALL=C``; they come from git, libcurl (OpenSSL's and GnuTLS's) and OpenSSH.
"""

from __future__ import annotations

import re

from reconciler.model.errors import SourceError
from reconciler.model.manifest import SourceSettings
from reconciler.model.remote import Remote, Transport, redacted

BRANCH_MISSING = re.compile(r"couldn't find remote ref", re.IGNORECASE)
OTHER_HASH = re.compile(r"mismatched algorithms: client (\S+); server (\S+)")

_KEY_CHANGED = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for \S+ has changed")
_KEY_UNKNOWN = re.compile(r"Host key verification failed|No \S+ host key is known")
_UNTRUSTED = re.compile(
    r"certificate verif|SSL certificate problem|unable to get local issuer|certificate subject name|"
    r"no alternative certificate subject name",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"Permission denied|Authentication failed|could not read (Username|Password)|terminal prompts disabled|"
    r"error: (401|403)|Too many authentication failures|Load key ",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"does not appear to be a git repository|repository '.*' not found|error: 404|not a git repository|"
    r"Repository not found|No such file or directory",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"Could not resolve|Connection (refused|reset|timed out|closed)|Failed to connect|Couldn't connect|"
    r"No route to host|Network is unreachable|Operation timed out|kex_exchange|error: 5\d\d|Empty reply|"
    r"GnuTLS (recv|handshake|send) |SSL_ERROR|SSL_read|SSL_connect",
    re.IGNORECASE,
)
_NO_TOOL = re.compile(r"cannot run ssh|'remote-https' is not a git command|Unable to find remote helper")
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_PARTIAL = re.compile(r"lazy fetching disabled|from promisor remote")
_FORBIDDEN = re.compile(r"transport '.*' not allowed")


def explain(said: str, remote: Remote, settings: SourceSettings) -> SourceError | None:
    """What went wrong outside of this host's mirror; None where that is not known, so the mirror itself is suspect.

    ``said``: git's standard error.
    """
    where = redacted(remote.address)
    if _DISK_FULL.search(said):
        return SourceError("the disk of this host is full: git cannot store what it fetched", reason="DiskFull")
    if _NO_TOOL.search(said):
        tool = "OpenSSH's client" if remote.transport is Transport.SSH else "git's support of https"
        return SourceError(f"{tool} is not installed on this host", reason="ToolMissing")
    if _PARTIAL.search(said):
        return SourceError(
            f"{where} is a partial clone and lacks files, which are not fetched for it: name the repository that it was "
            "cloned from in source.url",
            reason="RepositoryPartial",
        )
    if _FORBIDDEN.search(said):
        return SourceError(f"{where} points at a place that is not ssh, https or local", reason="TransportRefused")
    if _KEY_CHANGED.search(said):
        return SourceError(_changed_key(remote, settings), reason="HostKeyChanged")
    if remote.transport is Transport.SSH and _KEY_UNKNOWN.search(said):
        return SourceError(_unknown_key(remote, settings), reason="HostKeyUnknown")
    if _UNTRUSTED.search(said):
        return SourceError(
            f"the certificate of {remote.host} is not trusted on this host ({_last_line(said)}): if it comes from a "
            "certificate authority of your own, name that one's file in source.caFile",
            reason="CertificateUntrusted",
        )
    if _UNREACHABLE.search(said) and not _LOGIN.search(said):
        return SourceError(f"{where} cannot be reached: {_cause(said)}")
    if _LOGIN.search(said):
        return SourceError(_refused_login(where, said, remote, settings), reason="AuthenticationFailed")
    if _ABSENT.search(said):
        return SourceError(
            f"there is no repository at {where}, or not for this host's login: {_cause(said)}",
            reason="RepositoryNotFound",
        )
    return None


def missing_branch(remote: Remote, branch: str, heads: tuple[str, ...]) -> SourceError:
    """``heads``: the names of the branches that the remote has."""
    where = redacted(remote.address)
    if not heads:
        return SourceError(
            f"{where} is an empty repository: push a first commit to its branch {branch!r}", reason="RepositoryEmpty"
        )
    shown = ", ".join(heads[:10]) + (", ..." if len(heads) > 10 else "")
    return SourceError(
        f"{where} has no branch {branch!r} (any more); it has: {shown}. Push the branch, or name another one in "
        "source.branch; until then the last good revision stays in force",
        reason="BranchNotFound",
    )


def _refused_login(where: str, said: str, remote: Remote, settings: SourceSettings) -> str:
    if remote.transport is Transport.LOCAL:
        return f"{where} may not be read by this process: {_cause(said)}"
    if remote.transport is Transport.SSH:
        key = settings.ssh_key or "the user's default keys"
        hint = " (the key's file must be readable by its owner only: chmod 600)" if "UNPROTECTED" in said else ""
        return f"{where} refuses {key}{hint}: add its public half to the repository's deploy keys ({_cause(said)})"
    if settings.password_file is None and remote.username is None:
        return f"{where} wants a login: set source.username and source.passwordFile"
    given = settings.password_file or "the password in source.url"
    return f"{where} refuses the login of source.username with {given}: {_cause(said)}"


def _unknown_key(remote: Remote, settings: SourceSettings) -> str:
    port = f"-p {remote.port} " if remote.port is not None else ""
    return (
        f"the ssh host key of {remote.host} is not in {_known_hosts(settings)}: run "
        f"'ssh-keyscan {port}{remote.host} >> {_known_hosts(settings)}' and compare the fingerprint with the one that "
        "the server's operator publishes"
    )


def _changed_key(remote: Remote, settings: SourceSettings) -> str:
    name = remote.host if remote.port in (None, 22) else f"[{remote.host}]:{remote.port}"
    return (
        f"the ssh host key of {remote.host} is not the one in {_known_hosts(settings)}: somebody may be answering in "
        "its place. If its operator confirms a new key, take the old one out with "
        f"'ssh-keygen -R {name} -f {_known_hosts(settings)}' and add the new one"
    )


def _known_hosts(settings: SourceSettings) -> str:
    return settings.known_hosts or "~/.ssh/known_hosts"


def _cause(said: str) -> str:
    """The first line that says more than that git could not read from the remote."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if _LOGIN.search(line) or _UNREACHABLE.search(line) or _ABSENT.search(line)]
    return (telling or lines or ["git gave no reason"])[0][:300]


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"
