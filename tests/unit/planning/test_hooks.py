"""Which hooks a release has, where they stand in its plan, and that docs, schema and code tell the same of their context."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.model.hook import (
    Attempt,
    BackupFacts,
    BackupGate,
    Exec,
    Hook,
    Http,
    Occasion,
    OnFailure,
    Phase,
    Require,
    Run,
    Script,
)
from reconciler.planning.archive import pack, unpack_manifest
from reconciler.planning.hooks import (
    Places,
    around_attempt,
    certificate_attempt,
    changed_services,
    context,
    hooks_at,
    occasion_of,
    variables,
    with_hooks,
)
from tests.builders import bare, decide, manifest, release, steps, tracked

CHECKOUT = Path(__file__).parents[3]
SCHEMA = json.loads((CHECKOUT / "schemas/hook-context.schema.json").read_text())
MANUAL = (CHECKOUT / "docs/hooks.md").read_text()
PLACES = Places("/srv/reconciler", "/srv/reconciler/data/shop", "/srv/reconciler/env/shop.env")
TRY = Attempt(
    stack="shop", release=3, revision="c3", number=2, occasion=Occasion.RELEASE, previous_release=2,
    previous_revision="c2", changed=changed_services(release({"web": {"image": "web:2"}}), release({"web": {}})),
)  # fmt: skip
FAILED = Attempt("shop", 1, "c1", 1, Occasion.FIRST, failed_step="run postSync hook smoke", error="it ended")


def hook(phase: Phase, name: str, **more: Any) -> Hook:
    return Hook(phase, name, Exec("web", ("true",)), **more)


def test_hooks_of_a_phase_run_in_the_order_of_their_names() -> None:
    declared = manifest(hooks=(hook(Phase.PRE_SYNC, "b"), hook(Phase.POST_SYNC, "c"), hook(Phase.PRE_SYNC, "a")))
    assert [found.name for found in hooks_at(declared, Phase.PRE_SYNC, Occasion.FIRST)] == ["a", "b"]


@pytest.mark.parametrize(
    ("after", "occasion"),
    [
        ({"web": {"image": "web:2"}}, Occasion.RELEASE),
        ({"web": {"user": "1"}}, Occasion.CONFIG),
        ({"web": {}, "worker": {}}, Occasion.RELEASE),
        ({}, Occasion.CONFIG),
    ],
    ids=["image", "definition", "new service", "a service less"],
)
def test_only_a_new_image_makes_a_release_of_a_change(after: dict[str, Any], occasion: Occasion) -> None:
    before = release({"web": {}, "db": {}})
    wanted = release({"db": {}, **after})
    assert occasion_of(wanted, before, was_applied=True, goes_back=False) is occasion


def test_the_same_reference_that_names_another_image_is_a_release() -> None:
    before = release({"web": {}})
    pulled = release({"web": {}}, pinned=False)
    object.__setattr__(pulled, "images", {"web:1": "sha256:newer"})
    assert occasion_of(pulled, before, was_applied=True, goes_back=False) is Occasion.RELEASE


def test_going_back_and_the_first_release_are_told_apart_from_all_others() -> None:
    wanted = release({"web": {}})
    assert occasion_of(wanted, None, was_applied=False, goes_back=False) is Occasion.FIRST
    assert occasion_of(wanted, None, was_applied=True, goes_back=False) is Occasion.RELEASE  # its record was lost
    assert occasion_of(wanted, wanted, was_applied=True, goes_back=True) is Occasion.ROLLBACK


def test_hooks_stand_between_what_only_looks_and_what_changes_and_at_the_end_of_the_proof() -> None:
    wanted = release({"web": {"ports": [{"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"}]}})
    declared = manifest(hooks=(hook(Phase.PRE_SYNC, "dump"), hook(Phase.POST_SYNC, "smoke")))
    found = with_hooks(decide(wanted, bare(wanted)), declared, Occasion.FIRST)
    told = steps(found)
    assert told[0].startswith("check that nobody else holds")
    assert told[1] == "run preSync hook dump"
    assert told[found.proven_after - 1] == "run postSync hook smoke"


def test_a_plan_without_hooks_stays_as_it_is() -> None:
    wanted = release({"web": {}})
    found = decide(wanted, bare(wanted))
    assert with_hooks(found, manifest(hooks=(hook(Phase.SYNC_FAIL, "tell"),)), Occasion.FIRST) is found


def test_hooks_are_kept_with_their_release() -> None:
    hooks = (
        Hook(Phase.PRE_SYNC, "a", Script("x.sh", tracked("hooks/x.sh"), ("--y",)), timeout_s=5.0),
        Hook(Phase.PRE_SYNC, "b", Exec("web", ("true",), "root"), on=frozenset({Occasion.CONFIG})),
        Hook(Phase.POST_SYNC, "c", Run("web"), on_failure=OnFailure.CONTINUE, changes_data=True),
        Hook(Phase.POST_SYNC, "d", Http("https://{D}/", 204, "a", "b", True)),
        Hook(Phase.PRE_SYNC, "e", BackupGate("db", Require.MADE, 900.0)),
    )
    declared = manifest(hooks=hooks)
    kept = json.loads(json.dumps(pack(release({"web": {}}), declared), default=dict))
    assert unpack_manifest(kept).hooks == hooks


@pytest.mark.parametrize(
    "attempt",
    [
        TRY,
        FAILED,
        certificate_attempt(release({"web": {}}, number=1), 1_700_000_000, ["a.test"]),
        around_attempt(release({"web": {}}, number=1), 1_700_000_000_000, Occasion.BACKUP, BackupFacts("db", "app")),
    ],
    ids=["release", "failed", "certificate", "backup"],
)
def test_the_context_keeps_to_its_schema(attempt: Attempt) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    told = context(hook(Phase.PRE_SYNC, "dump"), attempt, PLACES, cut_short=True)
    assert list(Draft202012Validator(SCHEMA).iter_errors(json.loads(json.dumps(told)))) == []
    assert set(told) == set(SCHEMA["properties"]) == set(SCHEMA["required"])


def test_the_manual_names_every_variable_and_no_other() -> None:
    told = set(variables(hook(Phase.PRE_SYNC, "dump"), TRY, PLACES, cut_short=False))
    assert set(re.findall(r"^\| `(RECONCILER_\w+)`", MANUAL, re.M)) == {*told, "RECONCILER_CONTEXT", "RECONCILER_RUN"}


def test_the_manual_names_every_phase_and_occasion() -> None:
    assert {phase.value for phase in Phase} <= set(re.findall(r"^\| `(\w+)`", MANUAL, re.M))
    assert {occasion.value for occasion in Occasion} <= set(re.findall(r"^\| `(\w+)`", MANUAL, re.M))
