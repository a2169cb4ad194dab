"""``reconciler certs check``: files are judged as this host would judge them, before they are dropped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.integration.cli_root import Root, call

AUTHORITY = Authority(now=time.time(), depth=0)  # one that issues without an intermediate, as those of companies do
A_GAP = "the intermediate certificate of 'Test Root' is missing"


@pytest.mark.parametrize(
    ("certs", "told"),
    [
        (None, (A_GAP,)),
        ("{trust: any}", (A_GAP,)),
        ("{caFile: FILE}", ()),
        ("{trust: any, caFile: FILE}", ()),
        ("{caFile: /nowhere.pem}", (A_GAP,)),
        ("{caFile: no path}", (A_GAP,)),  # settings that are refused count as none
    ],
)
def test_an_authority_that_the_settings_name_is_known(tmp_path: Path, certs: str | None, told: tuple[str, ...]) -> None:
    issued = AUTHORITY.issue("shop.example.com")
    for name, content in (("shop.crt", issued.chain_pem), ("shop.key", issued.key_pem), ("ca", AUTHORITY.root_pem)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    if certs is not None:
        settings = f"source: {{url: /srv/config.git}}\ncerts: {certs.replace('FILE', str(tmp_path / 'ca'))}\n"
        (tmp_path / "host.yaml").write_text(settings)
    done = call("--root", str(tmp_path), "certs", "check", str(tmp_path / "shop.crt"), str(tmp_path / "shop.key"))
    assert done.exit_code == 0, done.output
    ok, *warned = done.output.splitlines()
    assert ok.startswith("ok    shop: for shop.example.com, issued by ")
    assert len(warned) == len(told)
    assert all(words in line for words, line in zip(told, warned, strict=True)), warned


def test_who_may_not_look_into_the_root_is_told_of_the_files_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root(tmp_path / "root")
    issued = AUTHORITY.issue("shop.example.com")
    for name, content in (("shop.crt", issued.chain_pem), ("shop.key", issued.key_pem)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    monkeypatch.setattr("os.geteuid", lambda: root.layout.state.stat().st_uid + 1)
    monkeypatch.setattr("reconciler.cli.roots.open_journal", None)
    done = root.call("certs", "check", str(tmp_path / "shop.crt"), str(tmp_path / "shop.key"))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("ok    shop: for shop.example.com")


def test_a_history_of_nothing_says_when_something_will_stand_in_it(tmp_path: Path) -> None:
    done = Root(tmp_path / "root").call("certs", "history")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("no handshake has shown a certificate of certs/ or of ACME yet")


def test_what_lies_in_the_folder_and_is_no_file_of_a_pair_is_named(tmp_path: Path) -> None:
    root = Root(tmp_path / "root")
    root.layout.certs.mkdir()
    (root.layout.certs / "live").mkdir()
    for number in range(6):
        (root.layout.certs / f"{number}.crt.txt").write_text("x")
    done = root.call("certs", "list")
    assert "not looked at in certs/, for it is no file of a pair by its name: 0.crt.txt, 1.crt.txt" in done.stderr
    assert " and 2 more. A pair is NAME.crt and NAME.key" in done.stderr
    assert root.call("certs", "list", "-o", "json").stderr == ""


def test_what_is_given_and_is_no_file_of_a_pair_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    issued = AUTHORITY.issue("shop.example.com")
    for name, content in (("a.crt", issued.chain_pem), ("a.key", issued.key_pem), ("chain.p7b", b"x")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    done = call(
        "--root", str(tmp_path), "certs", "check", *(str(tmp_path / n) for n in ("a.crt", "a.key", "chain.p7b"))
    )
    assert (done.exit_code, f"{tmp_path}/chain.p7b is by its name no file of a pair" in done.stderr) == (0, True)
    done = call("--root", str(tmp_path), "certs", "check", str(tmp_path))
    assert (done.exit_code, f"{tmp_path} is a folder: name the files in it" in done.stderr) == (1, True)
