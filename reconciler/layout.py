"""Where things lie under the root folder. Paths only; nothing here touches the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RENEWAL = ".renewal.json"  # behind the name of a stack, in env/: a variable of it that is being renewed


@dataclass(frozen=True, slots=True)
class Layout:
    """``root``: absolute, as the administrator named it."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "host.yaml"

    @property
    def certs(self) -> Path:
        return self.root / "certs"

    @property
    def pairs(self) -> Path:
        """The certificates that were served last, with their keys."""
        return self.state / "certificates" / "pairs.json"

    @property
    def staging(self) -> Path:
        """Where files are written before one rename puts them in their place; nobody watches it."""
        return self.state / "staging"

    @property
    def upstreams_staging(self) -> Path:
        """The same for upstreams, whose writers do not wait for those of certificates."""
        return self.staging / "upstreams"

    @property
    def env(self) -> Path:
        return self.root / "env"

    @property
    def env_staging(self) -> Path:
        return self.staging / "env"

    def env_file(self, stack: str) -> Path:
        return self.env / f"{stack}.env"

    @property
    def age_identity(self) -> Path:
        """What encrypted backups can be decrypted with on this host; it need not be there."""
        return self.env / "age-identity.txt"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def backups_of(self, stack: str) -> Path:
        """Dumps and their manifests."""
        return self.root / "backups" / stack

    def adopted_dumps_of(self, stack: str) -> Path:
        """Dumps that another project made: kept, and never counted as backups of ours."""
        return self.backups_of(stack) / "adopted"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def mirror(self) -> Path:
        return self.state / "mirror.git"

    @property
    def checkouts(self) -> Path:
        return self.state / "checkouts"

    @property
    def objects(self) -> Path:
        return self.state / "objects"

    @property
    def releases(self) -> Path:
        return self.state / "releases"

    @property
    def traefik(self) -> Path:
        """What Traefiks' file providers read: a folder for each stack."""
        return self.state / "traefik"

    def traefik_of(self, stack: str) -> Path:
        """What the stack's own Traefik reads; its Compose files get it as ``${RECONCILER_TRAEFIK_DIR}``."""
        return self.traefik / stack

    @property
    def hooks(self) -> Path:
        """What hooks that run now are handed, as files."""
        return self.state / "hooks"

    @property
    def journal(self) -> Path:
        return self.state / "state.db"

    @property
    def adoption(self) -> Path:
        """The adoption that is under way, if there is one."""
        return self.state / "adoption.json"

    @property
    def turns(self) -> Path:
        """Who works on which stack."""
        return self.state / "turns"

    @property
    def lock(self) -> Path:
        return self.state / "lock"
