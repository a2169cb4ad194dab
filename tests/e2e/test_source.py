"""Fetching from real servers: whatever they do, the last good tip stays, the cause is told, and mending it is enough."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from reconciler.adapters.git_source import GitSource
from reconciler.adapters.git_tree import GitTree
from reconciler.model.errors import SourceError
from reconciler.model.manifest import SourceSettings
from tests.e2e.git_servers import (
    Authority,
    HttpsServer,
    SshServer,
    https_server,
    new_key,
    silent_server,
    ssh_server,
)
from tests.free_ports import free_port
from tests.integration.local_git import Work

PATIENCE_S = 30.0


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return tmp_path / "repositories" / "config.git"


@pytest.fixture
def work(tmp_path: Path, bare: Path) -> Work:
    """Pushed to ``bare``, which the servers serve."""
    made = Work(tmp_path / "work")
    made.commit("first", {"app/compose.yaml": "services: {}\n", "big": os.urandom(300_000).hex()})
    bare.parent.mkdir()
    made.git("clone", "--quiet", "--bare", ".", str(bare))
    return made


def push(work: Work, bare: Path, subject: str) -> str:
    commit = work.commit(subject, {"big": os.urandom(300_000).hex()})
    work.git("push", "--quiet", "--force", str(bare), "main")
    return commit


def failure_of(source: GitSource, reason: str) -> str:
    """What the fetch says; fails where it does not, or for another reason."""
    with pytest.raises(SourceError) as caught:
        source.fetch()
    assert caught.value.reason == reason, str(caught.value)
    return str(caught.value)


def git_processes(about: str) -> list[str]:
    """The command lines of running processes that hold ``about``, this one and its parents excluded."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if about in line and "pytest" not in line:
            found.append(line)
    return found


