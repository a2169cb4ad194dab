"""What the engine's refusals mean: whether time or a person mends them, in words for an operator. Pure.

Shared by those who hear them: the engine's own adapter, and Compose's, which passes the engine's words on.
"""

from __future__ import annotations

import re

from reconciler.model.errors import EngineUnavailableError, ReconcilerError, StalledError, WaitingError
from reconciler.model.size import shown_bytes

_LONGEST_QUOTE = 400
_PORT_IS_TAKEN = re.compile(
    r"port is already allocated|address already in use|ports are not available|failed to bind (host )?port", re.I
)
_HOST_PORT = re.compile(
    r"(?:Bind for|listen (?:tcp|udp)[46]?|bind host port(?: for)?|expos(?:e|ing) port \S+ ->)\s+"
    r"(?P<address>(?:\[[0-9a-fA-F:.]*\]|[\d.]*):\d+)(?::[^/\s]+)?(?:/(?P<protocol>tcp|udp))?"
)
_NAME_IS_TAKEN = re.compile(r'container name "/?(?P<name>[^"]+)" is already in use')
_NO_SOURCE = re.compile(r"bind source path does not exist: (?P<path>[^\n]+)")
_CANNOT_RUN = re.compile(
    r"OCI runtime|failed to create (shim )?task|executable file not found|permission denied|exec format error"
    r"|invalid mount config|error mounting|no such file or directory"
    r"|unable to find user|invalid (argument|reference)|network \S+ not found|could not (find|select) device"
    r"|unknown (capability|runtime|or invalid runtime)|no matching entries in passwd",
    re.I,
)
# What a host says that has no room for one more process just then: seen with many containers starting side by side.
_RAN_SHORT = re.compile(
    r"connection reset by peer|resource temporarily unavailable|cannot allocate memory|context deadline exceeded"
    r"|too many open files|ttrpc: closed",
    re.I,
)


def refused(doing: str, status: int | None, words: str) -> ReconcilerError:
    """Any refusal that nothing more precise is known of. ``doing``: "start web-1"."""
    if _is_disk_full(words):
        return disk_full(doing)
    if status == 503:
        return EngineUnavailableError(f"cannot {doing}: the Docker engine is not ready: {quoted(words)}")
    if found := _NAME_IS_TAKEN.search(words):
        return WaitingError(
            f"cannot {doing}: another container has the name {found['name']}; remove or rename it", reason="NameTaken"
        )
    message = f"cannot {doing}: the Docker engine says: {quoted(words)}"
    if status == 404:
        return WaitingError(message, reason="NotFound")
    if status == 400:
        return StalledError(message, reason="EngineRefused")
    return WaitingError(message, reason="EngineRefused")


def start_refused(doing: str, status: int | None, words: str) -> ReconcilerError:
    """``doing``: something that starts a container."""
    if _PORT_IS_TAKEN.search(words):
        return WaitingError(
            f"cannot {doing}: host port {_host_port(words)} is held by another container or program; "
            "free it or publish another port",
            reason="PortTaken",
        )
    if _is_disk_full(words):
        return disk_full(doing)
    if found := _NO_SOURCE.search(words):
        return WaitingError(
            f"cannot {doing}: there is no {found['path'].strip()}, which is to be mounted. Put it there, or into Git as the Compose "
            "file names it (a secret encrypted, with .age behind its name). It is tried again by itself",
            reason="FileMissing",
        )
    if _RAN_SHORT.search(words):
        return WaitingError(f"cannot {doing} just now: {quoted(words)}", reason="StartFailed")
    if _CANNOT_RUN.search(words) and status != 404:
        return StalledError(f"cannot {doing}: {quoted(words)}", reason="StartFailed")
    return refused(doing, status, words)


def pull_refused(reference: str, words: str) -> ReconcilerError:
    """Waiting, whatever the registry says: a tag may be pushed, an access granted, a registry come back."""
    if _is_disk_full(words):
        return disk_full(f"pull {reference}")
    return WaitingError(f"cannot pull {reference}: {quoted(words)}", reason="ImagePullFailed")


def disk_full(doing: str) -> WaitingError:
    return WaitingError(f"cannot {doing}: no space left on the engine's disk; make room", reason="DiskFull")


def no_room(doing: str, path: str, free: int, wanted: int) -> WaitingError:
    """Bytes. Said before the disk is full, while everything still runs."""
    return WaitingError(
        f"cannot {doing}: {shown_bytes(free)} are free where the engine keeps images ({path}), and it wants "
        f"{shown_bytes(wanted)}. Make room (docker system df says what takes it); it is tried again by itself",
        reason="DiskFull",
    )


def unreachable(address: str, why: object) -> EngineUnavailableError:
    words = quoted(_innermost(why))
    mend = "see that dockerd runs there"
    if words == "Permission denied":
        mend = "this user may not use it: run this as root, or as a member of the group of that socket (docker)"
    return EngineUnavailableError(f"the Docker engine does not answer at {address}: {words}; {mend}")


def _innermost(why: object) -> str:
    """The SDK wraps what the system said three times over, each time as text of text."""
    said = re.findall(r"Error\(\d+, '([^']+)'\)|\[Errno -?\d+\] ([^'\")]+)", str(why))
    return "".join(said[-1]) if said else str(why)


def quoted(words: str) -> str:
    """On one line and not endless: an engine may pass on whatever a registry or a program says."""
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 3] + "..."


def _is_disk_full(words: str) -> bool:
    return "no space left on device" in words.lower()


def _host_port(words: str) -> str:
    found = _HOST_PORT.search(words)
    if not found:
        return f"of the service ({quoted(words)})"
    return f"{found['address']}/{found['protocol'] or ('udp' if 'udp' in words else 'tcp')}"
