"""Every command of the pages is typed as it stands there, page by page, and ends as the page says.

Most pages are about a host that runs the sample stack: they share one. A page that begins before that has a host of its
own. Each is read in a new clone of the repository, which may push.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.docs.pages import blocks, pages
from tests.docs.translations import original_of
from tests.e2e import git_servers
from tests.e2e.git_servers import https_server, ssh_server
from tests.e2e.reading import Reader
from tests.e2e.world import World
from tests.free_ports import free_port

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
        self.servers = ExitStack()
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

    def forget(self) -> None:
        """It is a new host once more."""
        (self.world.root / "host.yaml").unlink(missing_ok=True)

    def start(self) -> None:
        self.world.write_settings(path="desired_state", interval="1h")
        self.world.start_daemon()
        self.world.await_ready(STACK, self.world.git("rev-parse", "HEAD"))

    def read(self, page: str) -> list[str]:
        """What is wrong with it."""
        self._read += 1
        home = self.world.home / f"reader-{self._read}"
        self.world.git("clone", "--quiet", str(self.world.repository), str(home / "config"))
        there = PREPARED.get(page, _nothing)(self, home / "config")
        environment = {**_AUTHOR, "RECONCILER_ROOT": str(self.world.root)}
        reader = Reader(home, home / "config", {**self.here, **there}, environment, self.forget)
        reader.read(page)
        return reader.complaints


_AUTHOR = {
    f"GIT_{who}_{what}": f"ada{end}"
    for who in ("AUTHOR", "COMMITTER")
    for what, end in (("NAME", ""), ("EMAIL", "@example.com"))
}


def _nothing(host: Host, folder: Path) -> Mapping[str, str]:
    return {}


def _a_pair_that_is_not_dropped_yet(host: Host, folder: Path) -> Mapping[str, str]:
    issued = Authority(now=time.time()).issue("vault.example.com", "vault-dashboard.example.com")
    (folder / "new").mkdir()
    (folder / "new" / "vault.crt").write_bytes(issued.chain_pem)
    (folder / "new" / "vault.key").write_bytes(issued.key_pem)
    return {}


def _servers_that_want_a_login(host: Host, folder: Path) -> Mapping[str, str]:
    """The one lets in whoever has the key that the page makes, the other whoever has the token in ``new/``."""
    home = host.world.home / "git"
    bare = home / "served" / "ops" / "config.git"
    bare.parent.mkdir(parents=True)
    host.world.git("clone", "--quiet", "--bare", str(host.world.repository), str(bare))
    ssh = host.servers.enter_context(ssh_server(home / "sshd"))
    ssh.authorized_keys.unlink()
    ssh.authorized_keys.symlink_to(host.etc / "deploy_key.pub")
    authority = git_servers.Authority(home / "authority").make()
    https = host.servers.enter_context(https_server(home / "served", authority))
    https.login = "deploy:t0ken"
    shutil.copyfile(authority.file, host.etc / "ca.pem")
    (folder / "new").mkdir()
    (folder / "new" / "token").write_text("t0ken\n")
    return {
        "ssh://git@git.example.com/ops/config.git": ssh.url(bare),
        "https://git.example.com/ops/config.git": https.url("ops/config.git"),
        "ssh-keyscan git.example.com": f"ssh-keyscan -p {ssh.port} 127.0.0.1",
    }


# What a page takes to be there besides: files in the folder where it is read, or on the host; and what it is called here.
PREPARED: dict[str, Callable[[Host, Path], Mapping[str, str]]] = {
    "docs/certificates.md": _a_pair_that_is_not_dropped_yet,
    "docs/first-hour.md": _a_pair_that_is_not_dropped_yet,
    "docs/own-ca.md": _a_pair_that_is_not_dropped_yet,
    "docs/private-repository.md": _servers_that_want_a_login,
}
# Pages that begin on a host that runs nothing.
BEFORE_IT_RUNS = ("README.md", "docs/first-hour.md", "docs/private-repository.md")


def is_run(page: str) -> bool:
    """Not a translation: its commands are those of its original, as tests/unit/test_docs_translated.py sees to."""
    return original_of(page) is None and any(block.commands and block.why_not_run is None for block in blocks(page))


RUN = [page for page in pages() if is_run(page)]


@contextmanager
def a_host(home: Path) -> Iterator[Host]:
    home.mkdir()
    world = World(home)
    host = Host(world)
    try:
        yield host
    finally:
        host.servers.close()
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