def eventually(holds: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not (met := bool(holds())) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


# --- ssh ---


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def by_ssh(sshd: SshServer, work: Work, bare: Path, tmp_path: Path) -> SourceSettings:
    """Settings with which it works."""
    sshd.authorized_keys.write_text(new_key(tmp_path / "deploy key"))
    (tmp_path / "known hosts").write_text(sshd.known_hosts())
    return SourceSettings(
        url=sshd.url(bare),
        timeout_s=PATIENCE_S,
        ssh_key=str(tmp_path / "deploy key"),
        known_hosts=str(tmp_path / "known hosts"),
    )


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mirror.git"


def test_a_branch_is_followed_over_ssh(by_ssh: SourceSettings, work: Work, bare: Path, mirror: Path) -> None:
    source = GitSource(by_ssh, mirror)
    assert source.fetch().subject == "first"
    commit = push(work, bare, "second")
    assert source.fetch().commit == commit
    tree = GitTree(mirror)
    assert tree.read(tree.entries(source.fetch())["app/compose.yaml"].object_id) == b"services: {}\n"


def test_a_refused_ssh_key_is_told_and_authorizing_it_is_enough(
    by_ssh: SourceSettings, sshd: SshServer, work: Work, bare: Path, mirror: Path, tmp_path: Path
) -> None:
    source = GitSource(by_ssh, mirror)
    tip = source.fetch()
    authorized = sshd.authorized_keys.read_text()
    sshd.authorized_keys.write_text(new_key(tmp_path / "another"))
    told = failure_of(source, "AuthenticationFailed")
    assert "deploy key" in told
    assert "Permission denied (publickey)" in told
    assert source.tip() == tip
    sshd.authorized_keys.write_text(authorized)
    assert source.fetch() == tip


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(
    by_ssh: SourceSettings, sshd: SshServer, mirror: Path, tmp_path: Path
) -> None:
    sshd.authorized_keys.write_text(new_key(tmp_path / "locked", passphrase="hunter2"))
    failure_of(GitSource(replace(by_ssh, ssh_key=str(tmp_path / "locked")), mirror), "AuthenticationFailed")


def test_a_key_that_others_may_read_is_told_with_how_to_mend_it(by_ssh: SourceSettings, mirror: Path) -> None:
    assert by_ssh.ssh_key is not None
    Path(by_ssh.ssh_key).chmod(0o644)
    source = GitSource(by_ssh, mirror)
    assert "chmod 600" in failure_of(source, "AuthenticationFailed")
    Path(by_ssh.ssh_key).chmod(0o600)
    assert source.fetch().subject == "first"


@pytest.mark.parametrize(("setting", "shown"), [("ssh_key", "sshKey"), ("known_hosts", "knownHosts")])
def test_a_file_that_is_missing_is_told_by_its_name(
    by_ssh: SourceSettings, mirror: Path, setting: str, shown: str
) -> None:
    settings = replace(by_ssh, **{setting: "/nowhere/file"})  # type: ignore[arg-type]
    told = failure_of(GitSource(settings, mirror), "AuthenticationFailed")
    assert f"source.{shown}: /nowhere/file: No such file" in told


def test_an_unknown_host_key_is_never_accepted_and_the_told_command_mends_it(
    by_ssh: SourceSettings, mirror: Path, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    known.touch()
    source = GitSource(replace(by_ssh, known_hosts=str(known)), mirror)
    told = failure_of(source, "HostKeyUnknown")
    assert known.read_text() == ""
    command = re.search(r"run '([^']+)'", told)
    assert command is not None
    subprocess.run(command[1], shell=True, check=True, timeout=60, stderr=subprocess.DEVNULL)
    assert source.fetch().subject == "first"


def test_a_changed_host_key_is_never_replaced(by_ssh: SourceSettings, sshd: SshServer, mirror: Path) -> None:
    source = GitSource(by_ssh, mirror)
    tip = source.fetch()
    assert by_ssh.known_hosts is not None
    known = Path(by_ssh.known_hosts).read_text()
    sshd.stop()
    sshd.new_host_key()
    sshd.start()
    told = failure_of(source, "HostKeyChanged")
    assert f"ssh-keygen -R [127.0.0.1]:{sshd.port}" in told
    assert Path(by_ssh.known_hosts).read_text() == known
    assert source.tip() == tip
    Path(by_ssh.known_hosts).write_text(sshd.known_hosts())
    assert source.fetch() == tip


def test_a_server_that_is_down_is_told_and_its_return_is_enough(
    by_ssh: SourceSettings, sshd: SshServer, mirror: Path
) -> None:
    source = GitSource(by_ssh, mirror)
    tip = source.fetch()
    sshd.stop()
    assert "Connection refused" in failure_of(source, "FetchFailed")
    assert source.tip() == tip
    sshd.start()
    assert source.fetch() == tip


def test_a_repository_that_is_not_on_the_server_is_told(by_ssh: SourceSettings, sshd: SshServer, mirror: Path) -> None:
    settings = replace(by_ssh, url=sshd.url(Path("/nowhere/config.git")))
    failure_of(GitSource(settings, mirror), "RepositoryNotFound")


def test_a_deleted_branch_and_an_empty_repository_are_told_over_ssh(
    by_ssh: SourceSettings, work: Work, bare: Path, mirror: Path
) -> None:
    source = GitSource(by_ssh, mirror)
    tip = source.fetch()
    work.git("--git-dir", str(bare), "branch", "--move", "main", "trunk")
    assert "it has: trunk" in failure_of(source, "BranchNotFound")
    assert source.tip() == tip
    shutil.rmtree(bare)
    work.git("init", "--quiet", "--bare", str(bare))
    assert "push a first commit" in failure_of(source, "RepositoryEmpty")
    assert source.tip() == tip
    work.git("push", "--quiet", str(bare), "main")
    assert source.fetch() == tip


# --- servers that hang ---


@pytest.mark.parametrize("scheme", ["ssh", "https"])
def test_a_server_that_never_answers_is_given_up_with_everything_that_waited_for_it(
    mirror: Path, scheme: str, tmp_path: Path
) -> None:
    (tmp_path / "known").touch()
    with silent_server() as port:
        settings = SourceSettings(
            url=f"{scheme}://127.0.0.1:{port}/config.git", timeout_s=1.0, known_hosts=str(tmp_path / "known")
        )
        told = failure_of(GitSource(settings, mirror), "FetchTimedOut")
        assert "longer than source.timeout, 1 s" in told
        assert eventually(lambda: git_processes(f"127.0.0.1:{port}") + git_processes(f"-p {port}") == [])


# --- https ---


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority").make()


@pytest.fixture
def https(authority: Authority, bare: Path) -> Iterator[HttpsServer]:
    with https_server(bare.parent, authority) as server:
        yield server


@pytest.fixture
def by_https(https: HttpsServer, work: Work, authority: Authority, tmp_path: Path) -> SourceSettings:
    """Settings with which it works."""
    (tmp_path / "password file").write_text("hunter2\r\n")
    return SourceSettings(
        url=https.url("config.git"),
        timeout_s=PATIENCE_S,
        ca_file=str(authority.file),
        username="ann",
        password_file=str(tmp_path / "password file"),
    )


def test_a_branch_is_followed_over_https(by_https: SourceSettings, work: Work, bare: Path, mirror: Path) -> None:
    source = GitSource(by_https, mirror)
    assert source.fetch().subject == "first"
    commit = push(work, bare, "second")
    assert source.fetch().commit == commit


def test_a_login_in_the_url_works_as_well(
    by_https: SourceSettings, https: HttpsServer, mirror: Path, tmp_path: Path
) -> None:
    https.login = "ann:hun/ter@2"
    url = https.url("config.git", login="ann:hun%2Fter%402@")
    assert GitSource(replace(by_https, url=url, username=None, password_file=None), mirror).fetch().subject == "first"


@pytest.mark.parametrize("where", ["password_file", "url"])
def test_a_wrong_password_is_told_and_shown_nowhere(
    by_https: SourceSettings, https: HttpsServer, mirror: Path, where: str
) -> None:
    https.login = "ann:another"
    settings = by_https
    if where == "url":
        settings = replace(by_https, url=https.url("config.git", "ann:hunter2@"), username=None, password_file=None)
    with structlog.testing.capture_logs() as logs:
        told = failure_of(GitSource(settings, mirror), "AuthenticationFailed")
    assert "refuses the login" in told
    assert "hunter2" not in told + repr(logs)
    https.login = "ann:hunter2"
    assert GitSource(settings, mirror).fetch().subject == "first"


def test_a_missing_login_is_told_with_the_settings_that_give_it(by_https: SourceSettings, mirror: Path) -> None:
    told = failure_of(GitSource(replace(by_https, username=None, password_file=None), mirror), "AuthenticationFailed")
    assert "source.username and source.passwordFile" in told


def test_a_certificate_of_an_unknown_authority_is_refused(by_https: SourceSettings, mirror: Path) -> None:
    told = failure_of(GitSource(replace(by_https, ca_file=None), mirror), "CertificateUntrusted")
    assert "source.caFile" in told


def test_a_repository_that_is_not_there_is_told_over_https(
    by_https: SourceSettings, https: HttpsServer, mirror: Path
) -> None:
    failure_of(GitSource(replace(by_https, url=https.url("nowhere.git")), mirror), "RepositoryNotFound")


def test_a_redirect_never_carries_the_login_to_another_server(
    by_https: SourceSettings, https: HttpsServer, mirror: Path, authority: Authority, bare: Path
) -> None:
    with https_server(bare.parent, authority) as other:
        https.redirect = f"https://127.0.0.1:{other.port}"
        failure_of(GitSource(by_https, mirror), "AuthenticationFailed")
        assert other.logins_seen
        assert set(other.logins_seen) == {""}


def test_a_redirect_to_what_is_not_encrypted_is_refused(
    by_https: SourceSettings, https: HttpsServer, mirror: Path
) -> None:
    https.login = None
    https.redirect = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SourceError):
        GitSource(by_https, mirror).fetch()


def test_a_pack_that_never_ends_is_given_up_and_the_next_fetch_starts_clean(
    by_https: SourceSettings, https: HttpsServer, work: Work, bare: Path, mirror: Path
) -> None:
    tip = GitSource(by_https, mirror).fetch()
    commit = push(work, bare, "second")
    https.hangs.set()
    source = GitSource(replace(by_https, timeout_s=1.5), mirror)
    failure_of(source, "FetchTimedOut")
    assert source.tip() == tip
    assert eventually(lambda: git_processes(f"127.0.0.1:{https.port}") == [])
    https.hangs.clear()
    assert GitSource(by_https, mirror).fetch().commit == commit
    assert [path for path in mirror.rglob("*") if path.name.startswith("tmp_") or path.suffix == ".lock"] == []


def test_no_secret_is_on_a_command_line_or_in_the_mirror_while_git_runs(
    by_https: SourceSettings, https: HttpsServer, mirror: Path
) -> None:
    https.hangs.set()
    url = https.url("config.git", "ann:hunter2@")
    settings = replace(by_https, url=url, username=None, password_file=None)
    with _fetching(settings, mirror) as fetching:
        assert https.hanging.wait(PATIENCE_S)
        assert git_processes(f"127.0.0.1:{https.port}")
        assert [line for line in git_processes("hunter2") if "reconciler" not in line] == []
        written = [path for path in mirror.parent.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
        assert written == []
        fetching.kill()


def test_a_reconciler_killed_in_the_middle_of_a_fetch_harms_nothing(
    by_https: SourceSettings, https: HttpsServer, work: Work, bare: Path, mirror: Path
) -> None:
    tip = GitSource(by_https, mirror).fetch()
    commit = push(work, bare, "second")
    https.hangs.set()
    with _fetching(by_https, mirror) as fetching:
        assert https.hanging.wait(PATIENCE_S)
        fetching.send_signal(signal.SIGKILL)
    assert git_processes(f"127.0.0.1:{https.port}")  # git outlived it, and holds its locks
    https.hangs.clear()
    source = GitSource(by_https, mirror)
    assert source.tip() == tip
    with structlog.testing.capture_logs() as logs:
        assert source.fetch().commit == commit
    assert logs == []  # nothing was broken, so nothing was rebuilt
    assert eventually(lambda: git_processes(f"127.0.0.1:{https.port}") == [])
    assert work.git("--git-dir", str(mirror), "fsck", "--full") == ""


def _fetching(settings: SourceSettings, mirror: Path) -> subprocess.Popen[bytes]:
    """A process of its own that fetches; its settings travel through a pipe, so that they show on no command line."""
    script = (
        "import sys; from pathlib import Path\n"
        "from reconciler.adapters.git_source import GitSource\n"
        "from reconciler.model.manifest import SourceSettings\n"
        "GitSource(eval(sys.stdin.read()), Path(sys.argv[1])).fetch()\n"
    )
    process = subprocess.Popen((sys.executable, "-c", script, str(mirror)), stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(repr(settings).encode())
    process.stdin.close()
    process.stdin = None
    return process
