"""host.yaml is written into without a line of its author's being changed, or it is left to a person."""

from __future__ import annotations

import json

import pytest

from reconciler.adoption.host_file import with_volumes
from reconciler.settings import load_settings

VOLUMES = {"pgdata": "old_pgdata"}
URL = "source:\n  url: /srv/git/config.git # ours\n"


@pytest.mark.parametrize(
    "text",
    [
        URL,
        URL + "\n\n",
        URL.rstrip("\n"),
        URL + 'stacks: ["*"]\nvolumes:\n  other:\n    files: x\nconcurrency: 2\n',
        URL + "volumes: # of ours\n\n  other: {files: x}\n",
        json.dumps({"source": {"url": "/srv/git/config.git"}}),
        json.dumps({"source": {"url": "/srv/git/config.git"}, "volumes": {"other": {"files": "x"}}}, indent=2),
    ],
)
def test_the_stack_s_volumes_are_added_and_all_else_stays(text: str) -> None:
    written = with_volumes(text, "shop", VOLUMES)
    assert written is not None
    before, after = load_settings(text.encode(), "host.yaml"), load_settings(written.encode(), "host.yaml")
    assert after.volumes == {**before.volumes, "shop": VOLUMES}
    assert after.source == before.source
    if not text.startswith("{"):
        assert [line for line in text.splitlines() if line] == [
            line for line in written.splitlines() if line and (line in text)
        ]


@pytest.mark.parametrize(
    "text",
    [
        URL + "volumes: {other: {files: x}}\n",
        URL + "volumes:\n  shop:\n    pgdata: third\n",
        URL + "volumes:\n    other:\n      files: x\n",
        "{source: {url: /srv/git/config.git}}",
    ],
)
def test_what_would_take_guessing_is_left_to_a_person(text: str) -> None:
    assert with_volumes(text, "shop", VOLUMES) is None


@pytest.mark.parametrize("name", ["1", "true", "off", "1e3", "a.b-c_d", "/srv/with space: and #"])
def test_a_name_is_read_back_as_the_text_that_it_is(name: str) -> None:
    written = with_volumes(URL, "2024", {"no": name})
    assert written is not None
    if not name.startswith("/"):
        assert load_settings(written.encode(), "host.yaml").volumes == {"2024": {"no": name}}
