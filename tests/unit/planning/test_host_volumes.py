"""A stack goes on with data that were there before it, where host.yaml says so."""

from __future__ import annotations

from typing import Any

from reconciler.planning.host_volumes import unknown_volumes, with_host_volumes
from tests.builders import model

MODEL: dict[str, Any] = {
    **model({"db": {"image": "postgres"}}),
    "volumes": {"pgdata": {"name": "shop_pgdata", "labels": {"a": "b"}}, "files": {"name": "shop_files"}},
}


def test_a_volume_that_is_there_is_taken_by_its_name_and_never_made() -> None:
    found = with_host_volumes(MODEL, {"pgdata": "old_pgdata"})["volumes"]
    assert found == {"pgdata": {"name": "old_pgdata", "external": True}, "files": {"name": "shop_files"}}


def test_a_folder_takes_the_place_of_a_volume() -> None:
    found = with_host_volumes(MODEL, {"files": "/srv/files"})["volumes"]["files"]
    options = {"type": "none", "o": "bind", "device": "/srv/files"}
    assert found == {"name": "shop_files", "driver": "local", "driver_opts": options}


def test_a_model_is_what_it_was_where_the_host_says_nothing() -> None:
    assert with_host_volumes(MODEL, {}) is MODEL


def test_a_key_that_no_volume_has_is_refused_with_the_nearest_that_one_has() -> None:
    (problem,) = unknown_volumes(MODEL, "shop", {"pgdta": "old", "files": "/srv/files"})
    assert str(problem) == (
        'host.yaml: volumes.shop.pgdta: no volume of this stack is named "pgdta"; did you mean "pgdata"?'
    )
