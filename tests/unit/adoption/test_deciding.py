"""What adopting an old project would do, and when it must not be done."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.adoption.model import Clone, CronLine, FileCopy, FolderCopy, Kind
from tests.builders import bind, port, volume
from tests.unit.adoption.olds import DATA, FOLDER, adoption, container, folder, kept

DB: dict[str, Any] = {"db": {"volumes": [volume("pgdata")]}}


def test_a_volume_is_kept_by_its_own_name() -> None:
    found = adoption((container("db", mounts=(kept("old_pgdata"),)),), DB, volumes=("pgdata",))
    assert dict(found.volumes) == {"pgdata": "old_pgdata"}
    assert found.data == ()
    assert found.refusals == ()


def test_a_folder_is_copied_into_the_place_of_a_volume() -> None:
    found = adoption((container("db", mounts=(folder("db"),)),), DB, volumes=("pgdata",), sizes={f"{FOLDER}/db": 7})
    assert dict(found.volumes) == {"pgdata": f"{DATA}/shop/pgdata"}
    assert found.data == (FolderCopy(f"{FOLDER}/db", f"{DATA}/shop/pgdata", "db", "/data", 7),)


def test_an_anonymous_volume_is_copied_since_nobody_would_know_it_by_its_name() -> None:
    found = adoption((container("db", mounts=(kept("f" * 64),)),), DB, volumes=("pgdata",))
    assert dict(found.volumes) == {"pgdata": f"{DATA}/shop/pgdata"}


def test_a_folder_beside_the_compose_file_becomes_host_data() -> None:
    services = {"proxy": {"volumes": [bind(f"{DATA}/shop/letsencrypt", "/letsencrypt")]}}
    found = adoption((container("proxy", mounts=(folder("letsencrypt", "/letsencrypt/"),)),), services)
    assert [(copy.source, copy.target) for copy in found.data] == [
        (f"{FOLDER}/letsencrypt", f"{DATA}/shop/letsencrypt")
    ]


def test_a_service_of_another_name_is_known_by_the_one_path_that_it_has() -> None:
    found = adoption((container("postgres", mounts=(kept("old_pgdata"),)),), DB, volumes=("pgdata",))
    assert dict(found.volumes) == {"pgdata": "old_pgdata"}


def test_a_dumper_of_the_database_s_image_lends_the_database_nothing() -> None:
    """Its image declares a volume at the database's path, so it has an anonymous one there, empty."""
    containers = (container("db", mounts=(kept("old_pgdata"),)), container("zz_backup", mounts=(kept("f" * 64),)))
    found = adoption(containers, DB, volumes=("pgdata",))
    assert (dict(found.volumes), found.data) == ({"pgdata": "old_pgdata"}, ())


def test_two_that_would_fill_one_volume_are_refused() -> None:
    containers = (container("db", mounts=(kept("one"),)), container("db", id="2", name="db-2", mounts=(kept("two"),)))
    found = adoption(containers, DB, volumes=("pgdata",))
    assert found.refusals == (
        "the volume pgdata would be both one and two (db-2); take one of the two out of the old project first",
    )


def test_what_nothing_mounts_any_more_is_told_and_left() -> None:
    found = adoption((container("web", mounts=(kept("old_cache", "/cache"),)),), {"web": {}})
    assert found.notes == ("the volume old_cache (old-web-1, /cache) stays as it is: nothing of the stack mounts it",)


def test_a_path_of_the_host_that_both_mount_is_nothing_to_talk_about() -> None:
    socket = "/var/run/docker.sock"
    mount = folder("x", socket)
    services = {"proxy": {"volumes": [bind(socket, socket)]}}
    found = adoption((container("proxy", mounts=(mount.__class__(socket, socket),)),), services)
    assert (found.data, found.notes) == ((), ())


def test_those_that_need_others_are_stopped_before_these() -> None:
    containers = (
        container("db"),
        container("proxy", needs=("db", "web")),
        container("web", needs=("db",)),
    )
    services: dict[str, Any] = {"db": {}, "web": {}, "proxy": {}}
    assert [one.service for one in adoption(containers, services).containers] == ["proxy", "web", "db"]


def test_a_circle_of_needs_still_has_an_order() -> None:
    containers = (container("a", needs=("b",)), container("b", needs=("a",)))
    assert sorted(one.service for one in adoption(containers, {"a": {}, "b": {}}).containers) == ["a", "b"]


def test_a_fixed_name_that_the_stack_wants_is_given_up_and_every_other_one_kept() -> None:
    containers = (container("db", name="the-db"), container("web", name="the-web"))
    found = adoption(containers, {"db": {"container_name": "the-db"}, "web": {}})
    assert {one.name: one.aside for one in found.containers} == {"the-db": "the-db.before-adoption", "the-web": ""}


def test_a_name_to_step_aside_to_is_one_that_nobody_has() -> None:
    others = (container("x", name="the-db.before-adoption", project="else"),)
    found = adoption((container("db", name="the-db"),), {"db": {"container_name": "the-db"}}, others=others)
    assert [one.aside for one in found.containers] == ["the-db.before-adoption-"]


def test_a_port_that_nobody_will_publish_any_more_is_told() -> None:
    found = adoption((container("db", ports=("0.0.0.0:5432/tcp",)),), {"db": {}})
    assert found.notes == ("0.0.0.0:5432/tcp is published by old-db-1 now, and by nobody afterwards",)


