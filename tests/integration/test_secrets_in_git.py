"""A stack whose secrets lie encrypted in Git, on a host in memory, with a real repository, journal and keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.wiring import Parts
from reconciler.planning.dotenv import read_dotenv
from tests.fakes.clock import FakeClock
from tests.fakes.compose import FakeCompose
from tests.fakes.engine import FakeEngine
from tests.fakes.host import FakeHost
from tests.integration.cli_root import NOON, Root
from tests.integration.local_git import Work
from tests.integration.secrets_keys import make_key, sealed

SECRET, KEY = "tr0ub4dor-and-3", "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END KEY-----\n"


class Interpolating(FakeCompose):
    """Gives the service the variables of the env files, as a Compose file would that names them all."""

    def render(
        self,
        project: str,
        folder: Path,
        files: Sequence[str],
        env_files: Sequence[Path],
        environment: Mapping[str, str],
    ) -> Mapping[str, Any]:
        values: dict[str, str] = {}
        for path in env_files:
            values.update(read_dotenv(path.read_bytes(), str(path)).values)
        model = super().render(project, folder, files, env_files, environment)
        web: dict[str, Any] = {**model["services"]["web"], "environment": values}
        declared = {"tls": {"name": "x", "file": f"{folder}/tls.key"}}
        if "MOUNTED" in values:
            mount = {"type": "bind", "source": f"{folder}/tls.key", "target": "/tls.key"}
            web["volumes"] = [mount]
        elif "HANDED" in values:
            web["secrets"] = [{"source": "tls", "target": "/run/tls.key"}]
            return {**model, "services": {"web": web}, "secrets": declared}
        return {**model, "services": {"web": web}}


class World:
    def __init__(self, folder: Path) -> None:
        self.root = Root(folder / "root")
        self.repository = Work(folder / "config")
        self.root.layout.settings.write_text(f"source: {{url: {folder}/config}}\nname: edge-1\n")
        self.host = FakeHost(FakeClock(now=NOON), root_id=self.root.journal.root_id())
        self.compose = Interpolating(self.host)
        self.host.add_image("app:1", "sha256:app1")
        self.compose.rendered["shop"] = {"name": "shop", "services": {"web": {"image": "app:1"}}}
        self.recipient = make_key(self.root.layout.age_identity)
        self.write("compose.yaml", "services: {web: {image: 'app:1'}}\n")
        self.write("stack.yaml", "env: {files: [stack.env.age]}\n")

    def write(self, name: str, content: str | bytes) -> None:
        self.repository.write(f"shop/{name}", content)

    def pass_over(self, env: str, **files: str | bytes) -> dict[str, Any]:
        """The stack's object of ``get`` after a commit and a pass."""
        self.write("stack.env.age", sealed(env, self.recipient))
        return self.again()

    def again(self) -> dict[str, Any]:
        self.repository.commit("a change")
        self.said = self.root.call("once").output
        (found,) = self.root.json("get", "shop")
        return found

    def environment(self) -> Mapping[str, str]:
        record = self.root.record("shop")
        model = self.root.layout.releases / "shop" / str(record.applied_release) / "compose.json"
        import json

        return dict(json.loads(model.read_text())["services"]["web"]["environment"])

    def files_with(self, text: str) -> list[str]:
        """Those under the root that hold it, but for what Compose is handed of a release, which is private to its owner."""
        places = (path for path in self.root.layout.root.rglob("*") if path.is_file())
        found = [path for path in places if text.encode() in path.read_bytes()]
        return [
            str(path.relative_to(self.root.layout.root))
            for path in found
            if path.parent.parent.parent.name != "releases"
        ]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    monkeypatch.setattr(Parts, "engine", FakeEngine(made.host))
    monkeypatch.setattr(Parts, "compose", made.compose)
    monkeypatch.setattr(Parts, "clock", made.host.clock)
    with made.root.journal:
        yield made


def test_encrypted_variables_reach_the_stack_and_no_file_of_ours_in_the_clear(world: World) -> None:
    found = world.pass_over(f"TOKEN={SECRET}\n")
    assert (found["ready"], world.environment()) == ("True", {"TOKEN": SECRET})
    assert world.files_with(SECRET) == []


def test_what_the_host_says_wins_over_what_lies_in_git_and_an_overlay_in_between(world: World) -> None:
    world.repository.write("hosts/edge-1/shop/own.env.age", sealed("B=overlay\nC=overlay\n", world.recipient))
    (world.root.layout.env / "shop.env").write_text("C=host\n")
    world.pass_over("A=git\nB=git\nC=git\n")
    assert world.environment() == {"A": "git", "B": "overlay", "C": "host"}


def test_no_output_shows_an_encrypted_value_the_one_before_neither(world: World) -> None:
    world.pass_over(f"ADDRESS=https://me:{SECRET}@example.com\n")
    world.write("stack.env.age", sealed("ADDRESS=https://me:an0ther-0ne@example.com\n", world.recipient))
    world.repository.commit("another password")
    shown = "".join(world.root.call(*words).output for words in (("diff",), ("diff", "-o", "json"), ("build", "shop")))

    assert "ADDRESS" in shown
    assert SECRET not in shown
    assert "an0ther-0ne" not in shown
    world.write("stack.env.age", sealed("PLAIN=1\n", world.recipient))
    world.repository.commit("none any more")
    assert "environment.ADDRESS" in (gone := world.root.call("diff", "shop").output)
    assert SECRET not in gone
    assert SECRET in world.root.call("build", "shop", "--show-secrets", "--revision", "HEAD~2").output


