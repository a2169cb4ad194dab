"""``reconciler init``: a root can be made again and again, and nothing in it is ever overwritten."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.adapters.docker_engine import machine as engine_side
from reconciler.adapters.docker_engine.machine import EngineMachine
from reconciler.cli.main import cli
from reconciler.cli.setup import asking
from reconciler.cli.wiring import Parts
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.planning.dotenv import read_dotenv
from reconciler.settings import load_settings
from reconciler.supervision import systemd
from tests.certificates import Authority
from tests.integration.cli_root import call
from tests.integration.local_git import Work

URL = "ssh://git@git.example.com/ops/config.git"


def init(folder: Path, *words: str) -> tuple[int, str, str]:
    done = call("init", str(folder), *words)
    return done.exit_code, done.stdout, done.stderr


def test_a_new_root_has_its_folders_and_settings_that_are_valid(tmp_path: Path) -> None:
    code, said, _ = init(tmp_path / "r", "--source", URL, "--branch", "prod", "--path", "desired_state")
    assert code == 0
    assert said.endswith(f"\nNext: reconciler --root {tmp_path}/r check, then reconciler --root {tmp_path}/r run\n")
    source = load_settings((tmp_path / "r/host.yaml").read_bytes(), "host.yaml").source
    assert (source.url, source.branch, source.path) == (URL, "prod", "desired_state")
    modes = {
        name: (tmp_path / "r" / name).stat().st_mode & 0o777 for name in ("env", "state", "certs", "backups", "data")
    }
    assert modes == {"env": 0o700, "state": 0o700, "certs": 0o700, "backups": 0o700, "data": 0o755}


def test_what_comes_next_can_be_typed_as_it_is_said(tmp_path: Path) -> None:
    root = tmp_path / "a host"
    _, said, _ = init(root, "--source", URL)
    assert said.endswith(f"\nNext: reconciler --root '{root}' check, then reconciler --root '{root}' run\n")


def test_a_second_call_changes_nothing_and_says_what_is_there(tmp_path: Path) -> None:
    init(tmp_path / "r", "--source", URL)
    (tmp_path / "r/host.yaml").write_text(f"source: {{url: {URL}}} # mine\n")
    (tmp_path / "r/env/web.env").write_text("A=1\n")
    (tmp_path / "r/env").chmod(0o750)
    code, said, complaint = init(tmp_path / "r", "--source", URL)
    assert (code, complaint) == (0, "")
    assert "made " not in said
    assert f"there  {tmp_path}/r/host.yaml  this host's settings, left as they are\n" in said
    assert (tmp_path / "r/host.yaml").read_text().endswith("# mine\n")
    assert (tmp_path / "r/env").stat().st_mode & 0o777 == 0o750


def test_another_source_than_the_one_that_is_there_is_not_taken_and_said(tmp_path: Path) -> None:
    init(tmp_path / "r", "--source", URL)
    before = (tmp_path / "r/host.yaml").read_bytes()
    code, _, complaint = init(tmp_path / "r", "--source", URL, "--branch", "next")
    assert code == 1
    assert complaint == (f"host.yaml says another source.branch than was asked for; edit {tmp_path}/r/host.yaml\n")
    assert (tmp_path / "r/host.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("--source", "http://git.example.com/x.git"), "source.url"),
        (("--source", URL, "--branch", "a..b"), "source.branch"),
        (("--source", URL, "--path", "../up"), "source.path"),
    ],
)
def test_what_would_be_refused_later_is_refused_before_anything_is_made(
    tmp_path: Path, words: tuple[str, ...], key: str
) -> None:
    code, said, complaint = init(tmp_path / "r", *words)
    assert (code, said) == (2, "")
    assert f"  {key}: " in complaint
    assert not (tmp_path / "r").exists()


def test_a_repository_on_this_host_is_named_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    assert init(Path("r"), "--source", "config")[0] == 0
    assert load_settings((tmp_path / "r/host.yaml").read_bytes(), "").source.url == f"{tmp_path}/config"


def test_a_name_with_any_characters_stays_one_name(tmp_path: Path) -> None:
    init(tmp_path / "r", "--source", URL, "--path", 'we ird: "#x')
    assert load_settings((tmp_path / "r/host.yaml").read_bytes(), "").source.path == 'we ird: "#x'


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, complaint = init(tmp_path / "file" / "r", "--source", URL)
    assert code == 1
    assert complaint.startswith(f"error: {tmp_path}/file/r cannot be made (Not a directory).")


# With a repository that has a stack, and a person at a terminal

# What Compose makes of the stack once it knows all: a domain that a Traefik serves.
TRAEFIK = {
    "image": "traefik:3",
    "command": ["--entryPoints.websecure.address=:443", "--entryPoints.websecure.http.tls=true"],
}
COMPOSE_FILE = """\
services:
  web: {image: "web:1", environment: {A: "${DOMAIN:?the name}", B: "${DB_PASSWORD:?its password}"}}
  traefik: {image: "traefik:3", command: ["--certificatesResolvers.le.acme.email=${ACME_EMAIL:-}"]}
