"""Whether a new stack looks like one that left Git as it came, and what whoever renamed a folder is told then."""

from __future__ import annotations

import pytest

from reconciler.model.desired import Release
from reconciler.planning.renaming import notes_if_renamed
from tests.builders import Services, manifest, release, volume

OLD: Services = {"web": {"image": "app:1"}, "db": {"image": "postgres:16", "volumes": [volume("pgdata")]}}


def called(stack: str, services: Services) -> Release:
    return release(services, declared=manifest(stack=stack), volumes={"pgdata": {"name": f"{stack}_pgdata"}})


def test_a_stack_with_the_services_of_one_that_left_is_told_the_line_that_keeps_its_data() -> None:
    (told,) = notes_if_renamed(called("store", OLD), "stacks/store", [called("shop", OLD)])
    assert told.startswith("shop, which has the same services (db, web), left Git as store came. ")
    assert "its volumes (pgdata) begin empty" in told
    assert "write `name: shop` into stacks/store/stack.yaml and push" in told
    assert "docker compose -p shop down" in told


@pytest.mark.parametrize(
    "services",
    [
        {**OLD, "web": {"image": "app:2"}},
        {**OLD, "cache": {"image": "redis:8"}},
    ],
    ids=["a newer tag", "one service more"],
)
def test_what_was_changed_in_the_same_commit_hides_no_renaming(services: Services) -> None:
    assert list(notes_if_renamed(called("store", services), "store", [called("shop", OLD)]))


@pytest.mark.parametrize(
    "services",
    [
        {"web": {"image": "other:1"}, "db": {"image": "mariadb:11"}},
        {"web": {"image": "app:1"}, "cache": {"image": "redis:8"}, "mail": {"image": "postfix:3"}},
        {"server": {"image": "app:1"}},
    ],
    ids=["other images", "mostly other services", "other names"],
)
def test_a_stack_of_its_own_is_no_renamed_one(services: Services) -> None:
    assert not list(notes_if_renamed(called("store", services), "store", [called("shop", OLD)]))


def test_where_nothing_left_nothing_is_said() -> None:
    assert not list(notes_if_renamed(called("store", OLD), "store", []))


def test_what_is_built_is_alike_whatever_it_is_called_after() -> None:
    new = called("store", {"web": {"image": "store-web", "build": {"context": "."}}})
    old = called("shop", {"web": {"image": "shop-web", "build": {"context": "."}}})
    assert list(notes_if_renamed(new, "store", [old]))
