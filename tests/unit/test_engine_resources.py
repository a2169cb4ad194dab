"""Limits of a living container: read in one form, and what to send to have them back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.docker_engine.resources import Capacity, Value, normal, update_bodies
from reconciler.model.errors import StalledError

HOST = Capacity(cpus=4, memory=8 << 30)
UNLIMITED: dict[str, Any] = {"PidsLimit": None, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}


def after(host_config: dict[str, Any], *bodies: dict[str, object]) -> dict[str, Any]:
    """What the engine's ``HostConfig`` is after these updates: it takes 0 and "" as "leave it"."""
    for body in bodies:
        host_config = {**host_config, **{key: value for key, value in body.items() if value not in (0, "")}}
    return host_config


@pytest.mark.parametrize(
    "same",
    [
        {"PidsLimit": 0},
        {"PidsLimit": -1},
        {"MemorySwap": -1},
        {"MemoryReservation": -1},
        {"CpuQuota": -1},
        {"CpuPeriod": 100_000},
        {"CpuShares": 1024},
        {"BlkioWeight": 500},
        {"CpusetCpus": "0-3"},
        {"CpusetCpus": "0,1-2,3"},
        {"Memory": 8 << 30, "MemorySwap": -1},
        {"NanoCpus": 4 * 10**9},
        {"RestartPolicy": {"Name": "", "MaximumRetryCount": 0}},
        {"RestartPolicy": None},
    ],
)
def test_every_way_to_say_no_limit_reads_the_same(same: dict[str, Any]) -> None:
    assert normal({**UNLIMITED, **same}, HOST) == normal(UNLIMITED, HOST)


@pytest.mark.parametrize(
    "other",
    [
        {"PidsLimit": 10},
        {"Memory": 64 << 20, "MemorySwap": 128 << 20},
        {"CpusetCpus": "0-2"},
        {"NanoCpus": 10**9},
        {"CpuShares": 2},
        {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}},
    ],
)
def test_a_limit_reads_as_another(other: dict[str, Any]) -> None:
    assert normal({**UNLIMITED, **other}, HOST) != normal(UNLIMITED, HOST)


def test_nothing_to_change_is_nothing_to_send() -> None:
    assert update_bodies(dict(normal(UNLIMITED, HOST)), UNLIMITED, HOST) == ()


def test_what_is_left_out_stays() -> None:
    (body,) = update_bodies({"PidsLimit": 5}, {**UNLIMITED, "CpuShares": 2}, HOST)
    assert body == {"PidsLimit": 5}


def test_a_memory_limit_goes_with_its_swap_limit() -> None:
    (body,) = update_bodies({"Memory": 64 << 20}, UNLIMITED, HOST)
    assert body == {"Memory": 64 << 20, "MemorySwap": 128 << 20}


def test_what_cannot_be_undone_says_how_to_go_on() -> None:
    with pytest.raises(StalledError, match=r"CpusetMems.*made anew"):
        update_bodies({"CpusetMems": ""}, {**UNLIMITED, "CpusetMems": "0"}, HOST)


limits = st.fixed_dictionaries(
    {
        "BlkioWeight": st.sampled_from([0, 300]),
        "CpuQuota": st.sampled_from([0, 50_000]),
        "CpuShares": st.sampled_from([0, 2, 512]),
        "CpusetCpus": st.sampled_from(["", "0", "0-1"]),
        "Memory": st.sampled_from([0, 64 << 20, 1 << 30]),
        "NanoCpus": st.sampled_from([0, 10**9]),
        "PidsLimit": st.sampled_from([0, 50]),
        "RestartPolicy.Name": st.sampled_from(["no", "always", "on-failure"]),
    }
)
swaps = st.sampled_from([-1, 1 << 30, 2 << 30])


@given(limits, swaps, limits, swaps)
def test_whatever_was_set_the_first_limits_can_be_had_back(
    first: dict[str, Value], first_swap: int, then: dict[str, Value], then_swap: int
) -> None:
    first = {**first, "MemorySwap": first_swap if first["Memory"] else 0}
    then = {**then, "MemorySwap": then_swap if then["Memory"] else 0}
    made = after(UNLIMITED, *update_bodies(first, UNLIMITED, HOST))
    assert dict(normal(made, HOST)) | first == dict(normal(made, HOST))
    changed = after(made, *update_bodies(then, made, HOST))
    mended = after(changed, *update_bodies(dict(normal(made, HOST)), changed, HOST))
    assert normal(mended, HOST) == normal(made, HOST)
