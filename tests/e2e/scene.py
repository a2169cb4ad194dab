"""One Compose file in a world of its own: as a stack that is reconciled, and brought up by Compose alone, to be compared.

It is committed twice: first with every ``stop_grace_period`` changed, so that afterwards every container is replaced.
"""

from __future__ import annotations

import json
import os
import posixpath
import random
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker.errors import NotFound

from reconciler.adapters.compose import find
from reconciler.declared.documents import read_document
from tests.e2e.picture import Led, Lens, Picture, identities, take
from tests.e2e.world import World, eventually
from tests.free_ports import free_port, free_range

BEFORE = "before.yaml"
NEEDED = ("PATH", "HOME")  # of this process's environment; what else lies about in it must not reach Compose
SAMPLE_ENV = """
DB_USER=pro
DB_PASSWORD=p4ss-w0rd
SESSION_SECRET=0123456789abcdef
SERVER_DOMAIN=server.localhost
DASHBOARD_DOMAIN=dashboard.localhost
DASHBOARD_URL_PATH_PREFIX=/dashboard
ACCESS_ALLOWED_IPS=0.0.0.0/0
HTTPS_PORT=${PARITY_PORT}
TRAEFIK_IMAGE=rig/traefik:3
SERVER_IMAGE=rig/app:1
DASHBOARD_IMAGE=rig/app:1
POSTGRES_IMAGE=rig/postgres:15
SERVER_HEALTHCHECK=healthcheck
DASHBOARD_HEALTHCHECK=healthcheck
"""


