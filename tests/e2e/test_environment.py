"""A stack's variables on a real host: checked before anything starts, made once, kept, and mended by editing one file."""

from __future__ import annotations

import json
import re

import pytest

from reconciler.planning.dotenv import read_dotenv
from tests.e2e.models import service, stack
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

PASSWORD = "Zr4mPq9Lw2xVb7Kd"
SCHEMA = {
    "required": ["PASSWORD", "DOMAIN"],
    "properties": {
        "PASSWORD": {"description": "Of the database.", "secret": True},
        "DOMAIN": {"description": "Where people go.", "format": "domain"},
        "SESSION": {"description": "Signs sessions."},
        "LEVEL": {"description": "Of the log.", "enum": ["debug", "info"], "default": "info"},
    },
}


def install(world: World) -> str:
    """Of LEVEL the Compose file names no default; the schema has one, for a secret that is declared by variable, too."""
    shown = ("PASSWORD", "DOMAIN", "SESSION", "LEVEL")
    model = {
        **stack(web=service(environment={name: f"${{{name}}}" for name in shown}, secrets=["level"])),
        "secrets": {"level": {"environment": "LEVEL"}},
    }
    use = {"generate": {"SESSION": {"bytes": 32}}, "immutable": ["PASSWORD", "SESSION"]}
    folder = f"stacks/{world.name('shop')}"
    files = {**world.compose("shop", model, {"env": use}), f"{folder}/env.schema.json": json.dumps(SCHEMA, indent=1)}
    return world.commit(dict(files))


def seen_by(world: World) -> dict[str, str]:
    """The variables of the container that runs."""
    return dict(entry.split("=", 1) for entry in world.container("shop", "web")["Config"]["Env"])


def test_variables_are_checked_made_and_kept_and_editing_their_file_is_all_it_takes(world: World) -> None:
    world.write_environment("shop", "# Ann's\nDOMAIN=https://shop.example.com\n")
    path = world.root / "env" / f"{world.name('shop')}.env"
    commit = install(world)
    with world.daemon() as daemon:
        # All that is wrong is told at once, and nothing is started.
        message = world.await_failure("shop", "InvalidConfiguration")["message"]
        assert [re.sub(r"^env/\S+?\.env", "", line) for line in message.splitlines()] == [
            ": PASSWORD: not set, but required: add PASSWORD=... to the file (Of the database.)",
            ":2: DOMAIN: expected a domain such as vault.example.com, without https:// before it (Where people go.)",
        ]
        assert world.containers("shop") == []
        # Mended by editing the file. The secret is made once, below what Ann wrote.
        mended = path.read_text().replace("https://", "") + f"PASSWORD={PASSWORD}\n"
        path.write_text(mended)
        world.await_ready("shop", commit)
        written = path.read_text()
        assert written.startswith("# Ann's\nDOMAIN=shop.example.com\n")
        assert path.stat().st_mode & 0o777 == 0o600
        secret = read_dotenv(written.encode(), "f").values["SESSION"]
        assert re.fullmatch("[0-9a-f]{64}", secret)
        first = seen_by(world)
        assert (first["PASSWORD"], first["SESSION"], first["LEVEL"]) == (PASSWORD, secret, "info")
        assert world.execute(world.container("shop", "web")["Id"], "cat", "/run/secrets/level") == "info"
        # What may not change did, and what was made has gone: both are refused, and what ran runs on.
        running = world.running("shop")
        path.write_text("DOMAIN=shop.example.com\nPASSWORD=another-Zr4mPq9Lw2\nLEVLE=debug\n")
        refused = world.await_failure("shop", "InvalidConfiguration")["message"]
        assert ":2: PASSWORD: it may not change after the first release, and did. Put the old value back" in refused
        assert ": SESSION: it was generated once and has gone" in refused
        checked = world.cli("env", "check", world.name("shop"))
        assert checked.returncode == 1
        assert ":3: LEVLE: " in checked.stdout
        assert 'did you mean "LEVEL"?' in checked.stdout
        assert world.running("shop") == running
        # Put back, with another level: only what is asked for changes.
        path.write_text(written + "LEVEL=debug\n")
        eventually(
            lambda: seen_by(world) if len(world.containers("shop")) == 1 else {},
            lambda seen: seen == {**first, "LEVEL": "debug"},
        )
        world.await_ready("shop", commit)
        assert path.read_text() == written + "LEVEL=debug\n"
        told = "\n".join((refused, checked.stdout, json.dumps(world.events())))
    held = b"".join(file.read_bytes() for file in (world.root / "state").glob("state.db*"))
    for value in (PASSWORD, secret, "another-Zr4mPq9Lw2"):
        assert value not in told + daemon.log.read_text()
        assert value.encode() not in held