"""


@dataclass
class Compose:
    """Refuses what has no value, as Compose does."""

    traefik_of: Path

    def version(self) -> str:
        return "2.26.1"

    def render(
        self, project: str, folder: Path, files: object, env_files: Sequence[Path], environment: object
    ) -> dict[str, object]:
        values = {k: v for path in env_files for k, v in read_dotenv(path.read_bytes(), "").values.items()}
        unset = {"DOMAIN": "the name", "DB_PASSWORD": "its password"}.items()
        if problems := tuple(
            Problem("c.yaml", 1, "", f"variable {name} is required: {why}")
            for name, why in unset
            if not values.get(name)
        ):
            raise InvalidInputError(problems)
        command = [*TRAEFIK["command"], f"--certificatesResolvers.le.acme.email={values.get('ACME_EMAIL', '')}"]
        folder_of = str(self.traefik_of / project)
        mount = {"type": "bind", "source": folder_of, "target": "/etc/traefik/dynamic", "read_only": True}
        web = {"image": "web:1", "labels": {"traefik.http.routers.web.rule": f"Host(`{values['DOMAIN']}`)"}}
        return {
            "name": project,
            "services": {"web": web, "traefik": {**TRAEFIK, "command": command, "volumes": [mount]}},
        }


@dataclass
class Machine:
    folder: Path
    root: Path

    @property
    def variables(self) -> dict[str, str]:
        file = self.root / "env/web.env"
        return dict(read_dotenv(file.read_bytes(), "").values) if file.exists() else {}

    def init(self, *words: str, typed: Sequence[str] = ()) -> Result:
        text = "".join(f"{line}\n" for line in typed) if typed else None
        return CliRunner().invoke(cli, ["init", str(self.root), *words], prog_name="reconciler", input=text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Where all is well, and somebody sits at the terminal."""
    config = Work(tmp_path / "config")
    config.commit("First stack", {"stacks/web/compose.yaml": COMPOSE_FILE})
    made = EngineMachine("unix:///sock", "26.1.5", cpus=2, memory=4 * 10**9, folder="")
    monkeypatch.setattr(engine_side, "engine_machine", lambda: made)
    monkeypatch.setattr(engine_side, "published", lambda: ())
    monkeypatch.setattr(Parts, "compose", Compose(tmp_path / "root/state/traefik"))
    monkeypatch.setattr(asking, "can_ask", lambda: True)
    monkeypatch.setattr(systemd, "is_there", lambda: False)
    return Machine(tmp_path, tmp_path / "root")


def test_a_person_is_asked_for_what_is_missing_and_for_nothing_else(machine: Machine) -> None:
    typed = [str(machine.folder / "nowhere"), "", "stacks", str(machine.folder / "config")]
    typed += ["", "elsewhere", "", "", "stacks"]
    done = machine.init(typed=[*typed, "shop.localhost", "", "3", "n"])
    assert done.exit_code == 0, done.output
    assert "there is no repository at " in done.output
    assert 'source.path: there is no folder "elsewhere" in this revision; it has stacks\n' in done.output
    source = load_settings((machine.root / "host.yaml").read_bytes(), "").source
    assert (source.url, source.branch, source.path) == (str(machine.folder / "config"), "main", "stacks")
    assert machine.variables["DOMAIN"] == "shop.localhost"
    assert len(machine.variables["DB_PASSWORD"]) >= 32
    assert machine.variables["DB_PASSWORD"] not in done.output
    before = machine.variables
    again = machine.init(typed=["3", "n"])
    assert again.exit_code == 0, again.output
    assert "what it needs to know" not in again.output
    assert machine.variables == before


def test_who_leaves_in_the_middle_keeps_what_was_answered(machine: Machine) -> None:
    machine.init("--source", str(machine.folder / "config"), "--path", "stacks")
    left = machine.init(typed=["shop.localhost"])
    assert left.exit_code == 130
    assert machine.variables == {"DOMAIN": "shop.localhost"}
    done = machine.init(typed=["", "3", "n"])
    assert done.exit_code == 0, done.output
    assert set(machine.variables) == {"DOMAIN", "DB_PASSWORD"}


def test_a_secret_that_is_typed_is_typed_twice_and_never_shown(machine: Machine) -> None:
    machine.init("--source", str(machine.folder / "config"), "--path", "stacks")
    done = machine.init(
        typed=["", "shop.localhost", "hunter2hunter2", "another", "hunter2hunter2", "hunter2hunter2", "3", "n"]
    )
    assert done.exit_code == 0, done.output
    assert "the two are not the same" in done.output
    assert machine.variables["DB_PASSWORD"] == "hunter2hunter2"
    assert "hunter2" not in done.output


