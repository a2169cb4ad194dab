"""Laws of the paths that hide in a rendered model where one does not look for them at first."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.desired import Release, Seed
from reconciler.model.errors import InvalidInputError
from reconciler.model.source import EntryKind, TreeEntry
from tests.builders import CHECKOUT, ROOT, object_path, release, spec_of, tracked, volume

PROFILE = tracked("shop/seccomp.json")
APP = tracked("shop/app", EntryKind.FOLDER)
DOCKER = tracked("shop/docker", EntryKind.FOLDER)
DOCKERFILE = tracked("shop/docker/Dockerfile")
PLACE = tracked("shop/place", EntryKind.FOLDER)


def problem_of(*entries: TreeEntry, **service: Any) -> str:
    with pytest.raises(InvalidInputError) as refused:
        release({"web": service}, entries=entries)
    return str(refused.value)


# Seccomp profiles: Compose leaves their paths as they were written, and reads them relative to the model's folder.


@pytest.mark.parametrize("key", ["seccomp:", "seccomp="])
def test_a_seccomp_profile_is_read_from_its_object(key: str) -> None:
    found = release({"web": {"security_opt": [f"{key}./seccomp.json", "no-new-privileges:true"]}}, entries=[PROFILE])
    assert spec_of(found, "web").definition["security_opt"] == [
        f"{key}{object_path(PROFILE)}",
        "no-new-privileges:true",
    ]
    assert found.objects == (PROFILE,)


@pytest.mark.parametrize(
    "option", ["seccomp:unconfined", "seccomp=builtin", "apparmor:x.json", "seccomp=/etc/own.json"]
)
def test_a_security_option_without_a_path_of_the_repository_stays(option: str) -> None:
    found = release({"web": {"security_opt": [option]}}, entries=[PROFILE])
    assert spec_of(found, "web").definition["security_opt"] == [option]


def test_a_seccomp_profile_that_git_does_not_track_is_refused() -> None:
    assert problem_of(security_opt=["seccomp:./seccomp.json"]) == (
        "shop/compose.yaml: services.web.security_opt: the seccomp profile shop/seccomp.json is not in Git; commit it"
    )


# Dockerfiles: the context is copied away from what lies beside it.


def built(dockerfile: str) -> Release:
    build = {"context": f"{CHECKOUT}/shop/app", "dockerfile": dockerfile}
    return release({"web": {"build": build}}, entries=[APP, DOCKER, DOCKERFILE])


@pytest.mark.parametrize("dockerfile", ["../docker/Dockerfile", f"{CHECKOUT}/shop/docker/Dockerfile"])
def test_a_dockerfile_outside_of_its_context_is_an_object_itself(dockerfile: str) -> None:
    found = built(dockerfile)
    assert spec_of(found, "web").definition["build"]["dockerfile"] == object_path(DOCKERFILE)
    assert found.objects == (APP, DOCKERFILE)


@pytest.mark.parametrize("dockerfile", ["docker/Dockerfile", f"{CHECKOUT}/shop/app/docker/Dockerfile"])
def test_a_dockerfile_inside_of_its_context_moves_with_it(dockerfile: str) -> None:
    found = built(dockerfile)
    assert spec_of(found, "web").definition["build"]["dockerfile"] == "docker/Dockerfile"
    assert found.objects == (APP,)


def test_a_dockerfile_that_git_does_not_track_is_refused() -> None:
    build = {"context": f"{CHECKOUT}/shop/app", "dockerfile": "../Dockerfile"}
    assert problem_of(APP, build=build) == (
        "shop/compose.yaml: services.web.build.dockerfile: the Dockerfile shop/Dockerfile is not in Git; commit it"
    )


def test_a_build_context_behind_a_link_is_what_the_link_leads_to() -> None:
    link = tracked("shop/current", EntryKind.SYMLINK)
    found = release(
        {"web": {"build": {"context": f"{CHECKOUT}/shop/current"}}},
        entries=[APP, link],
        targets={link.path: "app"},
    )
    assert spec_of(found, "web").definition["build"]["context"] == object_path(APP)


# Volumes that are folders: without this, what containers write would end up in a checkout that does not last.


def mounted(device: str, *entries: TreeEntry) -> Release:
    volumes = {"place": {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": device}}}
    return release({"web": {"volumes": [volume("place")]}}, entries=entries, volumes=volumes)


def device_of(found: Release) -> str:
    return str(found.model["volumes"]["place"]["driver_opts"]["device"])


def test_a_volume_that_is_a_folder_of_the_repository_is_host_data() -> None:
    found = mounted(f"{CHECKOUT}/shop/place")
    assert device_of(found) == f"{ROOT}/data/shop/place"
    assert found.seeds == ()


def test_a_volume_that_is_a_tracked_folder_starts_as_what_git_holds() -> None:
    found = mounted(f"{CHECKOUT}/shop/place", PLACE)
    assert device_of(found) == f"{ROOT}/data/shop/place"
    assert found.seeds == (Seed(f"{ROOT}/data/shop/place", PLACE),)
    assert found.objects == ()


@pytest.mark.parametrize("device", ["/srv/elsewhere", ":/exported", "tmpfs", "./relative-as-written"])
def test_a_volume_that_is_elsewhere_stays_there(device: str) -> None:
    assert device_of(mounted(device)) == device


def test_a_volume_in_our_own_state_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="leads out of the repository"):
        mounted(f"{ROOT}/state")


# Dependencies on services whose profile is off


def test_a_dependency_that_need_not_be_there_is_taken_out_when_it_is_not() -> None:
    needs = {"there": {}, "off": {"required": False}}
    found = release({"web": {"depends_on": needs}, "there": {}})
    web = spec_of(found, "web")
    assert list(web.definition["depends_on"]) == ["there"]
    assert [dependency.service for dependency in web.depends_on] == ["there"]
