"""What we say of users' files before Compose is asked, held against what each Compose of this machine makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.adapters.compose.find import Compose, usable
from reconciler.declared.documents import read_compose
from reconciler.model.errors import StalledError
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.dotenv_writing import with_variables
from tests.unit.test_documents import COMPOSE
from tests.unit.test_dotenv import READ, REFUSED
from tests.unit.test_dotenv_writing import HARD, WRITTEN

pytestmark = pytest.mark.engine  # not the engine, but the Compose that comes with it

ENVIRONMENT = {"PATH": ":".join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")), "HOST": "h"}
LIMIT_S = 30


def _usable() -> tuple[Compose, ...]:
    """One of each version; none where there is no Compose, so that nothing but these tests misses it."""
    try:
        return tuple({compose.numbers: compose for compose in usable(ENVIRONMENT)}.values())
    except StalledError:
        return ()


EVERY_COMPOSE = pytest.mark.parametrize("compose", _usable(), ids=lambda compose: compose.version)
# Compose takes these and mangles them, or reads on where its own limit is higher; we would rather have them mended.
STRICTER_THAN_COMPOSE = (b"=hunter2\n", b"A=1\nB=hunter2\xe9\n", b"A=hunter2\x00\n")
SOUND_COMPOSE_FILES = [text for text, messages in COMPOSE if not messages and text.strip() and "services" in text]
# 2.26.1 never comes back from an anchor that merges itself, which is why it is not asked about that one.
BROKEN_COMPOSE_FILES = [text for text, messages in COMPOSE if messages and "contain itself" not in messages[0]]


def config(compose: Compose, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*compose.command, "--project-name", "x", "--file", "compose.yaml", "config", "--format", "json"]
    return subprocess.run(
        command, check=False, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=LIMIT_S
    )


@EVERY_COMPOSE
def test_env_files_hold_for_compose_what_they_hold_for_us(compose: Compose, tmp_path: Path) -> None:
    services: dict[str, object] = {}
    for number, (content, _) in enumerate(READ):
        (tmp_path / f"{number}.env").write_bytes(content)
        services[f"s{number}"] = {"image": "x", "env_file": [f"{number}.env"]}
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": services}))
    answer = config(compose, tmp_path)
    assert answer.returncode == 0, answer.stderr
    rendered = json.loads(answer.stdout)["services"]
    for number, (content, _) in enumerate(READ):
        theirs = {name: value.replace("$$", "$") for name, value in rendered[f"s{number}"]["environment"].items()}
        assert dict(read_dotenv(content, "f", {"HOST": "h"}).values) == theirs, content


@EVERY_COMPOSE
def test_what_we_set_in_an_env_file_is_what_compose_reads(compose: Compose, tmp_path: Path) -> None:
    values = {f"HARD_{number}": value for number, value in enumerate(HARD)}
    (tmp_path / "x.env").write_bytes(with_variables(WRITTEN, "x.env", {**values, "B": "it's new"}, "Set."))
    (tmp_path / "compose.yaml").write_text("services: {s: {image: x, env_file: [x.env]}}\n")
    answer = config(compose, tmp_path)
    assert answer.returncode == 0, answer.stderr
    theirs = json.loads(answer.stdout)["services"]["s"]["environment"]
    assert {name: theirs[name].replace("$$", "$") for name in values} == values
    assert theirs["B"] == "it's new"


@EVERY_COMPOSE
@pytest.mark.parametrize("content", [content for content, _ in REFUSED if content not in STRICTER_THAN_COMPOSE][:-1])
def test_env_files_that_we_refuse_are_refused_by_compose(compose: Compose, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.env").write_bytes(content)
    (tmp_path / "compose.yaml").write_text("services: {s: {image: x, env_file: [x.env]}}\n")
    assert config(compose, tmp_path).returncode != 0


@EVERY_COMPOSE
@pytest.mark.parametrize("text", SOUND_COMPOSE_FILES)
def test_compose_reads_the_yaml_that_we_let_pass(compose: Compose, text: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    assert read_compose(text.encode(), "compose.yaml").problems == ()
    assert "yaml:" not in config(compose, tmp_path).stderr


@EVERY_COMPOSE
@pytest.mark.parametrize("text", BROKEN_COMPOSE_FILES)
def test_compose_refuses_the_yaml_that_we_refuse(compose: Compose, text: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    assert config(compose, tmp_path).returncode != 0