class Scene:
    """``variables``: what the host's env file tells the case, besides its own ``host.env``."""

    def __init__(self, world: World, case: Path) -> None:
        self.world = world
        self.case = case
        self.stack = world.name("parity")
        self.compose = find.usable(os.environ)[0]
        self.variables = {
            "PARITY_PORT": str(free_port()),
            "PARITY_UDP_PORT": str(free_port()),
            "PARITY_RANGE": free_range(3),
            "PARITY_OTHER_RANGE": free_range(4),
            "PARITY_NET": f"10.{random.randint(100, 199)}.{random.randint(0, 255)}",
            "PARITY_HOST_FOLDER": str(world.home / "of-the-host"),
            "PARITY_OUTSIDE": f"{self.stack}-outside",
        }
        self._source = world.repository / "stacks" / self.stack
        self._checkout = world.home / "checkout"
        self._folder = self._checkout / "stacks" / self.stack
        self._env_file = world.root / "env" / f"{self.stack}.env"
        self._wishes: dict[str, Any] = {}
        self._manifest: dict[str, Any] = {}
        self._built: set[str] = set()
        self._prepare()

    def _prepare(self) -> None:
        shutil.copytree(self.case, self._source, symlinks=True, ignore=shutil.ignore_patterns("host.env", "beside"))
        if (self.case / "beside").is_dir():
            shutil.copytree(self.case / "beside", self.world.repository / "beside")
        self._manifest = self._read_manifest() if self._has("stack.yaml") else {}
        self._wishes = yaml.safe_load((self._source / self._files[0]).read_text()).get("x-parity") or {}
        self._skip_if_too_old()
        own = (self.case / "host.env").read_text() if (self.case / "host.env").exists() else SAMPLE_ENV
        self.world.write_environment("parity", "".join(f"{k}={v}\n" for k, v in self.variables.items()) + own)
        folder = Path(self.variables["PARITY_HOST_FOLDER"])
        folder.mkdir()
        (folder / "file.txt").write_text("a file of the host\n")
        self.world.engine.api.create_network(self.variables["PARITY_OUTSIDE"])
        self.world.engine.api.create_volume(self.variables["PARITY_OUTSIDE"])
        self._lay_out_untracked(self.world.root / "data" / self.stack)

    def _read_manifest(self) -> dict[str, Any]:
        """As the product reads it: to PyYAML, a key named ``on`` would be true."""
        return dict(read_document((self._source / "stack.yaml").read_bytes(), "stack.yaml").root)

    def _skip_if_too_old(self) -> None:
        oldest = str(self._wishes.get("compose", "0"))
        if self.compose.numbers < tuple(map(int, oldest.split("."))):
            pytest.skip(f"needs Compose {oldest}, the newest here is {self.compose.version}")

    def _has(self, name: str) -> bool:
        return (self._source / name).exists()

    @property
    def _files(self) -> list[str]:
        """The Compose files, those that Compose finds by itself where ``stack.yaml`` names none."""
        found = [name for name in ("compose.yaml", "compose.override.yaml") if self._has(name)]
        return self._manifest.get("compose") or found

    def _lay_out_untracked(self, folder: Path) -> None:
        for path, text in self._wishes.get("untracked", {}).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    # Ours

    def commit_before(self) -> None:
        said = self._run(self.compose, "-p", self.stack, *self._options(self._source), "config", "--services")
        assert said.returncode == 0, said.stderr
        services = {name: {"stop_grace_period": "0s"} for name in said.stdout.split()}
        (self._source / BEFORE).write_text(json.dumps({"services": services}))
        self._commit({**self._manifest, "compose": [*self._files, BEFORE]})

    def commit(self) -> None:
        (self._source / BEFORE).unlink()
        self._commit(self._manifest)

    def _commit(self, manifest: dict[str, Any]) -> None:
        quick = {**manifest, "rollout": {"soak": "100ms", "timeout": "60s"}}
        (self._source / "stack.yaml").write_text(json.dumps(quick))
        self.world.commit()

    def reconcile(self) -> None:
        done = self.world.once()
        assert done.returncode == 0, done.stdout + done.stderr

    def passes(self) -> int:
        """How many there were that had something to do."""
        with self.world.journal() as journal:
            return len(journal.passes(self.stack, 100)) if journal else 0

    def up_on_the_release(self) -> str:
        """What an operator types who has only Compose and our model."""
        return self._compose(f"--env-file={self._env_file}", f"--file={self._model}", "up", "-d")

    @property
    def _model(self) -> Path:
        """The resolved model of the newest release."""
        releases = self.world.root / "state" / "releases" / self.stack
        return max(releases.iterdir(), key=lambda folder: int(folder.name)) / "compose.json"

    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._model.read_text())["services"]
        return found

    def jobs(self) -> set[str]:
        return {
            name
            for service in self.services().values()
            for name, dependency in (service.get("depends_on") or {}).items()
            if dependency["condition"] == "service_completed_successfully"
        }

    def led(self) -> dict[str, Led]:
        """By service, what the release says besides what its files say: those of the sample, and of nothing else."""
        services = json.loads(self._model.read_text())["services"]
        found = {}
        for name, own in services.items():
            labels = {key: value for key, value in (own.get("labels") or {}).items() if value.endswith("@file")}
            ours = {key: value for key, value in labels.items() if value.startswith(f"{self.stack}.")}
            if ours:
                found[name] = Led(ours, f"{name}.{self.stack}.internal")
        assert sorted(found) == (["dashboard", "server"] if self.case.name == "upsignon" else [])
        return found

    def forgetful(self) -> set[str]:
        """Services with dependencies that the product let Compose recreate alone: by ``up --no-deps``, for dependencies may
        be in the middle of a swap. Compose then leaves the dependencies out of the new container's label, and before
        2.30 out of its hash, too, and recreates it at the next ``up`` (github.com/docker/compose/issues/12069)."""
        prefix = "let Compose recreate "
        with self.world.journal() as journal:
            told = [step.text for step in journal.steps(journal.passes(self.stack, 1)[0].id)] if journal else []
        services = [text.removeprefix(prefix) for text in told if text.startswith(prefix)]
        return {service for service in services if self.services()[service].get("depends_on")}

    @property
    def compose_hashes_dependencies(self) -> bool:
        return self.compose.numbers < (2, 30)

    # Compose's

    def take_down(self) -> None:
        """Nothing is left that Compose would find."""
        self._compose(f"--file={self._model}", "down", "-v", "--remove-orphans", "-t", "0")
        self._remove_images()

    def up_by_compose_alone(self, before: bool = False) -> None:
        if not self._checkout.exists():
            self.world.git("clone", "--quiet", str(self.world.repository), str(self._checkout))
            self._lay_out_untracked(self._folder)
        self.world.git("-C", str(self._checkout), "checkout", "--quiet", "origin/main~1" if before else "origin/main")
        options = self._options(self._folder, before)
        if self._built:
            self._build(*options)
        self._compose(*options, "up", "-d", "-t", "0")

    def _options(self, folder: Path, before: bool = False) -> list[str]:
        tracked = (self._manifest.get("env") or {}).get("files") or []
        named = [*self._files, BEFORE] if before else self._manifest.get("compose") or []
        return [
            *(f"--env-file={folder / name}" for name in tracked),
            f"--env-file={self._env_file}",
            *(f"--file={folder / name}" for name in named),
        ]

    def _build(self, *options: str) -> None:
        """By the first Compose that can: a newer one may want a newer buildx than there is, as the product knows."""
        tried = (self._run(compose, "-p", self.stack, *options, "build") for compose in find.usable(os.environ))
        assert any(done.returncode == 0 for done in tried)

    def _compose(self, *words: str) -> str:
        """By the program that the product uses: each version has hashes and labels of its own."""
        done = self._run(self.compose, "-p", self.stack, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _run(self, compose: find.Compose, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {name: os.environ[name] for name in NEEDED if name in os.environ}
        environment |= {"RECONCILER_TRAEFIK_DIR": str(self.world.root / "state" / "traefik" / self.stack)}
        return subprocess.run(
            [*compose.command, "--ansi=never", "--progress=plain", *words],
            check=False,
            capture_output=True,
            text=True,
            env=environment | {"RECONCILER_STACK": self.stack},
            timeout=120,
            cwd=self._folder if self._folder.is_dir() else self._source,
        )

    # What is there

    def identities(self) -> dict[str, tuple[str, str]]:
        self._await_calm()
        return identities(self.world.engine, self.stack)

    def picture(self, of_compose_alone: bool = False) -> Picture:
        self._await_calm()
        services = self.services()
        self._built |= {service["image"] for service in services.values() if "build" in service}
        return take(
            self.world.engine,
            Lens(
                project=self.stack,
                translate=self._as_rewritten if of_compose_alone else str,
                asked_for=self._model.read_text(),
                built=frozenset(self._built),
                inside=self._wishes.get("inside", {}),
            ),
        )

    def _await_calm(self) -> None:
        """Until nothing starts any more."""
        eventually(
            lambda: [(found["Name"], found["State"]) for found in self.world.containers("parity")],
            lambda seen: all(_is_calm(state) for _, state in seen),
        )

    def _as_rewritten(self, text: str) -> str:
        """``text`` with each path of the plain checkout as the design rewrites it, computed from Git once more."""
        return re.sub(rf"{re.escape(str(self._checkout))}(/[^:]*)?", lambda found: self._place(found[0]), text)

    def _place(self, path: str) -> str:
        data = [*self._manifest.get("data", ()), *self._wishes.get("volumes", ())]
        inside = posixpath.relpath(os.path.realpath(path), self._checkout)
        line = self.world.git("-C", str(self._checkout), "ls-tree", "HEAD", "--", inside)
        if not line or posixpath.relpath(path, self._folder).split("/")[0] in data:
            return str(self.world.root / "data" / self.stack / posixpath.relpath(path, self._folder))
        mode, _, identity = line.split("\t")[0].split()
        suffix = "-x" if mode == "100755" else ""
        return str(self.world.root / "state" / "objects" / f"{identity}{suffix}" / posixpath.basename(inside))

    def clean(self) -> None:
        api = self.world.engine.api
        for network in api.networks(names=[self.variables["PARITY_OUTSIDE"]]):
            api.remove_network(network["Id"])
        api.remove_volume(self.variables["PARITY_OUTSIDE"], force=True)
        self._remove_images()

    def _remove_images(self) -> None:
        for reference in self._built:
            with suppress(NotFound):
                self.world.engine.api.remove_image(reference, force=True)


def _is_calm(state: dict[str, Any]) -> bool:
    if state["Status"] not in ("running", "exited"):
        return False
    return bool((state.get("Health") or {}).get("Status") != "starting")
