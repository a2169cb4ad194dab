"""In which order stacks are worked on, and which wait for each other for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.planning.stack_order import cycles, order


@pytest.mark.parametrize(
    ("depends", "ordered"),
    [
        ({}, ()),
        ({"b": (), "a": ()}, ("a", "b")),
        ({"a": ("b",), "b": ("c",), "c": ()}, ("c", "b", "a")),
        ({"a": ("db",), "b": (), "db": ()}, ("b", "db", "a")),
        ({"a": ("unknown",), "b": ("a", "a")}, ("a", "b")),
        ({"a": ("b",), "b": ("a",), "c": ("a",), "d": ()}, ("a", "b", "d", "c")),
        ({"a": ("b", "c"), "b": ("a",), "c": ("d",), "d": ("c",)}, ("b", "c", "d", "a")),
    ],
)
def test_what_is_depended_on_comes_first_and_the_alphabet_decides_the_rest(
    depends: dict[str, tuple[str, ...]], ordered: tuple[str, ...]
) -> None:
    assert order(depends) == ordered


@pytest.mark.parametrize(
    ("depends", "found"),
    [
        ({"a": ("b",), "b": ()}, {}),
        ({"a": ("a",)}, {"a": ("a",)}),
        ({"a": ("b",), "b": ("a",)}, {"a": ("a", "b"), "b": ("b", "a")}),
        (
            {"a": ("b",), "b": ("c",), "c": ("a",), "waits": ("a",), "not": ()},
            {"a": ("a", "b", "c"), "b": ("b", "c", "a"), "c": ("c", "a", "b")},
        ),
        ({"a": ("b", "c"), "b": ("c",), "c": ("a",)}, {"a": ("a", "c"), "b": ("b", "c", "a"), "c": ("c", "a")}),
    ],
)
def test_each_stack_of_a_circle_is_shown_its_shortest_way_round(
    depends: dict[str, tuple[str, ...]], found: dict[str, tuple[str, ...]]
) -> None:
    assert cycles(depends) == found


NAMES = "abcdefg"
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4).map(tuple))


@given(GRAPHS)
def test_every_name_comes_once_and_after_all_that_do_not_wait_for_it(depends: dict[str, tuple[str, ...]]) -> None:
    ordered = order(depends)
    assert sorted(ordered) == sorted(depends)
    for name, others in depends.items():
        for other in others:
            if other in depends and not leads_to(depends, other, name):
                assert ordered.index(other) < ordered.index(name)


@given(GRAPHS)
def test_a_circle_is_found_exactly_where_a_name_leads_back_to_itself(depends: dict[str, tuple[str, ...]]) -> None:
    found = cycles(depends)
    assert set(found) == {
        name for name in depends if any(leads_to(depends, other, name) for other in depends[name] if other in depends)
    }
    for name, way in found.items():
        assert way[0] == name
        assert all(after in depends[before] for before, after in zip(way, (*way[1:], name), strict=True))


def leads_to(depends: dict[str, tuple[str, ...]], start: str, goal: str) -> bool:
    reached, ahead = {start}, [start]
    while ahead:
        new = {other for other in depends[ahead.pop()] if other in depends} - reached
        reached |= new
        ahead.extend(new)
    return goal in reached
