"""Laws of the archive: what is kept of a release makes the very same release again, through JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.backup import BackupPlan
from reconciler.model.desired import (
    Condition,
    Dependency,
    Injection,
    LifecycleHook,
    NetworkSpec,
    Release,
    Seed,
    ServiceSpec,
    nothing_of,
)
from reconciler.model.errors import StalledError
from reconciler.model.manifest import (
    CertificateUse,
    DriftMode,
    HttpProbe,
    Manifest,
    Prune,
    Rollout,
    ServiceRollout,
    Strategy,
)
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.archive import pack, unpack, unpack_manifest
from tests.builders import manifest, release

texts = st.text(max_size=6)
names = st.text("abcdef", min_size=1, max_size=4)
numbers = st.integers(0, 5)
seconds = st.floats(0, 100)
maps = st.dictionaries(texts, texts, max_size=2)
entries = st.builds(TreeEntry, texts, st.sampled_from(EntryKind), texts)
hooks = st.builds(
    LifecycleHook,
    command=st.lists(texts, max_size=2).map(tuple),
    user=texts,
    privileged=st.booleans(),
    working_dir=texts,
    environment=maps,
)
dependencies = st.builds(Dependency, names, st.sampled_from(Condition), st.booleans(), st.booleans())
injections = st.builds(Injection, texts, texts, numbers, numbers, numbers)


def tuples(of: Any) -> Any:
    return st.lists(of, max_size=2).map(tuple)


@st.composite
def releases(draw: st.DrawFn) -> Release:
    specs = tuple(draw(_services(name)) for name in sorted(draw(st.sets(names, max_size=3))))
    services: dict[str, Any] = {spec.name: spec.definition for spec in specs}
    return Release(
        stack=draw(names),
        revision=draw(texts),
        digest=draw(texts),
        services=specs,
        networks=draw(tuples(st.builds(NetworkSpec, names, names, texts, st.booleans()))),
        model={"name": "x", "services": services},
        images=draw(maps),
        objects=draw(tuples(entries)),
        seeds=draw(tuples(st.builds(Seed, texts, entries))),
        warnings=draw(tuples(texts)),
        variables=draw(maps),
        number=draw(st.none() | numbers),
    )


def _services(name: str) -> st.SearchStrategy[ServiceSpec]:
    return st.builds(
        ServiceSpec,
        name=st.just(name),
        digest=texts,
        image=texts,
        definition=st.dictionaries(texts, texts | st.lists(texts, max_size=2), max_size=2),
        scale=numbers,
        container_name=st.none() | texts,
        depends_on=tuples(dependencies),
        job=st.booleans(),
        healthcheck=st.booleans(),
        build_digest=st.none() | texts,
        pull_always=st.booleans(),
        stop_grace_s=st.none() | seconds,
        injections=tuples(injections),
        post_start=tuples(hooks),
        pre_stop=tuples(hooks),
    )


service_rollouts = st.builds(
    ServiceRollout,
    strategy=st.none() | st.sampled_from(Strategy),
    timeout_s=st.none() | seconds,
    soak_s=st.none() | seconds,
    job=st.none() | st.booleans(),
    probe=st.none() | st.builds(HttpProbe, st.integers(1, 65535), texts, st.none() | st.integers(100, 599)),
)
certificate_uses = st.builds(
    CertificateUse,
    *(names, texts, names),
    owner=st.tuples(numbers, numbers),
    mode=numbers,
    signal=texts,
    command=tuples(texts),
    port=st.none() | numbers,
    starttls=texts,
)
manifests = st.builds(
    Manifest,
    name=names,
    folder=texts,
    compose_files=tuples(texts),
    depends_on=tuples(names),
    env_files=tuples(texts),
    data_paths=tuples(texts),
    rollout=st.builds(Rollout, seconds, seconds, seconds, st.dictionaries(names, service_rollouts, max_size=2)),
    drift=st.sampled_from(DriftMode),
    prune=st.builds(Prune, st.booleans(), numbers),
    certificates=tuples(certificate_uses),
    backups=tuples(st.builds(BackupPlan, *(names, names, names, texts), memory=texts, recipients=tuples(texts))),
)


def kept(found: Release, declared: Manifest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(pack(found, declared), default=dict))
    return content


@settings(max_examples=60, deadline=None)
@given(releases(), manifests)
def test_what_was_packed_unpacks_to_the_same(found: Release, declared: Manifest) -> None:
    content = kept(found, declared)
    assert unpack(content) == found
    assert unpack_manifest(content) == declared


def test_a_resolved_release_survives_whole() -> None:
    found = release({"db": {}, "web": {"depends_on": ["db"], "environment": {"A": "$$1"}}}, number=7)
    assert unpack(kept(found, manifest())) == found


def test_a_release_without_a_service_survives() -> None:
    nothing = nothing_of("shop")
    assert unpack(kept(nothing, manifest())) == nothing


@pytest.mark.parametrize("lost", ["services", "model", "digest", "objects"])
def test_a_damaged_release_is_refused_as_lost(lost: str) -> None:
    content = kept(release({"web": {}}), manifest())
    del content[lost]
    with pytest.raises(StalledError) as refused:
        unpack(content)
    assert refused.value.reason == "ReleaseLost"


def test_a_release_of_a_newer_version_is_refused_as_lost() -> None:
    content = kept(release({"web": {}}), manifest())
    content["services"][0]["unheard_of"] = 1
    with pytest.raises(StalledError):
        unpack(content)


def test_a_damaged_manifest_is_refused_as_lost() -> None:
    content = kept(release({"web": {}}), manifest())
    content["manifest"]["drift"] = "sometimes"
    with pytest.raises(StalledError):
        unpack_manifest(content)
