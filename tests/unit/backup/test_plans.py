"""What stack.yaml and the host's variables say about backups, and what is refused."""

from __future__ import annotations

import subprocess

import pytest

from reconciler.backup.engines import scripts_of
from reconciler.backup.variables import with_variables
from reconciler.declared.backups import ENGINES, plans_of, wrong_schedules
from reconciler.declared.stack_file import read_stack_file
from reconciler.model.backup import BackupPlan, Keep, Level, Verify
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


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_can_be_declared_has_all_its_scripts_and_a_shell_understands_them(engine: str) -> None:
    for name, text in scripts_of(engine).scripts.items():
        checked = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), name


def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(StalledError, match="the engine oracle has no script"):
        scripts_of("oracle")
