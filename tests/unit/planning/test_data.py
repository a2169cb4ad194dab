"""Laws of restores in a plan: after what serves the data, before what uses them, and nothing else writes meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.data import FIRST, DataBackup, DataChange
from reconciler.model.desired import Release
from reconciler.model.hook import BackupGate, Exec, Hook, Occasion, Phase
from reconciler.model.manifest import Rollout
from reconciler.model.observed import Observed
from reconciler.planning.data import notes_on_data, users_of, with_restores
from tests.builders import bare, bind, decide, healthy, made, manifest, release, seen, steps, stopped, volume

CHANGE = DataChange("shop", 2, back=(DataBackup("b1", "db"),))


def shop(version: int, **more: Any) -> Release:
    web = healthy(image=f"web:{version}", depends_on={"db": "service_healthy"})
    return release({"db": healthy(image="db:1"), "web": web, "other": healthy(), **more}, number=version)


OLD, NEW = shop(1), shop(2)


def back(observed: Observed, towards: Release = OLD) -> list[str]:
    found = decide(towards, observed)
    with_them = with_restores(found, towards, observed, Rollout(), CHANGE, forth=False)
    assert with_them.proven_after - found.proven_after == len(with_them.steps) - len(found.steps)
    return steps(with_them)


def test_where_nothing_is_replaced_the_data_are_restored_and_what_uses_them_must_be_well_then() -> None:
    observed = seen(made(OLD, "db"), made(OLD, "web"), made(OLD, "other"), of=(OLD, NEW))
    assert back(observed) == ["restore the data of b1", "wait until web is healthy (within 2m)"]


def test_the_release_that_failed_stops_when_the_data_change_and_the_old_one_starts_after() -> None:
    observed = seen(made(OLD, "db"), stopped(made(OLD, "web")), made(NEW, "web", 2), made(OLD, "other"), of=(OLD, NEW))
    found = back(observed)
    restored = found.index("restore the data of b1, and stop shop-web-2 for it")
    assert not any(text.startswith("stop") for text in found[:restored]), "what serves goes on until the data change"
    assert found.index("start shop-web-1") > restored
    assert found.index("remove shop-web-2, its volumes stay") > restored


def test_a_server_that_was_replaced_itself_is_put_back_first() -> None:
    newer = shop(2, db=healthy(image="db:2"))
    observed = seen(
        stopped(made(OLD, "db")), made(newer, "db", 2), stopped(made(OLD, "web")), made(OLD, "other"), of=(OLD, NEW)
    )
    found = back(observed)
    restored = found.index("restore the data of b1")
    assert found.index("start shop-db-1") < restored < found.index("start shop-web-1")
    assert "stop shop-db-2" not in found[:1]


def test_nothing_is_restored_into_a_server_that_was_only_started() -> None:
    new = release({"db": healthy(image="db:1"), "web": healthy(depends_on={"db": "service_started"})}, number=2)
    change = DataChange("shop", FIRST, forth=(DataBackup("b1", "db"),))
    told = steps(with_restores(decide(new, bare(new)), new, bare(new), Rollout(), change, forth=True))
    order = ["start db's new container", "wait until db is healthy (within 2m)", "restore the data of b1"]
    assert [text for text in told if text in order] == order
    assert told.index("restore the data of b1") < told.index("start web's new container")


def test_users_are_found_however_far() -> None:
    far = healthy(depends_on={"web": "service_started"})
    assert users_of(shop(1, far=far), {"db"}) == {"web", "far"}


def test_a_plan_without_data_stays_as_it_is() -> None:
    found = decide(OLD, seen(of=OLD))
    assert with_restores(found, OLD, seen(of=OLD), Rollout(), CHANGE, forth=True) is found


@pytest.mark.parametrize(
    ("occasion", "words"),
    [(Occasion.RELEASE, "db is restored from the backup before it"), (Occasion.FIRST, "what it did stays if it fails")],
)
def test_what_a_failing_means_for_the_data_is_told_before(occasion: Occasion, words: str) -> None:
    gate = Hook(Phase.PRE_SYNC, "dump", BackupGate("db"))
    migrate = Hook(Phase.PRE_SYNC, "migrate", Exec("web", ("x",)), changes_data=True)
    (note,) = notes_on_data(manifest(hooks=(gate, migrate)), occasion)
    assert words in note
    assert list(notes_on_data(manifest(hooks=(gate,)), occasion)) == []


def test_a_service_that_begins_on_another_volume_is_said_to_leave_its_data_behind() -> None:
    before = release({"db": {"volumes": [volume("pg", "/data"), volume("etc", "/etc")]}})
    wanted = release({"db": {"volumes": [volume("pgdata", "/data"), volume("etc", "/etc"), volume("new", "/new")]}})
    (cost,) = decide(wanted, seen(made(before, "db"), of=before), previous=before).costs
    assert cost.startswith("db has volume pgdata at /data from now on; what volume pg holds is not carried over")
    assert decide(before, seen(made(before, "db"), of=before), previous=before).costs == ()


@pytest.mark.parametrize(
    ("mounts", "names", "words"),
    [
        ((volume("pg"), volume("pg")), ("shop_pg", "other"), "volume other at /data from now on; what volume shop_pg"),
        ((volume("pg"), bind("/srv/pg", "/data")), ("shop_pg", "shop_pg"), "/srv/pg at /data from now on; what volume"),
        (
            (bind("/srv/pg", "/data"), bind("/srv/new", "/data")),
            ("", ""),
            "/srv/new at /data from now on; what /srv/pg",
        ),
    ],
    ids=["the same key for another volume", "a folder for a volume", "another folder"],
)
def test_whatever_a_service_wrote_to_before_is_said_to_be_left(mounts: Any, names: Any, words: str) -> None:
    before, wanted = (
        release({"db": {"volumes": [mount]}}, volumes={"pg": {"name": name}})
        for mount, name in zip(mounts, names, strict=True)
    )
    costs = decide(wanted, seen(made(before, "db"), of=before), previous=before).costs
    assert [words in cost for cost in costs] == [True]


def test_a_volume_that_git_says_otherwise_is_said_to_stay_as_it_was_made() -> None:
    def storing(address: str, **more: Any) -> Any:
        declared = {"nfs": {"name": "shop_nfs", "driver_opts": {"type": "nfs", "o": f"addr={address}"}, **more}}
        return release({"db": {"volumes": [volume("nfs")]}}, volumes=declared)

    before, wanted = storing("10.0.0.1"), storing("10.0.0.2")
    (cost,) = decide(wanted, seen(made(before, "db"), of=before), previous=before).costs
    assert cost.startswith("volume shop_nfs stays as it was made")
    assert "volumes.nfs.name" in cost
    same = storing("10.0.0.1", labels={"a": "1"})
    assert decide(same, seen(made(before, "db"), of=before), previous=before).costs == ()