def test_what_cannot_be_decrypted_changes_nothing_and_the_key_mends_it(world: World) -> None:
    world.pass_over(f"TOKEN={SECRET}\n")
    before = {box.id for box in world.host.boxes.values()}
    key = world.root.layout.age_identity.read_bytes()
    world.root.layout.age_identity.unlink()
    found = world.pass_over("TOKEN=new-t0ken-4711\n")
    assert found["ready"] == "False"
    assert found["message"].startswith("shop/stack.env.age: it is encrypted, and this host has no key")
    assert {box.id for box in world.host.boxes.values() if box.alive} == before
    world.root.layout.age_identity.write_bytes(key)
    world.root.layout.age_identity.chmod(0o600)
    assert world.again()["ready"] == "True"
    assert world.environment() == {"TOKEN": "new-t0ken-4711"}


def test_what_is_not_encrypted_is_refused_before_anything_reads_it(world: World) -> None:
    world.write("stack.env.age", f"TOKEN={SECRET}\n")
    found = world.again()
    assert "it is not encrypted, though its name ends in .age" in found["message"]
    assert SECRET not in world.said + found["message"]


def test_what_is_encrypted_and_not_called_so_is_told_by_its_name_and_not_by_its_lines(world: World) -> None:
    world.write("stack.yaml", "env: {files: [stack.env.AGE]}\n")
    world.write("stack.env.AGE", sealed(f"TOKEN={SECRET}\n", world.recipient))
    found = world.again()
    assert found["message"].startswith("shop/stack.env.AGE: it is encrypted, and taken for what is in the clear")


def test_a_slip_of_the_pen_in_an_encrypted_file_is_told_by_its_line_and_not_by_its_value(world: World) -> None:
    found = world.pass_over(f"A=1\n={SECRET}\n")
    assert found["message"].startswith("shop/stack.env.age:2: ")
    assert SECRET not in world.said + found["message"]


def test_encrypted_variables_count_for_the_schema_that_describes_them(world: World) -> None:
    schema = '{"type": "object", "required": ["TOKEN"], "properties": {"TOKEN": {"type": "string", "description": "A token."}}}'
    world.write("env.schema.json", schema)
    world.write("stack.yaml", "env: {files: [stack.env.age], schema: env.schema.json}\n")
    missing = world.pass_over("OTHER=1\n")
    assert (missing["ready"], "TOKEN" in missing["message"]) == ("False", True)
    assert world.pass_over(f"TOKEN={SECRET}\n")["ready"] == "True"
    world.root.layout.age_identity.unlink()
    locked = world.pass_over("TOKEN=new-t0ken-4711\n")
    assert "this host has no key" in locked["message"]
    assert "not set" not in locked["message"]


def test_an_encrypted_file_is_copied_into_the_container_that_asks_for_it(world: World) -> None:
    world.write("tls.key.age", sealed(KEY, world.recipient))
    found = world.pass_over("HANDED=1\n")
    assert found["ready"] == "True", found
    (release,) = world.root.layout.releases.rglob("release.json")
    assert KEY.splitlines()[1] in release.read_text()
    assert world.files_with(KEY.splitlines()[1]) == []


def test_another_content_of_an_encrypted_file_replaces_who_has_it(world: World) -> None:
    world.write("tls.key.age", sealed(KEY, world.recipient))
    world.pass_over("HANDED=1\n")
    before = {box.id for box in world.host.boxes.values() if box.alive}
    world.write("tls.key.age", sealed(KEY.lower(), world.recipient))
    assert world.again()["ready"] == "True"
    assert {box.id for box in world.host.boxes.values() if box.alive}.isdisjoint(before)


def test_the_same_content_encrypted_anew_replaces_nothing(world: World) -> None:
    world.write("tls.key.age", sealed(KEY, world.recipient))
    world.pass_over("HANDED=1\n")
    before = {box.id for box in world.host.boxes.values() if box.alive}
    world.write("tls.key.age", sealed(KEY, world.recipient))
    assert world.pass_over("HANDED=1\n")["ready"] == "True"
    assert {box.id for box in world.host.boxes.values() if box.alive} == before


@pytest.mark.parametrize(
    ("env", "files", "message"),
    [
        (
            "MOUNTED=1\n",
            {"tls.key.age": KEY},
            "a mount would need it in the clear on this host's disk; declare it under secrets:",
        ),
        ("HANDED=1\n", {"tls.key.age": KEY, "tls.key": KEY}, "lies in Git in the clear beside shop/tls.key.age"),
        (
            "HANDED=1\n",
            {"tls.key.age": b"\xff\xfe"},
            "shop/tls.key.age: what is encrypted in it is no text, so it cannot be handed to a container",
        ),
        (
            "HANDED=1\n",
            {"tls.key.age": "x" * 100_000},
            "shop/tls.key.age: what is encrypted in it is larger than 96 KiB",
        ),
    ],
)
def test_an_encrypted_file_that_cannot_be_handed_on_is_told(
    world: World, env: str, files: dict[str, str | bytes], message: str
) -> None:
    for name, content in files.items():
        world.write(name, sealed(content, world.recipient) if name.endswith(".age") else content)
    found = world.pass_over(env)
    assert (found["ready"], message in found["message"]) == ("False", True), found["message"]


def test_a_nearer_file_decides_whether_it_is_encrypted(world: World) -> None:
    world.write("tls.key", "in the clear, for all")
    world.repository.write("hosts/edge-1/shop/tls.key.age", sealed(KEY, world.recipient))
    assert world.pass_over("HANDED=1\n")["ready"] == "True"
    (release,) = world.root.layout.releases.rglob("release.json")
    assert KEY.splitlines()[1] in release.read_text()
