"""One repository for several hosts, with secrets in it, as a real Compose and engine see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler import age_keys
from tests.e2e.models import service, stack
from tests.e2e.world import World
from tests.integration.secrets_keys import sealed

pytestmark = pytest.mark.engine

TOKEN, KEY = "tr0ub4dor-and-3", "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END KEY-----\n"


def test_a_host_gets_what_is_laid_over_its_stacks_and_its_secrets_in_no_file_in_the_clear(world: World) -> None:
    settings = json.loads((world.root / "host.yaml").read_text())
    (world.root / "host.yaml").write_text(json.dumps({**settings, "name": "edge-1"}))
    recipient = age_keys.add_identity(world.root / "env" / "age-identity.txt")
    web = service(
        environment={"TOKEN": "${TOKEN}", "PLACE": "${PLACE}"},
        volumes=["./site.conf:/site.conf:ro", "./shared.conf:/shared.conf:ro"],
        secrets=["tls"],
    )
    model = {**stack(web=web), "secrets": {"tls": {"file": "./tls.key"}}}
    name = world.name("web")
    mine, over = f"stacks/{name}", f"stacks/hosts/edge-*/{name}"
    elsewhere = world.compose("away", stack(web=service()), {"hosts": ["core"]})
    commit = world.commit(
        {
            **world.compose("web", model, {"env": {"files": ["stack.env.age"]}}),
            **elsewhere,
            f"{mine}/stack.env.age": sealed(f"TOKEN={TOKEN}\nPLACE=everywhere\n", recipient),
            f"{mine}/tls.key.age": sealed(KEY, recipient),
            f"{mine}/site.conf": "everywhere",
            f"{mine}/shared.conf": "everywhere",
            f"{over}/compose.yaml": json.dumps({"services": {"web": {"labels": {"laid": "over"}}}}),
            f"{over}/host.env": "PLACE=edge\n",
            f"{over}/site.conf": "edge",
            f"stacks/hosts/core/{name}/site.conf": "core",
        }
    )
    done = world.once()
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.is_ready_at("web", commit)
    assert world.status("away") == {}
    found = world.container("web", "web")
    assert {f"TOKEN={TOKEN}", "PLACE=edge"} <= set(found["Config"]["Env"])
    assert found["Config"]["Labels"]["laid"] == "over"
    read = "cat /site.conf; echo; cat /shared.conf; echo; cat /run/secrets/tls"
    seen = f"edge\neverywhere\n{KEY.strip()}"
    assert world.execute(found["Id"], "sh", "-c", read) == seen
    world.docker("restart", "--time", "5", found["Id"])  # as a reboot does, without us
    assert world.execute(found["Id"], "sh", "-c", read) == seen
    told = done.stdout + done.stderr + world.cli("diff", world.name("web")).stdout
    for secret in (TOKEN, KEY.splitlines()[1]):
        assert secret not in told
        assert {path.parts[len(world.root.parts) :][:2] for path in _holding(world.root, secret)} == {
            ("state", "releases")
        }


def _holding(root: Path, text: str) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
