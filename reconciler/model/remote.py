"""Where a repository is reached, and what of that address may be shown. It opens no connection and reads no file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from reconciler.model.errors import StalledError

_SCP = re.compile(r"^(?:(?P<user>[^@/:\s]+)@)?(?P<host>\[[^\]\s]+\]|[^/:@\s\[\]]+):(?!//)(?P<path>\S.*)$")
_WEB_LOGIN = re.compile(r"(https?://)[^/\s'\"]*@", re.IGNORECASE)
_SSH_PASSWORD = re.compile(r"(ssh://[^/\s'\":@]+):[^/\s'\"]*@", re.IGNORECASE)
_BAD_IN_A_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|[/.]$|\.lock$|\.lock/|^@$")


class Transport(StrEnum):
    """How git reaches it; the values are git's own names of the protocols."""

    SSH = "ssh"
    HTTPS = "https"
    LOCAL = "file"


@dataclass(frozen=True, slots=True)
class Remote:
    """``address``: what git is handed; it holds no login for https, so that it may stand on a command line.

    ``path``: the absolute path of a local repository. ``port`` is None where the address names none.
    """

    transport: Transport
    address: str
    host: str = ""
    port: int | None = None
    path: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_remote(url: str) -> Remote:
    """The address of ``source.url``. Raises StalledError where git must not or cannot be handed it."""
    text = url.strip()
    if not text or text.startswith("-") or _has_control_characters(text):
        raise _refused(url, "it is empty, begins with a hyphen, or holds control characters")
    if "::" in text.split("/", 1)[0]:
        raise _refused(url, "remote helpers such as ext:: run commands and are never used")
    if "://" in text:
        return _from_url(text)
    if text.startswith("/"):
        return Remote(Transport.LOCAL, address=text, path=text)
    if (scp := _SCP.match(text)) is not None:
        return _ssh(url, text, scp["host"].strip("[]"), None, scp["user"])
    raise _refused(url, "a local repository is named by its absolute path")


def check_branch(name: str) -> None:
    """Raises StalledError where ``name`` cannot be the name of a branch (the rules of ``git check-ref-format``)."""
    if not name or _BAD_IN_A_BRANCH.search(name):
        raise StalledError(f"source.branch {name!r} is no name of a branch", reason="InvalidConfiguration")


def redacted(text: str) -> str:
    """``text`` without the logins of the URLs in it."""
    return _SSH_PASSWORD.sub(r"\1:***@", _WEB_LOGIN.sub(r"\1***@", text))


def _from_url(url: str) -> Remote:
    scheme = url.partition("://")[0].lower()
    if scheme == "file":
        return _local(url)
    if scheme in ("http", "git"):
        raise _refused(url, f"{scheme} neither encrypts nor proves who answers: use https or ssh")
    if scheme not in ("ssh", "https"):
        raise _refused(url, "its protocol is not one of ssh, https, file")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(url, "its host or port is malformed") from error
    if not host or not parts.path.strip("/"):
        raise _refused(url, "it names no host or no repository")
    if scheme == "ssh":
        if parts.password is not None:
            raise _refused(url, "ssh takes no password from a URL: use source.sshKey")
        return _ssh(url, url, host, port, parts.username)
    authority = parts.netloc.rpartition("@")[2]
    return Remote(
        Transport.HTTPS,
        address=parts._replace(netloc=authority, fragment="").geturl(),
        host=host,
        port=port,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _local(url: str) -> Remote:
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/"):
        raise _refused(url, "a file URL is file:// followed by an absolute path")
    return Remote(Transport.LOCAL, address=path, path=path)


def _ssh(url: str, address: str, host: str, port: int | None, username: str | None) -> Remote:
    if host.startswith("-") or (username or "").startswith("-"):
        raise _refused(url, "a host or user that begins with a hyphen would be read as an option of ssh")
    return Remote(Transport.SSH, address=address, host=host, port=port, username=username)


def _refused(url: str, why: str) -> StalledError:
    """Whatever could be a login stays out: of a malformed URL nobody knows where its password ends."""
    shown = url.strip()
    scp = _SCP.match(shown)
    if "@" in shown and (scp is None or "@" in scp["path"]):
        scheme, separator, rest = shown.partition("://")
        shown = f"{scheme}{separator}***@{rest.rpartition('@')[2]}"
    return StalledError(f"source.url {shown!r} is refused: {why}", reason="InvalidConfiguration")


def _has_control_characters(text: str) -> bool:
    return any(ord(character) < 32 or ord(character) == 127 for character in text)
