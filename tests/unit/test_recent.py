"""What is kept of what was found out lately."""

from __future__ import annotations

from reconciler.recent import Recent


def test_what_was_put_in_last_is_kept_and_no_more_than_that() -> None:
    recent: Recent[str, int] = Recent(2)
    for number, key in enumerate("abc"):
        recent.put(key, number)
    assert [recent.get(key) for key in "abc"] == [None, 1, 2]
    recent.drop("c")
    recent.drop("never there")
    assert recent.get("c") is None


def test_what_is_there_is_not_made_again_even_where_it_is_nothing() -> None:
    recent: Recent[str, bool] = Recent(2)
    made: list[str] = []

    def make() -> bool:
        made.append("once more")
        return False

    assert (recent.or_made("a", make), recent.or_made("a", make)) == (False, False)
    assert made == ["once more"]
