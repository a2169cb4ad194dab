"""Laws of making a rendered model a release: where paths lead, what is taken out, what is put in."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from reconciler.model.desired import (
    LABEL_BUILD,
    LABEL_DEFINITION,
    LABEL_ROOT,
    LABEL_STACK,
    Condition,
    Dependency,
    Injection,
    LifecycleHook,
    Release,
    Seed,
)
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import Strategy
from reconciler.model.source import EntryKind
from tests.builders import (
    CHECKOUT,
    ROOT,
    bind,
    healthy,
    manifest,
    object_path,
    release,
    spec_of,
    tracked,
)

CONF = tracked("shop/conf/app.conf")
FOLDER = tracked("shop/conf", EntryKind.FOLDER)
SHARED = tracked("shared/tls.conf")


def source_of(path: str, *entries: Any, **more: Any) -> str:
    """Where a bind mount of ``path`` of the checkout ends up."""
    return str(_mounted(path, *entries, **more).services[0].definition["volumes"][0]["source"])


def _mounted(path: str, *entries: Any, **more: Any) -> Release:
    source = path if path.startswith("/") else f"{CHECKOUT}/{path}"
    return release({"web": {"volumes": [bind(source)]}}, entries=entries or (FOLDER, CONF, SHARED), **more)


def problems_of(*arguments: Any, **more: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidInputError) as refused:
        _mounted(*arguments, **more)
    return refused.value.problems


# Bind mounts


def test_a_tracked_file_is_mounted_from_its_object() -> None:
    assert source_of("shop/conf/app.conf") == object_path(CONF)
    assert _mounted("shop/conf/app.conf").objects == (CONF,)


def test_a_tracked_folder_is_mounted_whole() -> None:
    assert source_of("shop/conf") == object_path(FOLDER)
    assert _mounted("shop/conf").objects == (FOLDER,)


def test_the_same_content_under_two_mounts_is_one_object() -> None:
    found = release(
        {
            "a": {"volumes": [bind(f"{CHECKOUT}/shop/conf/app.conf")]},
            "b": {"volumes": [bind(f"{CHECKOUT}/shop/conf/app.conf")]},
        },
        entries=[CONF],
    )
    assert found.objects == (CONF,)


def test_what_git_does_not_track_is_host_data_of_the_stack() -> None:
    assert source_of("shop/uploads/images") == f"{ROOT}/data/shop/uploads/images"
    assert _mounted("shop/uploads").objects == ()


def test_what_stacks_share_beside_them_is_host_data_beside_theirs() -> None:
    assert source_of("backups") == f"{ROOT}/data/backups"


def test_the_stacks_folder_itself_untracked_is_its_host_data() -> None:
    assert source_of("shop") == f"{ROOT}/data/shop"


def test_a_stack_of_another_name_than_its_folder_has_its_data_under_its_name() -> None:
    declared = manifest(stack="prod", folder="stacks/shop")
    assert source_of("stacks/shop/uploads", declared=declared) == f"{ROOT}/data/prod/uploads"


def test_declared_data_is_seeded_from_what_git_tracks() -> None:
    found = _mounted("shop/conf", declared=manifest(data=("conf",)))
    target = f"{ROOT}/data/shop/conf"
    assert found.services[0].definition["volumes"][0]["source"] == target
    assert found.seeds == (Seed(target, FOLDER),)
    assert found.objects == ()


def test_what_lies_in_declared_data_is_declared_too() -> None:
    assert source_of("shop/conf/app.conf", declared=manifest(data=("conf/",))) == f"{ROOT}/data/shop/conf/app.conf"


def test_a_name_that_begins_like_declared_data_is_not_declared() -> None:
    other = tracked("shop/configuration")
    assert source_of("shop/configuration", other, declared=manifest(data=("conf",))) == object_path(other)


def test_an_absolute_path_is_the_hosts_own() -> None:
    assert source_of("/mnt/disk/photos") == "/mnt/disk/photos"


def test_the_engines_socket_is_not_moved() -> None:
    assert source_of("/var/run/docker.sock") == "/var/run/docker.sock"


@pytest.mark.parametrize("folder", ["certs", "backups/shop", "state/traefik/shop", "data/other"])
def test_folders_of_the_root_that_are_open_may_be_mounted(folder: str) -> None:
    assert source_of(f"{ROOT}/{folder}") == f"{ROOT}/{folder}"


@pytest.mark.parametrize(
    "path", [f"{ROOT}/state/checkouts/neighbour", f"{ROOT}/state/state.db", f"{ROOT}/env/shop.env"]
)
def test_a_path_that_leads_out_of_the_repository_into_our_own_root_is_refused(path: str) -> None:
    assert problems_of(path) == (
        Problem(
            "shop/compose.yaml",
            0,
            "services.web.volumes",
            "leads out of the repository; keep it inside, or write an absolute path of the host",
        ),
    )


def test_an_open_folder_is_no_way_into_a_closed_one() -> None:
    assert problems_of(f"{ROOT}/certs/../state/state.db")


def test_every_problem_is_told_at_once() -> None:
    services = {name: {"volumes": [bind(f"{ROOT}/env/x")]} for name in ("a", "b")}
    with pytest.raises(InvalidInputError) as refused:
        release(services)
    assert [problem.key for problem in refused.value.problems] == ["services.a.volumes", "services.b.volumes"]


def test_volumes_and_tmpfs_are_not_paths() -> None:
    mounts = [{"type": "volume", "source": "shop", "target": "/a"}, {"type": "tmpfs", "target": "/b"}]
    assert spec_of(release({"web": {"volumes": mounts}}), "web").definition["volumes"] == mounts


# Links and submodules


def test_a_link_in_the_way_leads_to_what_it_names() -> None:
    link = tracked("shop/current", EntryKind.SYMLINK)
    assert source_of("shop/current/app.conf", link, CONF, targets={link.path: "conf"}) == object_path(CONF)


def test_a_link_at_the_end_leads_to_what_it_names() -> None:
    link = tracked("shop/tls.conf", EntryKind.SYMLINK)
    assert source_of("shop/tls.conf", link, SHARED, targets={link.path: "../shared/tls.conf"}) == object_path(SHARED)


@pytest.mark.parametrize("target", ["../../outside", "/etc/passwd", "loop"])
def test_a_link_that_leads_out_or_nowhere_is_refused(target: str) -> None:
    link = tracked("shop/loop", EntryKind.SYMLINK)
    (problem,) = problems_of("shop/loop", link, targets={link.path: target})
    assert problem.message.startswith("shop/loop ")
    assert problem.message.endswith("mount what it should point to instead")


@pytest.mark.parametrize("path", ["vendor/lib", "vendor/lib/file"], ids=["itself", "in it"])
def test_a_submodule_is_refused_with_what_to_do_instead(path: str) -> None:
    (problem,) = problems_of(path, tracked("vendor/lib", EntryKind.SUBMODULE))
    assert problem.message == (
        "vendor/lib is a Git submodule, which is not fetched; copy its files into the repository"
    )


# Files of configs and secrets, build contexts


def test_files_of_configs_and_secrets_are_objects_too() -> None:
    found = release(
        {"web": {"configs": [{"source": "app", "target": "/app"}], "secrets": [{"source": "key"}]}},
        entries=[CONF],
        configs={"app": {"name": "shop_app", "file": f"{CHECKOUT}/shop/conf/app.conf"}},
        secrets={"key": {"name": "shop_key", "file": f"{CHECKOUT}/shop/key.pem"}},
    )
    assert found.model["configs"]["app"]["file"] == object_path(CONF)
    assert found.model["secrets"]["key"]["file"] == f"{ROOT}/data/shop/key.pem"
    assert found.objects == (CONF,)


def test_a_build_context_is_the_very_tree_that_git_holds() -> None:
    app = tracked("shop/app", EntryKind.FOLDER)
    found = release({"web": {"build": {"context": f"{CHECKOUT}/shop/app"}}}, entries=[app])
    web = spec_of(found, "web")
    assert web.definition["build"]["context"] == object_path(app)
    assert web.image == "shop-web"
    assert web.definition["build"]["labels"] == {LABEL_BUILD: web.build_digest}
    assert found.objects == (app,)


def test_a_build_context_that_git_does_not_track_is_refused() -> None:
    with pytest.raises(InvalidInputError) as refused:
        release({"web": {"build": {"context": f"{CHECKOUT}/shop/app"}}})
    assert str(refused.value) == (
        "shop/compose.yaml: services.web.build.context: the build context shop/app is not in Git; commit it"
    )


def test_a_build_context_elsewhere_stays_where_it_is() -> None:
    found = release({"web": {"build": {"context": "https://example.com/app.git"}}})
    assert spec_of(found, "web").definition["build"]["context"] == "https://example.com/app.git"


def test_additional_build_contexts_are_rewritten_one_by_one() -> None:
    app, lib = tracked("shop/app", EntryKind.FOLDER), tracked("lib", EntryKind.FOLDER)
    more = {"lib": f"{CHECKOUT}/lib", "base": "docker-image://debian"}
    build = {"context": f"{CHECKOUT}/shop/app", "additional_contexts": more}
    found = release({"web": {"build": build}}, entries=[app, lib])
    assert spec_of(found, "web").definition["build"]["additional_contexts"] == {
        "lib": object_path(lib),
        "base": "docker-image://debian",
    }


# What is taken out, and put in


def test_a_fixed_name_is_taken_out_and_remembered() -> None:
    found = release({"web": {"container_name": "the-web"}})
    assert spec_of(found, "web").container_name == "the-web"
    assert "container_name" not in found.model["services"]["web"]


def test_a_fixed_name_is_an_alias_until_the_container_gets_it() -> None:
    networks = {"back": {"aliases": ["www"]}, "default": None, "front": {"aliases": ["the-web"]}}
    found = release({"web": {"container_name": "the-web", "networks": networks}}, networks={"back": {}, "front": {}})
    assert spec_of(found, "web").definition["networks"] == {
        "back": {"aliases": ["www", "the-web"]},
        "default": {"aliases": ["the-web"]},
        "front": {"aliases": ["the-web"]},
    }


def test_keys_that_were_rendered_into_others_are_taken_out() -> None:
    spent = {
        "profiles": ["p"],
        "env_file": [{"path": f"{CHECKOUT}/x.env"}],
        "label_file": ["x"],
        "develop": {"watch": []},
    }
    assert spent.keys().isdisjoint(release({"web": spent}).model["services"]["web"])


def test_every_container_carries_whose_it_is_and_what_it_was_made_from() -> None:
    found = release({"web": {"labels": {"mine": "yes"}}})
    assert found.model["services"]["web"]["labels"] == {
        "mine": "yes",
        LABEL_ROOT: "root",
        LABEL_STACK: "shop",
        LABEL_DEFINITION: spec_of(found, "web").digest,
    }


def test_every_network_of_ours_carries_whose_it_is_and_what_it_was_made_from() -> None:
    found = release({"web": {}}, networks={"back": {"internal": True, "labels": {"mine": "yes"}}})
    labels = found.model["networks"]["back"]["labels"]
    assert labels == {
        "mine": "yes",
        LABEL_ROOT: "root",
        LABEL_STACK: "shop",
        LABEL_DEFINITION: {network.key: network.digest for network in found.networks}["back"],
    }
    assert {network.name for network in found.networks} == {"shop_default", "shop_back"}


def test_an_external_network_carries_nothing_of_ours() -> None:
    found = release({"web": {}}, networks={"edge": {"name": "edge", "external": True}})
    assert found.model["networks"]["edge"] == {"name": "edge", "external": True}
    assert [network.external for network in found.networks if network.key == "edge"] == [True]


def test_extensions_are_not_handed_on() -> None:
    extension: dict[str, Any] = {"x-common": {"a": 1}}
    assert "x-common" not in release({"web": {}}, **extension).model


def test_a_model_without_configs_gets_none() -> None:
    assert "configs" not in release({"web": {}}).model


def test_the_input_is_not_edited() -> None:
    services = {"web": {"container_name": "x", "labels": {"a": "b"}, "volumes": [bind(f"{CHECKOUT}/shop/conf")]}}
    before = deepcopy(services)
    release(services, entries=[FOLDER])
    assert services == before


# What is known of a service


def test_dependencies_keep_their_conditions() -> None:
    needs = {
        "db": "service_healthy",
        "job": {"condition": "service_completed_successfully", "restart": True},
        "cache": {"required": False},
    }
    found = release({"db": {}, "job": {}, "cache": {}, "web": {"depends_on": needs}})
    assert spec_of(found, "web").depends_on == (
        Dependency("cache", Condition.STARTED, required=False),
        Dependency("db", Condition.HEALTHY),
        Dependency("job", Condition.COMPLETED, restart=True),
    )


def test_what_somebody_waits_to_see_completed_is_a_job() -> None:
    found = release({"job": {}, "web": {"depends_on": {"job": "service_completed_successfully"}}})
    assert [spec.job for spec in found.services] == [True, False]


def test_stack_yaml_says_what_is_a_job() -> None:
    waited_for = {"job": {}, "web": {"depends_on": {"job": "service_completed_successfully"}}}
    assert not spec_of(release(waited_for, declared=manifest(jobs={"job": False})), "job").job
    assert spec_of(release({"init": {}}, declared=manifest(jobs={"init": True})), "init").job


@pytest.mark.parametrize(
    ("definition", "scale"),
    [({}, 1), ({"scale": 3}, 3), ({"deploy": {"replicas": 2}}, 2), ({"deploy": {"replicas": 0}}, 0), ({"scale": 0}, 0)],
)
def test_the_scale_is_what_compose_says(definition: dict[str, Any], scale: int) -> None:
    assert spec_of(release({"web": definition}), "web").scale == scale


def test_a_healthcheck_counts_when_it_tests_something() -> None:
    found = release({"a": healthy(), "b": {}, "c": {"healthcheck": {"interval": "5s"}}})
    assert [spec.healthcheck for spec in found.services] == [True, False, False]


def test_a_healthcheck_that_is_disabled_is_none() -> None:
    found = release({"a": {"healthcheck": {"disable": True}}, "b": {"healthcheck": {"test": ["NONE"]}}})
    assert [spec.healthcheck for spec in found.services] == [False, False]


@pytest.mark.parametrize(
    ("written", "seconds"), [("10s", 10.0), ("1m30s", 90.0), ("500ms", 0.5), ("1h0m0s", 3600.0), (None, None)]
)
def test_the_grace_of_a_stop_is_in_seconds(written: str | None, seconds: float | None) -> None:
    assert spec_of(release({"web": {"stop_grace_period": written}}), "web").stop_grace_s == seconds


def test_hooks_are_handed_over_as_commands_with_their_dollars_unescaped() -> None:
    hook = {"command": ["echo", "$$HOME"], "user": "root", "privileged": True, "environment": {"A": "$$B"}}
    found = spec_of(release({"web": {"post_start": [hook], "pre_stop": [{"command": "true"}]}}), "web")
    assert found.post_start == (LifecycleHook(("echo", "$HOME"), "root", True, "", {"A": "$B"}),)
    assert found.pre_stop == (LifecycleHook(("true",)),)


def test_a_rollout_for_a_service_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    declared = manifest(strategies={"sever": Strategy.STOP_FIRST})
    with pytest.raises(InvalidInputError) as refused:
        release({"server": {}}, declared=declared)
    assert str(refused.value) == (
        'shop/stack.yaml: rollout.services.sever: no service of this stack is named "sever"; did you mean "server"?'
    )


# Configs and secrets without a file are copied in


def injected(kind: str, entry: dict[str, Any], declared: dict[str, Any], **environment: str) -> tuple[Injection, ...]:
    top: dict[str, Any] = {kind: {"it": {"name": "shop_it", **declared}}}
    return spec_of(release({"web": {kind: [entry]}}, environment=environment, **top), "web").injections


def test_a_config_with_content_is_copied_in_where_it_belongs() -> None:
    (found,) = injected("configs", {"source": "it", "target": "/etc/app.conf"}, {"content": "a=$$b"})
    assert found == Injection("/etc/app.conf", "a=$b")
    (found,) = injected("configs", {"source": "it"}, {"content": "x"})
    assert found.path == "/it"


def test_a_secret_by_environment_is_copied_in_with_its_mode_and_owner() -> None:
    entry = {"source": "it", "uid": "103", "gid": "104", "mode": "0440"}
    assert injected("secrets", entry, {"environment": "KEY"}, KEY="s3cret") == (
        Injection("/run/secrets/it", "s3cret", 0o440, 103, 104),
    )


@pytest.mark.parametrize("key", ["uid", "gid"])
def test_an_owner_by_name_is_refused_where_it_stands(key: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        release({"web": {"configs": [{"source": "app", key: "www-data"}]}}, configs={"app": {"content": "x"}})
    assert refused.value.problems == (
        Problem(
            "shop/compose.yaml",
            0,
            f"services.web.configs.{key}",
            '"www-data" must be a number: names of users and groups are known inside of the image only',
        ),
    )


def test_an_owner_by_name_of_a_mounted_file_is_ignored_as_compose_does() -> None:
    configs = {"app": {"file": f"{CHECKOUT}/shop/conf/app.conf"}}
    found = release({"web": {"configs": [{"source": "app", "uid": "www-data"}]}}, configs=configs, entries=[CONF])
    assert spec_of(found, "web").injections == ()


def test_a_secret_with_a_target_of_its_own_lies_there() -> None:
    (found,) = injected("secrets", {"source": "it", "target": "/etc/key"}, {"environment": "KEY"}, KEY="x")
    assert found.path == "/etc/key"
    (found,) = injected("secrets", {"source": "it", "target": "key"}, {"environment": "KEY"}, KEY="x")
    assert found.path == "/run/secrets/key"


def test_a_secret_with_a_file_is_mounted_and_not_copied() -> None:
    assert injected("secrets", {"source": "it"}, {"file": "/etc/key"}) == ()


def test_variables_that_compose_reads_again_are_remembered_with_their_values() -> None:
    declared = {"key": {"environment": "KEY"}, "other": {"environment": "NOT_SET"}, "file": {"file": "/etc/key"}}
    found = release({"web": {}}, secrets=declared, environment={"KEY": "s3cret", "UNUSED": "x"})
    assert found.variables == {"KEY": "s3cret", "NOT_SET": ""}
    assert "s3cret" not in repr(found)


def test_what_is_copied_in_is_never_printed() -> None:
    assert "s3cret" not in repr(injected("secrets", {"source": "it"}, {"environment": "KEY"}, KEY="s3cret"))


def test_definitions_are_never_printed() -> None:
    assert "s3cret" not in repr(release({"web": {"environment": {"PASSWORD": "s3cret"}}}))
