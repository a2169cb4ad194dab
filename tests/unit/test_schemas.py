"""The schemas are the reference manual: sound, strict, and with a word on every key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.declared.documents import read_document
from reconciler.declared.validation import STACK, check_schema
from reconciler.model.duration import parse_duration
from reconciler.model.manifest import HostSettings, Manifest, SourceSettings
from reconciler.settings import load_settings

CHECKOUT = Path(__file__).parents[2]
FILES = sorted((CHECKOUT / "schemas").glob("*.json"))
SAMPLES = sorted((CHECKOUT / "desired_state").glob("**/stack.yaml"))
HOST = json.loads((CHECKOUT / "schemas/host.schema.json").read_text())


def keys_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a user can write, list items and free names included."""
    for name, rule in schema.get("properties", {}).items():
        yield f"{path}.{name}", rule
        yield from keys_of(rule, f"{path}.{name}")
    for inner in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(inner), dict):
            yield f"{path}[{inner}]", schema[inner]
            yield from keys_of(schema[inner], f"{path}[{inner}]")


def objects_of(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects_of(inner)


def test_there_is_a_schema_for_each_file_that_a_user_writes_or_reads() -> None:
    names = ["backup", "env", "hook-context", "host", "stack"]
    assert [path.name for path in FILES] == [f"{name}.schema.json" for name in names]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_schema_is_a_schema(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_key_is_described_in_a_sentence(path: Path) -> None:
    described = {key: rule.get("description", "") for key, rule in keys_of(json.loads(path.read_text()))}
    assert described
    assert {key for key, text in described.items() if not text.endswith(".")} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_value_has_an_example_that_the_schema_takes(path: Path) -> None:
    schema = json.loads(path.read_text())
    for key, rule in keys_of(schema):
        if rule.get("type") == "object" or key.endswith("[propertyNames]"):
            continue
        assert rule.get("examples"), key
        for example in [*rule["examples"], *([rule["default"]] if "default" in rule else [])]:
            problems = list(Draft202012Validator({**rule, "$defs": schema.get("$defs", {})}).iter_errors(example))
            assert problems == [], key


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_key_is_taken_that_the_schema_does_not_name(path: Path) -> None:
    for rule in objects_of(json.loads(path.read_text())):
        assert rule.get("additionalProperties") is False or isinstance(rule["additionalProperties"], dict)


def test_the_defaults_that_the_manual_tells_are_those_in_force() -> None:
    source = {
        key: rule["default"] for key, rule in HOST["properties"]["source"]["properties"].items() if "default" in rule
    }
    told = HostSettings(
        source=SourceSettings(
            url="/x",
            branch=source["branch"],
            path=source["path"],
            interval_s=parse_duration(source["interval"]),
            timeout_s=parse_duration(source["timeout"]),
        ),
        stacks=tuple(HOST["properties"]["stacks"]["default"]),
        concurrency=HOST["properties"]["concurrency"]["default"],
    )
    assert load_settings(b"source: {url: /x}", "host.yaml") == told


def test_the_defaults_of_a_stack_that_the_manual_tells_are_those_in_force() -> None:
    schema = json.loads((CHECKOUT / "schemas/stack.schema.json").read_text())["properties"]
    plain = Manifest(name="x", folder="x", compose_files=())
    rollout = {key: rule.get("default") for key, rule in schema["rollout"]["properties"].items()}
    assert plain.drift == schema["drift"]["default"]
    assert plain.prune.enabled is schema["prune"]["properties"]["enabled"]["default"]
    assert plain.prune.max_remove_percent == schema["prune"]["properties"]["maxRemovePercent"]["default"]
    assert plain.rollout.timeout_s == parse_duration(rollout["timeout"])
    assert plain.rollout.soak_s == parse_duration(rollout["soak"])
    assert plain.rollout.drain_s == parse_duration(rollout["drain"])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_a_sample_keeps_to_the_schema(path: Path) -> None:
    document = read_document(path.read_bytes(), path.name)
    assert document.problems == ()
    assert check_schema(document, STACK) == ()


def test_the_package_finds_the_schemas_that_the_checkout_holds() -> None:
    packaged = CHECKOUT / "reconciler/schemas"
    assert [path.read_text() for path in sorted(packaged.glob("*.json"))] == [path.read_text() for path in FILES]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30.0), ("15m", 900.0), ("12h", 43_200.0), ("1d", 86_400.0), ("0s", 0.0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "30", "30 s", "-1s", "1.5h", "1h30m", "30S", "30s\n", "9999999999s", "٣s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 30s"):
        parse_duration(text)
