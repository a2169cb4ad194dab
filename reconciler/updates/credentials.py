"""How this host logs in to registries: what ``docker login`` left behind, helpers included. Keeps nothing, writes nothing."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from docker.auth import INDEX_NAME, load_config
from docker.errors import DockerException

from reconciler.model.errors import StalledError
from reconciler.planning.image_reference import DOCKER_HUB

_CERTIFICATES = Path("/etc/docker/certs.d")
_ENGINE_SETTINGS = Path("/etc/docker/daemon.json")


@dataclass(frozen=True, slots=True)
class Login:
    """``token``: an identity token, which takes the place of a password. All "" for nobody in particular."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def login_at(registry: str, config: Path | None = None) -> Login:
    """From ``config.json`` of Docker (``DOCKER_CONFIG`` or ``~/.docker``), read anew each time: a login counts at once.

    Raises StalledError where a credential helper is missing or fails.
    """
    try:
        known = load_config(config_path=str(config) if config else None)
        found = known.resolve_authconfig(INDEX_NAME if registry == DOCKER_HUB else registry)
    except (DockerException, OSError, ValueError) as error:
        raise StalledError(
            f"the login for {registry} cannot be read from Docker's config.json: {error}; see that its credential helper "
            f"works for the user of reconciler, or log in anew: docker login {registry}",
            reason="RegistryLoginBroken",
        ) from error
    if not found:
        return Login()
    return Login(
        user=found.get("Username") or found.get("username") or "",
        password=found.get("Password") or found.get("password") or "",
        token=found.get("IdentityToken") or found.get("identitytoken") or "",
    )


def authority_of(registry: str, folder: Path = _CERTIFICATES) -> str | None:
    """The file or folder with the authorities that the engine, too, trusts for this registry; None for those that certifi
    ships. The system's own are the engine's: whoever gave this host his authority need not say it once more."""
    found = sorted((folder / registry).glob("*.crt"))
    if found:
        return str(found[0])
    system = ssl.get_default_verify_paths()
    return system.cafile or (system.capath if system.capath and any(Path(system.capath).glob("*.0")) else None)


def is_insecure(registry: str, settings: Path = _ENGINE_SETTINGS) -> bool:
    """Whether the engine takes it without TLS: one of this machine, or one that its settings name."""
    host = registry.rpartition(":")[0] if registry.rpartition(":")[2].isdecimal() else registry
    if host == "localhost" or _is_loopback(host.strip("[]")):
        return True
    try:
        return registry in (json.loads(settings.read_text()).get("insecure-registries") or ())
    except (OSError, ValueError, AttributeError):
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
