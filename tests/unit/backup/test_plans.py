"""What stack.yaml and the host's variables say about backups, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.backup.engines import scripts_of
from reconciler.backup.variables import with_variables
from reconciler.declared.backups import plans_of, wrong_engines, wrong_recipients, wrong_schedules
from reconciler.declared.stack_file import read_stack_file
from reconciler.model.backup import SCRIPTS, BackupPlan, Keep, Level, Verify
from reconciler.model.errors import StalledError
from reconciler.model.schedule import Schedule

PLAN = BackupPlan("db", "postgres", "db", "shop", schedule=Schedule(every_s=86400.0), keep=Keep(7, 14))


def test_all_that_can_be_said_is_understood() -> None:
    own = {
        "postgres": {"service": "db", "database": "shop", "user": "ada"},
        "schedule": "0 3 * * *",
        "timezone": "Europe/Paris",
        "jitter": "10m",
        "keep": {"last": 3, "daily": 4, "weekly": 5, "monthly": 6},
        "minVerified": 1,
        "verify": "read",
        "maxShrinkPercent": 10,
        "verifyMemory": "512m",
    }
    assert plans_of({"db": own}) == (
        BackupPlan(
            "db",
            "postgres",
            "db",
            "shop",
            "ada",
            Schedule(None, "0 3 * * *", "Europe/Paris", 600.0),
            Keep(3, 4, 5, 6),
            1,
            Verify.READ,
            10,
            memory="512m",
        ),
    )
    assert Verify.READ.level is Level.L1


@pytest.mark.parametrize(
    "text",
    [
        "{db: {}}",
        "{db: {postgres: {service: db}}}",
        "{db: {postgres: {service: db, database: x}, every: 1d, schedule: 0 3 * * *}}",
        "{db: {postgres: {service: db, database: x}, every: daily}}",
        "{db: {postgres: {service: db, database: x}, timezone: Europe/Paris}}",
        "{db: {postgres: {service: db, database: x}, encrypt: yes}}",
        "{db: {postgres: {service: db, database: x}, verifyMemory: much}}",
        "{db: {postgres: {service: db, database: x}, mariadb: {service: db, database: x}}}",
        "{db: {postgres: {service: db, database: x, stop: true}}}",
        "{db: {volume: {service: db, path: data}}}",
        "{db: {engine: {name: ../redis, service: db, database: x}}}",
        "{'../db': {postgres: {service: db, database: x}}}",
    ],
)
def test_what_could_not_work_is_refused(text: str) -> None:
    assert read_stack_file(f"backups: {text}".encode(), "stack.yaml").problems


def test_the_variables_win_where_they_are_set() -> None:
    values = {"DB_BACKUP_FREQUENCY": "30s", "MAX_DB_BACKUPS": "1", "DB_BACKUPS_PATH": "/mnt/dumps/"}
    plan, problems = with_variables(PLAN, values, "/data")
    assert problems == ()
    assert plan.schedule == Schedule(every_s=30.0)
    assert (plan.keep, plan.min_verified, plan.at_most) == (Keep(last=1), 1, True)
    assert plan.folder == "/mnt/dumps"


def test_a_relative_path_begins_where_it_does_in_a_compose_file() -> None:
    assert with_variables(PLAN, {"DB_BACKUPS_PATH": "./dumps"}, "/data/shop")[0].folder == "/data/shop/dumps"


def test_variables_that_are_empty_say_nothing() -> None:
    assert with_variables(PLAN, {"DB_BACKUP_FREQUENCY": "", "MAX_DB_BACKUPS": " "}, "/data") == (PLAN, ())


@pytest.mark.parametrize(
    "values", [{"DB_BACKUP_FREQUENCY": "daily"}, {"DB_BACKUP_FREQUENCY": "0s"}, {"MAX_DB_BACKUPS": "0"}]
)
def test_a_variable_that_is_wrong_is_told_and_the_file_counts(values: dict[str, str]) -> None:
    plan, problems = with_variables(PLAN, values, "/data")
    assert plan == PLAN
    assert len(problems) == 1
    assert next(iter(values)) in problems[0]


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"schedule": "0 3 * *"}, "five fields"),
        ({"schedule": "0 0 3 * * *"}, "five fields"),
        ({"schedule": "61 3 * * *"}, "bad minute"),
        ({"schedule": "0 3 * * *", "timezone": "Europe/Pari"}, "no time zone"),
        ({"schedule": "0 3 * * *", "timezone": "../../etc/passwd"}, "no time zone"),
    ],
)
def test_a_schedule_that_never_comes_is_refused_in_words(own: dict[str, str], words: str) -> None:
    ((path, fault),) = wrong_schedules({"db": own})
    assert path[0] == "db"
    assert words in fault


@pytest.mark.parametrize("values", [None, [], {"db": None}, {"db": {"schedule": 3, "timezone": []}}])
def test_what_is_no_plan_at_all_is_for_the_schema_to_tell(values: object) -> None:
    assert list(wrong_schedules(values)) == []


RECIPIENT = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq"


def test_a_recipient_with_a_slip_of_the_pen_is_found_when_the_stack_is_read() -> None:
    own = {"postgres": {"service": "db", "database": "x"}, "encrypt": {"recipients": [RECIPIENT]}}
    assert plans_of({"db": own})[0].recipients == (RECIPIENT,)
    assert list(wrong_recipients({"db": own})) == []
    ((path, fault),) = wrong_recipients({"db": {**own, "encrypt": {"recipients": [RECIPIENT[:-1] + "p"]}}})
    assert (path[-1], "checksum" in fault) == (0, True)


def test_files_and_engines_of_ones_own_are_declared_as_databases_are() -> None:
    files = {"volume": {"service": "web", "path": "/srv/files", "stop": True}}
    own = {"engine": {"name": "redis", "service": "cache", "database": "0"}}
    assert plans_of({"files": files, "own": own}) == (
        BackupPlan("files", "volume", "web", "/srv/files", stop=True),
        BackupPlan("own", "redis", "cache", "0"),
    )


SHIPPED = sorted(path.name for path in (Path(__file__).parents[3] / "hooks").iterdir() if path.is_dir())


@pytest.mark.parametrize("engine", SHIPPED)
def test_an_engine_that_is_shipped_has_all_its_scripts_and_a_shell_understands_them(engine: str) -> None:
    for name, text in scripts_of(engine).scripts.items():
        checked = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), name


def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(StalledError, match="there is no engine oracle"):
        scripts_of("oracle")


OWN = dict.fromkeys(SCRIPTS, b"true")


def test_an_engine_of_the_repository_needs_no_more_than_its_folder_and_wins_over_one_that_is_shipped() -> None:
    assert not scripts_of("redis", lambda _: OWN).has_server
    assert scripts_of("redis", lambda _: {**OWN, "serve": b"", "ready": b"", "notes": b""}).has_server
    assert scripts_of("postgres", lambda _: OWN).scripts["dump"] == "true"


@pytest.mark.parametrize("files", [{"dump": b""}, {**OWN, "serve": b""}])
def test_an_engine_that_lacks_a_script_says_which(files: dict[str, bytes]) -> None:
    with pytest.raises(StalledError, match="the engine redis lacks the script"):
        scripts_of("redis", lambda _: files)


def test_an_engine_that_lacks_a_script_is_told_when_the_stack_is_read() -> None:
    declared = {"own": {"engine": {"name": "redis", "service": "cache", "database": "0"}}}
    there = {f"redis/{script}" for script in SCRIPTS}
    assert list(wrong_engines(declared, there.__contains__)) == []
    ((path, fault),) = wrong_engines(declared, (there - {"redis/swap"}).__contains__)
    assert (path, "hooks/redis/swap" in fault) == (("own", "engine", "name"), True)
    assert list(wrong_engines(declared, (there | {"redis/serve"}).__contains__))
