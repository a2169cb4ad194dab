"""Commands that people run in what a stack runs, on the real engine."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.e2e.models import service, stack
from tests.e2e.world import World

pytestmark = pytest.mark.engine


def test_an_action_runs_beside_the_daemon_and_one_that_hangs_leaves_nothing_behind(host: World) -> None:
    name = f"act{uuid.uuid4().hex[:4]}"
    actions = {
        "link": {
            "service": "web",
            "command": ["sh", "-c", "echo https://x/?t=$TOKEN-$OWN"],
            "validFor": "5m",
            "variables": ["TOKEN"],
        },
        "hang": {"service": "web", "command": ["sh", "-c", "echo begun; sleep 4711"], "timeout": "1s"},
    }
    host.write_environment(name, "TOKEN=s3cr3t-t0k3n\n")
    commit = host.commit(host.compose(name, stack(web=service(environment={"OWN": "1"})), {"actions": actions}))
    host.await_ready(name, commit)
    done = host.cli("action", host.name(name), "link")
    assert (done.returncode, done.stdout) == (0, "https://x/?t=s3cr3t-t0k3n-1\n"), done.stderr
    assert done.stderr.startswith("valid until ")
    hung = host.cli("action", host.name(name), "hang")
    assert (hung.returncode, hung.stdout) == (3, "begun\n"), hung.stderr
    assert "4711" not in host.docker("top", host.container(name, "web")["Id"])
    told = [event.message for event in host.told(name, "ActionStarted", "ActionEnded", "ActionFailed")]
    assert len(told) == 4
    assert "s3cr3t" not in json.dumps(told)