def test_a_pair_that_is_no_pair_is_refused_and_asked_for_again(machine: Machine) -> None:
    authority = Authority(now=time.time())
    good, other = authority.issue("shop.localhost"), authority.issue("other.localhost")
    (machine.folder / "shop.crt").write_bytes(good.chain_pem)
    (machine.folder / "shop.key").write_bytes(good.key_pem)
    (machine.folder / "other.key").write_bytes(other.key_pem)
    machine.init("--source", str(machine.folder / "config"), "--path", "stacks")
    wrong = ["1", str(machine.folder / "shop.crt"), str(machine.folder / "other.key")]
    right = [
        "1",
        str(machine.folder / "nothing.crt"),
        str(machine.folder / "shop.crt"),
        str(machine.folder / "shop.key"),
    ]
    done = machine.init(typed=["shop.localhost", "", *wrong, *right, "n"])
    assert done.exit_code == 0, done.output
    assert "it cannot be served: " in done.output
    assert sorted(path.name for path in (machine.root / "certs").iterdir()) == ["shop.crt", "shop.key"]
    assert (machine.root / "certs/shop.key").stat().st_mode & 0o777 == 0o600
    again = machine.init("--certificate", str(machine.folder / "shop.crt"), "--key", str(machine.folder / "shop.key"))
    assert "there  " in again.output
    assert len(list((machine.root / "certs").iterdir())) == 2


def test_lets_encrypt_is_an_address_in_the_variable_that_the_stack_names(machine: Machine) -> None:
    machine.init("--source", str(machine.folder / "config"), "--path", "stacks")
    done = machine.init(typed=["shop.localhost", "", "2", "nobody", "ops@shop.eu", "n"])
    assert done.exit_code == 0, done.output
    assert "write an e-mail address" in done.output
    assert machine.variables["ACME_EMAIL"] == "ops@shop.eu"


def test_with_flags_nothing_is_asked_and_all_of_it_can_be_said_again(machine: Machine) -> None:
    (machine.folder / "secret").write_text("p4ssw0rd\n")
    flags = ["--source", str(machine.folder / "config"), "--path", "stacks", "--set", "DOMAIN=shop.localhost"]
    flags += ["--set-file", f"DB_PASSWORD={machine.folder}/secret", "--acme-email", "ops@shop.eu"]
    for _ in range(2):
        done = machine.init(*flags)
        assert done.exit_code == 0, done.output
        assert machine.variables == {"DOMAIN": "shop.localhost", "DB_PASSWORD": "p4ssw0rd", "ACME_EMAIL": "ops@shop.eu"}
        assert "p4ssw0rd" not in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "DOMAIN=else.localhost"), "DOMAIN has another value already, which is left as it is: edit "),
        (("--set", "DOMIAN=x"), "--set DOMIAN: no stack of this host has such a variable"),
        (("--set", "DOMAIN"), "write --set NAME=VALUE"),
        (("--set-file", "DOMAIN=/nowhere"), "--set-file DOMAIN: /nowhere cannot be read"),
        (("--acme-email", "nobody"), "--acme-email nobody: write an e-mail address such as"),
        (("--key", "x.key"), "--key is the key of a --certificate: name both"),
        (("--certificate", "/nowhere.crt"), "/nowhere.crt cannot be read (No such file or directory)"),
    ],
)
def test_a_flag_that_cannot_be_taken_says_why_and_changes_nothing(
    machine: Machine, words: tuple[str, ...], told: str
) -> None:
    machine.init("--source", str(machine.folder / "config"), "--path", "stacks", "--set", "DOMAIN=shop.localhost")
    before = machine.variables
    done = machine.init(*words)
    assert done.exit_code == 2
    assert told in done.output
    assert machine.variables == before


def test_where_nobody_can_be_asked_the_source_must_be_said(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "can_ask", lambda: False)
    done = machine.init()
    assert done.exit_code == 2
    assert "say which repository: --source URL" in done.output
    assert not machine.root.exists()


def test_a_host_without_systemd_is_told_so_in_one_line(machine: Machine) -> None:
    done = machine.init("--source", str(machine.folder / "config"), "--systemd")
    assert done.exit_code == 1
    assert "there is no systemd on this host, so no service was installed: let your own supervisor run" in done.output


def test_the_service_is_written_and_enabled_and_not_started(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    units, program, record = machine.folder / "units", machine.folder / "bin/systemctl", machine.folder / "calls"
    units.mkdir()
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {record}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "is_there", lambda: True)
    monkeypatch.setattr(systemd, "FOLDER", units)
    done = machine.init("--source", str(machine.folder / "config"), "--systemd")
    assert done.exit_code == 0, done.output
    (unit,) = units.iterdir()
    assert f" --root {machine.root} run\n" in unit.read_text()
    assert record.read_text() == f"daemon-reload\nenable {unit.name}\n"
    assert f"to take it away: systemctl disable --now {unit.name} && rm {unit}" in done.output
    assert done.output.endswith(f"then systemctl start {unit.name}\n")
