"""``env`` of stack.yaml: which schema counts, and what is said of one that is missing or mistaken."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.model.environment import EnvironmentUse
from reconciler.planning.archive import pack, unpack_manifest
from tests.builders import release
from tests.unit.test_manifest import found_in, said_of

SCHEMA = '{"properties": {"A": {"description": "x."}, "B": {"description": "y.", "maxLength": 40}}}'


def stack(env: str, **files: str) -> Mapping[str, str]:
    return {"s/web/compose.yaml": "services: {web: {image: x}}\n", "s/web/stack.yaml": env, **files}


def use(files: Mapping[str, str]) -> EnvironmentUse:
    found = found_in(files)
    assert found.broken == {}
    (manifest,) = found.manifests
    return manifest.environment


def test_a_schema_in_the_stacks_folder_counts_without_a_word() -> None:
    assert use({"s/web/compose.yaml": "services: {}\n"}).schema == ""
    assert use({"s/web/compose.yaml": "services: {}\n", "s/web/env.schema.json": SCHEMA}).schema == "env.schema.json"


def test_what_is_said_of_the_variables_is_taken_over() -> None:
    env = "env: {schema: ../e.json, generate: {A: {}, B: {bytes: 16}}, immutable: [A]}\n"
    taken = use(stack(env, **{"s/e.json": SCHEMA}))
    assert (taken.schema, dict(taken.generate), taken.immutable) == ("../e.json", {"A": 32, "B": 16}, ("A",))


def test_secrets_are_made_and_kept_without_a_schema_too() -> None:
    taken = use(stack("env: {generate: {A: {}}, immutable: [A, B]}\n"))
    assert (taken.schema, dict(taken.generate), taken.immutable) == ("", {"A": 32}, ("A", "B"))


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            "{schema: env.shema.json}",
            'env.schema: there is no file "env.shema.json" in Git; did you mean "env.schema.json"?',
        ),
        ("{generate: {C: {}}}", 'env.generate.C: s/web/env.schema.json knows no variable "C"'),
        (
            "{generate: {B: {bytes: 32}}}",
            "env.generate.B: s/web/env.schema.json would refuse 64 hexadecimal digits: it has 64 characters; at most 40 are "
            "taken",
        ),
        (
            "{generate: {A: {bytes: 8}}}",
            "env.generate.A.bytes: expected a whole number from 16 to 1024, found the number 8",
        ),
        (
            "{generate: [A]}",
            "env.generate: expected variables with their size, such as SESSION_SECRET: {bytes: 32}, found a list",
        ),
        ("{immutable: [A, D]}", 'env.immutable[1]: s/web/env.schema.json knows no variable "D"'),
        ("{generated: {A: {}}}", 'env.generated: unknown key "generated"; did you mean "generate"?'),
    ],
)
def test_a_mistake_in_env_is_told(env: str, message: str) -> None:
    found = found_in(stack(f"env: {env}\n", **{"s/web/env.schema.json": SCHEMA}))
    assert said_of(found, "web") == [f"s/web/stack.yaml:1: {message}"]


def test_a_mistaken_schema_is_a_mistake_of_its_stack_and_of_no_other() -> None:
    files = {"s/other/compose.yaml": "services: {}\n", **stack("name: web\n", **{"s/web/env.schema.json": "{\n}"})}
    found = found_in(files)
    assert said_of(found, "web") == [
        's/web/env.schema.json:1: "properties" is missing: the variables, each with what may be in it'
    ]
    assert [manifest.name for manifest in found.manifests] == ["other"]


def test_a_kept_release_remembers_what_may_not_change() -> None:
    found = found_in(stack("env: {generate: {A: {}}, immutable: [A]}\n"))
    (manifest,) = found.manifests
    assert unpack_manifest(pack(release({"web": {}}), manifest)).environment == manifest.environment
