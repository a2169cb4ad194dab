"""Every command of the pages is typed as it stands there, page by page, and ends as the page says.

Most pages are about a host that runs the sample stack: they share one. A page that begins before that has a host of its
own. Each is read in a new clone of the repository, which may push.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.docs.pages import blocks, pages
from tests.e2e.git_servers import free_port
from tests.e2e.reading import Reader
from tests.e2e.world import World

pytestmark = pytest.mark.engine

SAMPLE = Path(__file__).parents[2] / "desired_state" / "upsignon"
STACK = "upsignon"
VARIABLES = """
DB_USER=pro
DB_PASSWORD=p4ss-w0rd
SESSION_SECRET=0123456789abcdef0123456789abcdef
SERVER_DOMAIN=vault.example.com
DASHBOARD_DOMAIN=vault-dashboard.example.com
DASHBOARD_URL_PATH_PREFIX=/dashboard
ACCESS_ALLOWED_IPS=0.0.0.0/0
TRAEFIK_IMAGE=rig/traefik:3
SERVER_IMAGE=rig/app:1
DASHBOARD_IMAGE=rig/app:1
POSTGRES_IMAGE=rig/postgres:15
SERVER_HEALTHCHECK=healthcheck
DASHBOARD_HEALTHCHECK=healthcheck
ADMIN_LINK_COMMAND=add-super-admin
"""


class Host:
    """The sample's repository and a root, as the pages take them to be there; ``start`` makes it run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = world.name(STACK)
        self.port = free_port()
        self.etc = world.home / "etc"
        self.etc.mkdir()
        self._read = 0
        self._fill_the_repository()
        world.write_environment(STACK, f"{VARIABLES.lstrip()}HTTPS_PORT={self.port}\n")
        (world.root / "env").chmod(0o700)

    def _fill_the_repository(self) -> None:
        shutil.copytree(SAMPLE, self.world.repository / "desired_state" / self.name)
        manifest = self.world.repository / "desired_state" / self.name / "stack.yaml"
        manifest.write_text(manifest.read_text().replace("soak: 5s", "soak: 300ms"))
        self.world.git("config", "receive.denyCurrentBranch", "updateInstead")
        self.world.commit(message="The sample stack")

    @property
    def here(self) -> dict[str, str]:
        """What stands in the pages, and what it is here. Nothing else in them is replaced."""
        return {
            "/srv/reconciler": str(self.world.root),
            "/etc/reconciler": str(self.etc),
            "ssh://git@git.example.com/ops/config.git": str(self.world.repository),
            STACK: self.name,
        }

    def start(self) -> None:
        self.world.write_settings(path="desired_state", interval="1h")
        self.world.start_daemon()
        self.world.await_ready(STACK, self.world.git("rev-parse", "HEAD"))

    def read(self, page: str) -> list[str]:
        """What is wrong with it."""
        self._read += 1
        home = self.world.home / f"reader-{self._read}"
        self.world.git("clone", "--quiet", str(self.world.repository), str(home / "config"))
        reader = Reader(home, home / "config", self.here, {**_AUTHOR, "RECONCILER_ROOT": str(self.world.root)})
        PREPARED.get(page, _nothing)(self, home / "config")
        reader.read(page)
        return reader.complaints


_AUTHOR = {
    f"GIT_{who}_{what}": f"ada{end}"
    for who in ("AUTHOR", "COMMITTER")
    for what, end in (("NAME", ""), ("EMAIL", "@example.com"))
}


def _nothing(host: Host, folder: Path) -> None: ...


def _a_pair_that_is_not_dropped_yet(host: Host, folder: Path) -> None:
    issued = Authority(now=time.time()).issue("vault.example.com", "vault-dashboard.example.com")
    (folder / "new").mkdir()
    (folder / "new" / "vault.crt").write_bytes(issued.chain_pem)
    (folder / "new" / "vault.key").write_bytes(issued.key_pem)


# What a page takes to be there besides: files in the folder where it is read, or on the host.
PREPARED: dict[str, Callable[[Host, Path], None]] = dict.fromkeys(
    ("docs/certificates.md", "docs/first-hour.md"), _a_pair_that_is_not_dropped_yet
)
# Pages that begin on a host that runs nothing.
BEFORE_IT_RUNS = ("README.md", "docs/first-hour.md")


def is_run(page: str) -> bool:
    return any(block.commands and block.why_not_run is None for block in blocks(page))


RUN = [page for page in pages() if is_run(page)]


@contextmanager
def a_host(home: Path) -> Iterator[Host]:
    home.mkdir()
    world = World(home)
    try:
        yield Host(world)
    finally:
        world.clean()
        print(world.logs())


def test_the_commands_of_the_pages_about_a_host_that_runs_do_what_they_say(tmp_path: Path) -> None:
    with a_host(tmp_path / "host") as host:
        host.start()
        told = [complaint for page in RUN if page not in BEFORE_IT_RUNS for complaint in host.read(page)]
    assert not told, "\n\n".join(told)


@pytest.mark.parametrize("page", BEFORE_IT_RUNS)
def test_the_commands_of_a_page_about_a_new_host_do_what_they_say(tmp_path: Path, page: str) -> None:
    with a_host(tmp_path / "host") as host:
        (host.world.root / "host.yaml").unlink()
        told = host.read(page)
    assert not told, "\n\n".join(told)