def test_a_variable_that_is_another_one_now_is_named_and_its_value_is_not() -> None:
    runs = container("db", environment={"PASSWORD": "old-secret", "SAME": "x$y", "OWN": "1"})
    services = {"db": {"environment": {"PASSWORD": "new-secret", "SAME": "x$$y", "NEW": "2"}}}
    (note,) = adoption((runs,), services).notes
    assert note == "db runs with another PASSWORD now than its successor gets"


def file(there: str = "") -> FileCopy:
    return FileCopy(Kind.CERTIFICATE, f"{FOLDER}/certs/a.crt", "/srv/reconciler/certs/a.crt", "sum", 1, there)


@pytest.mark.parametrize(("there", "refused"), [("", False), ("sum", False), ("other", True)])
def test_a_file_never_overwrites_another_one(there: str, refused: bool) -> None:
    found = adoption((container("web"),), {"web": {}}, clone=Clone(FOLDER, certificates=(file(there),)))
    assert bool(found.refusals) is refused


def test_lines_of_cron_and_changes_by_hand_are_passed_on() -> None:
    clone = Clone(FOLDER, cron=(CronLine("crontab", "line"),), changes=("compose.yml",))
    found = adoption((container("web"),), {"web": {}}, clone=clone)
    assert (found.cron, found.changes) == (clone.cron, clone.changes)


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("nothing runs", {"containers": ()}, "no container of a Compose project was made from /opt/old"),
    ("same name", {"containers": (container("db", project="shop"),)}, "give the stack's folder in Git another name"),
    (
        "several projects",
        {"containers": (container("db"), container("web", project="new"))},
        "several Compose projects were made from /opt/old: new, old; say --project NAME",
    ),
    ("ours", {"containers": (container("db", owner="root"),)}, "is a reconciler's already"),
    (
        "the stack runs",
        {"others": (container("db", id="2", owner="root", project="shop"),)},
        "the stack shop runs here already",
    ),
    (
        "a volume is shared",
        {"others": (container("x", name="other", project="else", mounts=(kept("old_pgdata"),)),)},
        "other uses the volume old_pgdata, too; stop it first",
    ),
    (
        "the host says else",
        {"volumes_said": {"pgdata": "third"}},
        "host.yaml says that the volume pgdata of shop is third",
    ),
    ("a port is taken", {"taken": frozenset({"0.0.0.0:80/tcp"})}, "0.0.0.0:80/tcp is held by another program"),
    ("a network is there", {"networks": frozenset({"shop_default"})}, "there is a network shop_default already"),
    (
        "another major version",
        {
            "containers": (container("db", mounts=(kept("old_pgdata"),), environment={"PG_MAJOR": "13"}),),
            "here": {"db:1": {"PG_MAJOR": "15"}},
        },
        "old-db-1 runs PostgreSQL 13, and db:1 is PostgreSQL 15, which cannot read its files",
    ),
]


@pytest.mark.parametrize(("given", "said"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_it_is_refused_with_a_reason_and_what_to_do(given: dict[str, Any], said: str) -> None:
    given = dict(given)
    containers = given.pop("containers", (container("db", mounts=(kept("old_pgdata"),)),))
    if "volumes_said" in given:
        found = refused_with_volumes(containers, given["volumes_said"])
    else:
        found = adoption(containers, SERVED, volumes=("pgdata",), **given).refusals
    assert len(found) == 1, found
    assert said in found[0]


SERVED = {"db": {"volumes": [volume("pgdata")], "ports": [port(80)]}}


def refused_with_volumes(containers: Any, said: dict[str, str]) -> tuple[str, ...]:
    from dataclasses import replace

    from reconciler.adoption.deciding import Wanted, decide
    from reconciler.adoption.model import Found
    from tests.builders import release

    wanted = Wanted(release(SERVED, volumes={"pgdata": {"name": "shop_pgdata"}}), DATA)
    return decide(Found(Clone(FOLDER), containers), replace(wanted, volumes=said)).refusals


def test_a_port_that_the_old_project_holds_itself_is_no_obstacle() -> None:
    held = container("db", ports=("0.0.0.0:80/tcp",))
    found = adoption((held,), {"db": {"ports": [port(80)]}}, taken=frozenset({"0.0.0.0:80/tcp"}))
    assert (found.refusals, found.notes) == ((), ())


@pytest.mark.parametrize(("free", "refused"), [(None, False), (100 << 20, True), (120 << 20, False)])
def test_what_does_not_fit_is_not_begun(free: int | None, refused: bool) -> None:
    sizes = {f"{FOLDER}/db": 100 << 20}
    found = adoption((container("db", mounts=(folder("db"),)),), DB, volumes=("pgdata",), sizes=sizes, free=free)
    assert bool(found.refusals) is refused, found.refusals


def test_a_folder_that_holds_something_is_not_copied_over() -> None:
    filled = frozenset({f"{DATA}/shop/pgdata"})
    found = adoption((container("db", mounts=(folder("db"),)),), DB, volumes=("pgdata",), filled=filled)
    assert found.refusals == (
        f"{DATA}/shop/pgdata holds something already; move it away, or {FOLDER}/db cannot be copied there",
    )
