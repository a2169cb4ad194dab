"""Laws of identity: a container is another one exactly when something it is made from is another thing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.source import EntryKind
from reconciler.planning.digest import digest_of
from tests.builders import CHECKOUT, bind, healthy, manifest, release, spec_of, tracked, volume

BASE: dict[str, Any] = {"image": "web:1", "environment": {"A": "1"}, "labels": {"l": "1"}}

MADE_FROM: dict[str, dict[str, Any]] = {
    "image": {"image": "web:2"},
    "environment": {"environment": {"A": "2"}},
    "a label": {"labels": {"l": "2"}},
    "command": {"command": ["run"]},
    "memory": {"mem_limit": "64000000"},
    "deploy limits": {"deploy": {"resources": {"limits": {"memory": "64000000"}}}},
    "a mount": {"volumes": [volume("v")]},
    "a port": {"ports": [{"target": 80, "published": "8080", "protocol": "tcp"}]},
    "healthcheck": healthy(),
    "restart policy": {"restart": "always"},
    "container_name": {"container_name": "x"},
    "an alias": {"networks": {"default": {"aliases": ["www"]}}},
    "another network": {"networks": {"back": None}},
    "namespaces": {"pid": "host"},
    "a post_start hook": {"post_start": [{"command": ["true"]}]},
}

NOT_MADE_FROM: dict[str, dict[str, Any]] = {
    "scale": {"scale": 3},
    "replicas": {"deploy": {"replicas": 3}},
    "depends_on": {"depends_on": ["db"]},
    "pull_policy": {"pull_policy": "always"},
    "profiles": {"profiles": ["x"]},
    "env_file": {"env_file": [{"path": "/x.env"}]},
    "develop": {"develop": {"watch": []}},
}


def digest(definition: dict[str, Any], **top: Any) -> str:
    top = {"networks": {"back": {}}, **top}
    return spec_of(release({"db": {}, "web": definition}, **top), "web").digest


@pytest.mark.parametrize("change", MADE_FROM.values(), ids=MADE_FROM.keys())
def test_what_a_container_is_made_from_makes_it_another_one(change: dict[str, Any]) -> None:
    assert digest({**BASE, **change}) != digest(BASE)


@pytest.mark.parametrize("change", NOT_MADE_FROM.values(), ids=NOT_MADE_FROM.keys())
def test_what_a_container_is_not_made_from_does_not(change: dict[str, Any]) -> None:
    assert digest({**BASE, **change}) == digest(BASE)


@pytest.mark.parametrize("change", ["scale", "depends_on"])
def test_what_concerns_no_container_still_makes_another_release(change: str) -> None:
    before, after = release({"db": {}, "web": BASE}), release({"db": {}, "web": {**BASE, **NOT_MADE_FROM[change]}})
    assert before.digest != after.digest


def test_another_revision_of_the_same_is_the_same_release() -> None:
    assert release({"web": BASE}, revision="c1").digest == release({"web": BASE}, revision="c2").digest


def test_the_order_of_keys_and_services_does_not_matter() -> None:
    forward = release({"a": {"user": "1", "image": "i"}, "b": {}})
    backward = release({"b": {}, "a": {"image": "i", "user": "1"}})
    assert forward.digest == backward.digest


def test_a_mounted_file_with_other_content_makes_another_container() -> None:
    def mounted(object_id: str) -> str:
        definition = {"volumes": [bind(f"{CHECKOUT}/shop/app.conf")]}
        found = release({"web": definition}, entries=[tracked("shop/app.conf", object_id=object_id)])
        return spec_of(found, "web").digest

    assert mounted("a" * 40) != mounted("b" * 40)
    assert mounted("a" * 40) == mounted("a" * 40)


def test_host_data_with_other_content_does_not() -> None:
    """Its path is all there is to know."""
    declared = manifest(data=("app.conf",))

    def seeded(object_id: str) -> str:
        entries = [tracked("shop/app.conf", object_id=object_id)]
        found = release({"web": {"volumes": [bind(f"{CHECKOUT}/shop/app.conf")]}}, entries=entries, declared=declared)
        return spec_of(found, "web").digest

    assert seeded("a" * 40) == seeded("b" * 40)


def test_a_network_that_it_uses_makes_another_container_when_it_changes() -> None:
    on_it = {**BASE, "networks": {"back": None}}
    assert digest(on_it, networks={"back": {"internal": True}}) != digest(on_it, networks={"back": {}})
    assert digest(BASE, networks={"back": {"internal": True}}) == digest(BASE, networks={"back": {}})


def test_a_volume_that_it_uses_makes_another_container_when_it_changes() -> None:
    on_it = {**BASE, "volumes": [volume("v")]}
    options = {"v": {"name": "shop_v", "driver_opts": {"o": "size=1g"}}}
    assert digest(on_it, volumes=options) != digest(on_it, volumes={"v": {"name": "shop_v"}})
    assert digest(BASE, volumes=options) == digest(BASE)


@pytest.mark.parametrize("kind", ["configs", "secrets"])
def test_a_config_or_secret_that_it_uses_makes_another_container_when_it_changes(kind: str) -> None:
    using = {**BASE, kind: [{"source": "it"}]}
    top: dict[str, Any] = {kind: {"it": {"environment": "KEY"}}}
    before = release({"web": using}, environment={"KEY": "1"}, **top)
    after = release({"web": using}, environment={"KEY": "2"}, **top)
    assert spec_of(before, "web").digest != spec_of(after, "web").digest


def test_a_build_from_other_content_makes_another_container() -> None:
    def built(object_id: str) -> Any:
        entries = [tracked("shop/app", EntryKind.FOLDER, object_id)]
        return spec_of(release({"web": {"build": {"context": f"{CHECKOUT}/shop/app"}}}, entries=entries), "web")

    one, other = built("a" * 40), built("b" * 40)
    assert one.digest != other.digest
    assert one.build_digest != other.build_digest


jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(jsons, jsons)
def test_digests_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest_of(one) == digest_of(other)) is same
