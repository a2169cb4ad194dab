"""Laws of the mirror: it follows one branch of a real repository, and whatever breaks, the last good tip stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from reconciler.adapters.git_source import GitSource
from reconciler.model.errors import SourceError, StalledError, WaitingError
from reconciler.model.manifest import SourceSettings
from reconciler.plumbing.process import Git
from tests.integration.local_git import Work, git


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path / "work")
    made.commit("first", {"app/compose.yaml": "services: {}\n", "README": "hello\n"})
    return made


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mirror.git"


def source_of(url: str | Path, mirror: Path, branch: str = "main", timeout_s: float = 30.0) -> GitSource:
    return GitSource(SourceSettings(url=str(url), branch=branch, timeout_s=timeout_s), mirror)


def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **_: object) -> None:
        raise AssertionError(f"a process was started: {arguments}")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def test_a_fetch_answers_the_tip_with_what_people_want_to_know_of_it(work: Work, mirror: Path) -> None:
    commit = work.commit("Größe: 2\n\nbody", {"a": "1"})
    tip = source_of(work.folder, mirror).fetch()
    assert tip.commit == commit
    assert tip.tree == work.git("rev-parse", "HEAD^{tree}")
    assert tip.subject == "Größe: 2"
    assert tip.author == "Ann <ann@example.com>"
    assert tip.committed_at == int(work.git("log", "-1", "--format=%ct"))


def test_before_the_first_fetch_there_is_no_tip(work: Work, mirror: Path) -> None:
    assert source_of(work.folder, mirror).tip() is None


def test_the_tip_is_known_again_after_a_restart_without_the_remote(work: Work, mirror: Path) -> None:
    tip = source_of(work.folder, mirror).fetch()
    shutil.rmtree(work.folder)
    assert source_of(work.folder, mirror).tip() == tip


@pytest.mark.parametrize("how", ["path", "file url", "bare", "work tree of a worktree"])
def test_a_repository_on_this_host_is_reached_in_every_way(work: Work, mirror: Path, tmp_path: Path, how: str) -> None:
    url = str(work.folder)
    if how == "file url":
        url = f"file://{work.folder}"
    if how == "bare":
        url = str(tmp_path / "bare.git")
        work.git("clone", "--quiet", "--bare", ".", url)
    if how == "work tree of a worktree":
        url = str(tmp_path / "linked")
        work.git("worktree", "add", "--quiet", "--detach", url)
    source = source_of(url, mirror)
    assert source.fetch().commit == work.git("rev-parse", "main")
    assert source.fetch() == source.tip()


def test_a_commit_is_followed(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    source.fetch()
    second = work.commit("second", {"a": "2"})
    assert source.fetch().commit == second
    assert source.tip() == source.fetch()


def test_a_look_at_a_local_repository_that_did_not_move_starts_no_process(
    work: Work, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(work.folder, mirror)
    tip = source.fetch()
    no_processes(monkeypatch)
    assert source.fetch() == tip
    assert source.tip() == tip


def test_packed_refs_are_read_as_well(work: Work, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(work.folder, mirror)
    tip = source.fetch()
    work.git("pack-refs", "--all")
    git(mirror, "pack-refs", "--all")
    assert source.fetch() == tip
    no_processes(monkeypatch)
    assert source.fetch() == tip


def test_a_force_push_is_just_a_new_tip(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    source.fetch()
    work.git("commit", "--quiet", "--amend", "--message", "rewritten")
    assert source.fetch().commit == work.git("rev-parse", "HEAD")


def test_a_kept_commit_survives_a_force_push_and_garbage_collection(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    kept = source.fetch().commit
    source.keep(kept)
    source.keep(kept)
    work.git("commit", "--quiet", "--amend", "--message", "rewritten")
    source.fetch()
    git(mirror, "gc", "--quiet", "--prune=now")
    assert source.revision(kept).subject == "first"


def test_a_released_commit_goes_with_garbage_collection(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    kept = source.fetch().commit
    source.keep(kept)
    work.git("commit", "--quiet", "--amend", "--message", "rewritten")
    source.fetch()
    source.release(kept)
    source.release(kept)
    git(mirror, "gc", "--quiet", "--prune=now")
    work.git("reflog", "expire", "--expire=now", "--all")
    work.git("gc", "--quiet", "--prune=now")
    with pytest.raises(StalledError, match="unknown revision"):
        source.revision(kept)


def test_only_a_whole_commit_id_can_be_kept(work: Work, mirror: Path) -> None:
    with pytest.raises(ValueError, match="whole commit id"):
        source_of(work.folder, mirror).keep("main")


def test_a_deleted_branch_is_told_with_what_is_there_and_the_last_tip_stays(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    tip = source.fetch()
    work.git("branch", "--quiet", "--move", "main", "trunk")
    with pytest.raises(SourceError, match=r"no branch 'main'.*it has: trunk") as caught:
        source.fetch()
    assert caught.value.reason == "BranchNotFound"
    assert source.tip() == tip
    work.git("branch", "--quiet", "main")
    assert source.fetch() == tip


def test_an_empty_repository_is_told_and_mended_by_its_first_commit(tmp_path: Path, mirror: Path) -> None:
    work = Work(tmp_path / "work")
    source = source_of(work.folder, mirror)
    with pytest.raises(SourceError, match=r"empty repository: push a first commit to its branch 'main'") as caught:
        source.fetch()
    assert caught.value.reason == "RepositoryEmpty"
    assert source.tip() is None
    commit = work.commit("first", {"a": "1"})
    assert source.fetch().commit == commit


def test_a_repository_that_is_not_there_is_told_and_mended_when_it_comes(tmp_path: Path, mirror: Path) -> None:
    source = source_of(tmp_path / "work", mirror)
    with pytest.raises(SourceError, match="there is no repository at") as caught:
        source.fetch()
    assert caught.value.reason == "RepositoryNotFound"
    commit = Work(tmp_path / "work").commit("first", {"a": "1"})
    assert source.fetch().commit == commit


def test_another_branch_in_the_settings_keeps_the_last_tip_until_it_can_be_fetched(work: Work, mirror: Path) -> None:
    tip = source_of(work.folder, mirror).fetch()
    source = source_of(work.folder, mirror, branch="main/next")
    with pytest.raises(SourceError):
        source.fetch()
    assert source.tip() == tip
    work.git("branch", "--quiet", "--move", "main", "old")
    work.git("branch", "--quiet", "main/next")
    assert source.fetch() == tip


def test_another_url_in_the_settings_is_followed_and_kept_commits_stay(
    work: Work, mirror: Path, tmp_path: Path
) -> None:
    before = source_of(work.folder, mirror)
    kept = before.fetch().commit
    before.keep(kept)
    other = Work(tmp_path / "other")
    commit = other.commit("elsewhere", {"b": "1"})
    source = source_of(other.folder, mirror)
    assert source.fetch().commit == commit
    assert source.revision(kept).commit == kept


def test_a_shallow_clone_is_a_source_and_so_is_a_partial_one(work: Work, mirror: Path, tmp_path: Path) -> None:
    """The partial one lacks what only the history holds, and gets it when it is asked."""
    commit = work.commit("second", {"README": "new\n"})
    work.git("config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{work.folder}", "shallow")
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{work.folder}", "partial")
    for name in ("shallow", "partial"):
        place = mirror.with_name(f"{name}.git")
        source = source_of(tmp_path / name, place)
        assert source.fetch().commit == commit
        assert Git(place).run("cat-file", "blob", f"{commit}:README") == b"new\n"
        assert source_of(tmp_path / name, place).fetch().commit == commit


def give_away(folder: Path) -> None:
    for inside, _, files in os.walk(folder):
        for name in ("", *files):
            os.lchown(os.path.join(inside, name), 12345, 12345)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_repository_of_another_user_is_a_source(work: Work, mirror: Path) -> None:
    give_away(work.folder)
    assert source_of(work.folder, mirror).fetch().subject == "first"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_repository_of_another_user_runs_nothing_in_our_name(work: Work, mirror: Path, tmp_path: Path) -> None:
    """A partial clone fetches what it lacks by a command that its own configuration names."""
    work.commit("second", {"README": "new\n"})
    work.git("config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{work.folder}", "partial")
    marker = tmp_path / "marker"
    git(tmp_path / "partial", "config", "remote.origin.uploadpack", f"touch {marker}; git-upload-pack")
    git(tmp_path / "partial", "config", "uploadpack.packObjectsHook", f"touch {marker}; false")
    give_away(tmp_path / "partial")
    with pytest.raises(SourceError, match="is a partial clone") as caught:
        source_of(tmp_path / "partial", mirror).fetch()
    assert caught.value.reason == "RepositoryPartial"
    assert not marker.exists()


@pytest.mark.parametrize("url", ["ext::sh -c 'touch {marker}'", "--upload-pack=touch {marker}", "-x"])
def test_an_address_that_runs_commands_is_refused(url: str, mirror: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(StalledError, match="refused"):
        source_of(url.format(marker=marker), mirror).fetch()
    assert not marker.exists()


def test_nothing_of_this_hosts_git_configuration_applies(
    work: Work, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "reference-transaction").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (hooks / "reference-transaction").chmod(0o755)
    (tmp_path / "gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n[init]\n\ttemplateDir = {hooks}\n"
        f'[url "/nowhere"]\n\tinsteadOf = {work.folder}\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(work.folder / ".git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nonexistent")
    source_of(work.folder, mirror).fetch()
    assert not marker.exists()


# --- a broken mirror ---


def a_file(mirror: Path, pattern: str) -> Path:
    return sorted(path for path in mirror.glob(pattern) if path.is_file())[0]


def truncate(mirror: Path, pattern: str) -> None:
    path = a_file(mirror, pattern)
    path.chmod(0o600)
    path.write_bytes(b"")


def flip_a_byte_in_the_pack(mirror: Path) -> None:
    path = a_file(mirror, "objects/pack/*.pack")
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def unpack(mirror: Path) -> None:
    """Loose objects, as a mirror has that an older git or a person worked in."""
    packs = list((mirror / "objects" / "pack").glob("*.pack"))
    contents = [path.read_bytes() for path in packs]
    for path in (mirror / "objects" / "pack").iterdir():
        path.unlink()
    for content in contents:
        git(mirror, "unpack-objects", "-q", stdin=content)


def empty_every_loose_object(mirror: Path) -> None:
    unpack(mirror)
    for path in mirror.glob("objects/??/*"):
        path.chmod(0o600)
        path.write_bytes(b"")


def hold_another_content(mirror: Path) -> None:
    """Nothing that a look at sizes and checksums of compression would find: only the id tells."""
    unpack(mirror)
    blobs = [path for path in mirror.glob("objects/??/*") if zlib.decompress(path.read_bytes()).startswith(b"blob")]
    blobs[0].chmod(0o600)
    blobs[0].write_bytes(blobs[1].read_bytes())


def lose_one_loose_file(mirror: Path) -> None:
    unpack(mirror)
    for path in mirror.glob("objects/??/*"):
        if zlib.decompress(path.read_bytes()).startswith(b"blob"):
            path.unlink()
            return


def become_an_empty_folder(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.mkdir()


def become_a_file(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.write_text("not a repository")


BREAKAGES: dict[str, Callable[[Path], object]] = {
    "zero-length HEAD": lambda mirror: truncate(mirror, "HEAD"),
    "no HEAD": lambda mirror: (mirror / "HEAD").unlink(),
    "HEAD of another branch": lambda mirror: (mirror / "HEAD").write_text("ref: refs/heads/x\n"),
    "zero-length tip": lambda mirror: truncate(mirror, "refs/heads/tip"),
    "garbage in the tip": lambda mirror: (mirror / "refs/heads/tip").write_text("0123\n"),
    "tip of a missing commit": lambda mirror: (mirror / "refs/heads/tip").write_text("1" * 40 + "\n"),
    "zero-length kept": lambda mirror: truncate(mirror, "refs/reconciler/kept/*"),
    "zero-length configuration": lambda mirror: truncate(mirror, "config"),
    "garbage in the configuration": lambda mirror: (mirror / "config").write_text("[core\nbare = true"),
    "garbage in packed-refs": lambda mirror: (mirror / "packed-refs").write_text("garbage\n"),
    "missing pack": lambda mirror: a_file(mirror, "objects/pack/*.pack").unlink(),
    "missing index of a pack": lambda mirror: a_file(mirror, "objects/pack/*.idx").unlink(),
    "zero-length pack": lambda mirror: truncate(mirror, "objects/pack/*.pack"),
    "a flipped byte in a pack": flip_a_byte_in_the_pack,
    "zero-length objects": empty_every_loose_object,
    "another content in a file": hold_another_content,
    "one missing file": lose_one_loose_file,
    "no objects": lambda mirror: shutil.rmtree(mirror / "objects"),
    "no refs": lambda mirror: shutil.rmtree(mirror / "refs"),
    "an empty folder": become_an_empty_folder,
    "a file": become_a_file,
}


@pytest.mark.parametrize("restarted", [True, False], ids=["after a restart", "in one process"])
@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_a_broken_mirror_is_rebuilt_by_the_next_fetch(
    work: Work, mirror: Path, breakage: Callable[[Path], object], restarted: bool
) -> None:
    source = source_of(work.folder, mirror)
    tip = source.fetch()
    source.keep(tip.commit)
    breakage(mirror)
    if restarted:
        source = source_of(work.folder, mirror)
    with structlog.testing.capture_logs() as logs:
        assert source.fetch() == tip
    assert [entry["event"] for entry in logs] == ["mirror_rebuilt"]
    assert git(mirror, "fsck", "--full") == ""
    assert Git(mirror).run("cat-file", "blob", f"{tip.commit}:README") == b"hello\n"
    with structlog.testing.capture_logs() as logs:
        assert source.fetch() == tip
    assert logs == []


def test_a_rebuild_is_said_in_the_log_with_its_reason(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    source.fetch()
    truncate(mirror, "HEAD")
    with structlog.testing.capture_logs() as logs:
        source.fetch()
    assert [(entry["event"], entry["log_level"], entry["why"]) for entry in logs] == [
        ("mirror_rebuilt", "warning", "its HEAD is broken")
    ]


def test_a_missing_piece_of_the_history_is_rebuilt_when_a_fetch_stumbles_over_it(work: Work, mirror: Path) -> None:
    first = work.git("rev-parse", "HEAD")
    work.commit("second", {"a": "2"})
    source = source_of(work.folder, mirror)
    source.fetch()
    unpack(mirror)
    (mirror / "objects" / first[:2] / first[2:]).unlink()
    work.git("checkout", "--quiet", "-b", "side", first)
    work.git("commit", "--quiet", "--allow-empty", "--message", "side")
    work.git("branch", "--quiet", "--force", "main", "side")
    assert source.fetch().subject == "side"
    assert git(mirror, "fsck", "--full") == ""


def test_what_is_kept_survives_a_rebuild_even_if_the_remote_forgot_it(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    kept = source.fetch().commit
    source.keep(kept)
    work.git("commit", "--quiet", "--amend", "--message", "rewritten")
    work.git("reflog", "expire", "--expire=now", "--all")
    work.git("gc", "--quiet", "--prune=now")
    (mirror / "HEAD").write_text("")
    (mirror / f"refs/reconciler/kept/{kept}").write_text("")
    assert source.fetch().subject == "rewritten"
    assert source_of(work.folder, mirror).revision(kept).subject == "first"


def test_a_broken_mirror_stays_as_it_is_while_the_remote_cannot_be_reached(
    work: Work, mirror: Path, tmp_path: Path
) -> None:
    source = source_of(work.folder, mirror)
    tip = source.fetch()
    truncate(mirror, "config")
    work.folder.rename(tmp_path / "away")
    with pytest.raises(SourceError):
        source.fetch()
    assert source.tip() == tip
    assert (mirror / "objects").is_dir()
    (tmp_path / "away").rename(work.folder)
    assert source.fetch() == tip


@pytest.mark.parametrize(
    "leftover",
    [
        "HEAD.lock",
        "config.lock",
        "index.lock",
        "packed-refs.lock",
        "shallow.lock",
        "refs/heads/tip.lock",
        "objects/info/commit-graphs/commit-graph-chain.lock",
        "objects/pack/pack-1.keep",
        "objects/pack/tmp_pack_abc",
    ],
)
def test_what_a_killed_git_left_behind_is_overcome(work: Work, mirror: Path, leftover: str) -> None:
    source = source_of(work.folder, mirror)
    source.fetch()
    (mirror / leftover).parent.mkdir(parents=True, exist_ok=True)
    (mirror / leftover).touch()
    commit = work.commit("second", {"a": "2"})
    assert source.fetch().commit == commit
    assert not (mirror / leftover).exists()


def test_a_git_that_outlived_its_reconciler_is_ended_before_the_next_fetch(work: Work, mirror: Path) -> None:
    """The reconciler was killed in the middle of a fetch: its git still runs, and still may write."""
    script = (
        "import sys, os; from pathlib import Path; from reconciler.plumbing.writer import WriterLock\n"
        "lock = WriterLock(Path(sys.argv[1]).with_suffix('.lock'), Path(sys.argv[1]).with_suffix('.writer'))\n"
        "import subprocess\n"
        "with lock.held(5):\n"
        "    child = subprocess.Popen(['sleep', '600'], stdout=-3, stderr=-3, start_new_session=True, pass_fds=lock.descriptors())\n"
        "    lock.write_down(child.pid)\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run((sys.executable, "-c", script, str(mirror)), capture_output=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    orphan = int(killed.stdout)
    assert Path(f"/proc/{orphan}").exists()
    assert source_of(work.folder, mirror).fetch().subject == "first"
    stat = Path(f"/proc/{orphan}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_two_fetches_at_once_take_turns(work: Work, mirror: Path) -> None:
    first, second = source_of(work.folder, mirror), source_of(work.folder, mirror)
    found: list[str] = []
    threads = [threading.Thread(target=lambda s=s: found.append(s.fetch().commit)) for s in (first, second, first)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [work.git("rev-parse", "HEAD")] * 3


def test_many_fetches_leave_few_packs(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    source.fetch()
    pack = a_file(mirror, "objects/pack/*.pack")
    for number in range(60):
        for suffix in (".pack", ".idx"):
            shutil.copy(pack.with_suffix(suffix), pack.with_name(f"pack-{number:040}{suffix}"))
    source.fetch()
    assert len(list((mirror / "objects/pack").glob("*.pack"))) < 5
    assert source.fetch().subject == "first"


# --- naming a revision ---


def test_a_revision_is_named_as_git_users_name_it(work: Work, mirror: Path) -> None:
    first = work.git("rev-parse", "HEAD")
    work.commit("second", {"a": "2"})
    source = source_of(work.folder, mirror)
    second = source.fetch()
    for name in ("main", "HEAD", "origin/main", "refs/heads/main", second.commit, second.commit[:8]):
        assert source.revision(name) == second, name
    for name in ("main~1", "main^", "HEAD~", first, first[:10]):
        assert source.revision(name).commit == first, name


def test_a_branch_or_tag_of_the_remote_is_asked_for(work: Work, mirror: Path) -> None:
    source = source_of(work.folder, mirror)
    tip = source.fetch()
    work.git("checkout", "--quiet", "-b", "feature/x")
    on_branch = work.commit("on a branch", {"b": "1"})
    work.git("tag", "--annotate", "--message", "a tag", "v1")
    assert source.revision("feature/x").commit == on_branch
    assert source.revision("v1").commit == on_branch
    assert source.revision("v1~1") == tip
    assert source.tip() == tip


@pytest.mark.parametrize(
    "name", ["nowhere", "1234567", "f" * 40, "main~99", "--help", "", "a b", "main:README", "a..b"]
)
def test_an_unknown_revision_is_told(work: Work, mirror: Path, name: str) -> None:
    source = source_of(work.folder, mirror)
    source.fetch()
    with pytest.raises(StalledError, match="unknown revision"):
        source.revision(name)


def test_a_subject_cannot_steer_a_terminal(work: Work, mirror: Path) -> None:
    work.commit("red \x1b[31m alert")
    assert source_of(work.folder, mirror).fetch().subject == "red  [31m alert"


def test_a_full_disk_is_told_as_such(work: Work, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(WaitingError, match="No space left on device") as caught:
        source_of(work.folder, mirror).fetch()
    assert caught.value.reason == "DiskFull"
