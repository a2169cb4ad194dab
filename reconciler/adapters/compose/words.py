"""What Compose says on standard error, and what it means. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler import refusals
from reconciler.model.errors import EngineUnavailableError, ReconcilerError, StalledError, WaitingError

_UNSET = re.compile(r'msg="The \\"(?P<name>\w+)\\" variable is not set')
_REQUIRED = re.compile(r"required variable (?P<name>\w+) is missing a value(?:: (?P<words>.*))?")
_LOGGED = re.compile(r'^time="[^"]*" level=\w+ msg=')
_YAML_LINE = re.compile(r"line (?P<line>\d+): (?P<words>.*)", re.S)
_IN_FILE = re.compile(r"(?:validating|failed to parse|parsing) (?P<file>\S+?): (?P<words>.*)", re.S)
_KEY = re.compile(r"(?P<key>(?:services|networks|volumes|configs|secrets)\.[\w.\-]*[\w\-])[:.]? ?(?P<words>.*)", re.S)
_EXTRA_KEY = re.compile(r"[Aa]dditional propert(?:y|ies) '?(?P<name>[\w.\-]+)'?")
_OF_SERVICE = re.compile(r'service "(?P<name>[\w.\-]+)"')

_NO_IMAGE = re.compile(r"No such image: (?P<name>\S+)|image (?P<other>\S+) not found", re.I)
_NO_NETWORK = re.compile(r"network (?P<name>\S+) (?:not found|declared as external, but could not be found)")
_NO_VOLUME = re.compile(r'external volume "(?P<name>[^"]+)" not found')
_NO_ENGINE = re.compile(r"Cannot connect to the Docker daemon|error during connect|failed to connect to the docker API")


@dataclass(frozen=True, slots=True)
class Complaint:
    """About a user's file: ``file`` "" and ``line`` 0 where Compose does not say; ``key`` dotted."""

    file: str
    line: int
    key: str
    words: str


def unset_variables(said: str) -> tuple[str, ...]:
    """Those that Compose took as empty."""
    return tuple(dict.fromkeys(_UNSET.findall(said)))


def required_variable(said: str) -> tuple[str, str] | None:
    """``${NAME:?words}``: Compose stops at the first. Its name and words."""
    found = _REQUIRED.search(said)
    return (found["name"], (found["words"] or "").strip()) if found else None


def wants_newer_buildx(said: str) -> bool:
    return "requires buildx" in said


def complaint(said: str, folders: Sequence[str]) -> Complaint:
    """``folders``: paths of ours that mean nothing to a user, taken out."""
    words = _without(_plain(said), folders)
    file, line = "", 0
    in_file = _IN_FILE.match(words)
    if in_file:
        file, words = in_file["file"], in_file["words"]
    on_line = _YAML_LINE.search(words)
    if on_line:
        line, words = int(on_line["line"]), on_line["words"]
    key = ""
    at_key = _KEY.search(words)
    if at_key:
        key = at_key["key"]
        words = at_key["words"] if at_key.start() == 0 else words
    elif service := _OF_SERVICE.search(words):
        key = f"services.{service['name']}"
    extra = _EXTRA_KEY.search(words)
    if extra and at_key:
        key, words = f"{key}.{extra['name']}", "this key is unknown here"
    return Complaint(file, line, key, refusals.quoted(words.removesuffix(": invalid compose project")))


def failure(doing: str, said: str) -> ReconcilerError:
    """Of ``create``, ``up`` and ``build``. ``doing``: "create the containers of web"."""
    words = _plain(said)
    if _NO_ENGINE.search(words):
        return EngineUnavailableError(f"cannot {doing}: {refusals.quoted(_last_line(words))}")
    if wants_newer_buildx(words):
        return StalledError(f"cannot {doing}: {_last_line(words)}; upgrade docker-buildx", reason="ToolMissing")
    if found := _NO_IMAGE.search(words):
        return WaitingError(
            f"cannot {doing}: the engine does not hold image {found['name'] or found['other']}", reason="ImageMissing"
        )
    if found := _NO_VOLUME.search(words):
        return _external_is_missing(doing, "volume", found["name"])
    if found := _NO_NETWORK.search(words):
        return _external_is_missing(doing, "network", found["name"])
    return refusals.start_refused(doing, None, _last_line(words)) if _is_the_engines(words) else _refused(doing, words)


def _external_is_missing(doing: str, kind: str, name: str) -> WaitingError:
    return WaitingError(
        f"cannot {doing}: {kind} {name} does not exist; make it with `docker {kind} create {name}`",
        reason=f"{kind.capitalize()}Missing",
    )


def _is_the_engines(words: str) -> bool:
    return "Error response from daemon" in words or "no space left on device" in words


def _refused(doing: str, words: str) -> StalledError:
    return StalledError(f"cannot {doing}: Compose says: {refusals.quoted(_last_line(words))}", reason="ComposeRefused")


def _plain(said: str) -> str:
    """Without the log lines (warnings) that Compose mixes in."""
    return "\n".join(line for line in said.splitlines() if line.strip() and not _LOGGED.match(line)).strip()


def _last_line(words: str) -> str:
    """The one that tells why: Compose's progress comes before it."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    telling = [line for line in lines if "rror" in line]
    return (telling or lines or ["it said nothing"])[-1].removeprefix("Error response from daemon: ")


def _without(words: str, folders: Sequence[str]) -> str:
    for folder in folders:
        words = words.replace(f"{folder.rstrip('/')}/", "").replace(folder.rstrip("/"), ".")
    return words
