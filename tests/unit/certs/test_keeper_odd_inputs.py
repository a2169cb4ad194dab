"""Whatever odd or bad thing is dropped over a pair that is served: it is said what it is, and what was served is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.certs.model import DroppedFile
from tests.certificates import NOW
from tests.unit.certs.odd_inputs import CA, CASES, Case
from tests.unit.certs.scene import Scene

pytestmark = pytest.mark.filterwarnings("ignore:PKCS#12 bundle could not be parsed as DER")

SERVED = ("shop.example.com", "other.example.com")
BAD = [case for case in CASES if case.verdict != "taken"]


def as_dropped(case: Case) -> dict[str, bytes] | None:
    """None where what is wrong is not in the bytes."""
    files = case.files()
    if any(isinstance(content, DroppedFile) for content in files.values()):
        return None
    return {name: content for name, content in files.items() if isinstance(content, bytes)}


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in BAD if as_dropped(case) is not None])
def test_what_was_served_is_served_and_the_list_says_what_is_wrong(tmp_path: Path, case: Case) -> None:
    scene = Scene(tmp_path, *SERVED)
    scene.clock.advance(NOW - scene.clock.now())
    good, other = scene.drop("shop", CA.issue("shop.example.com")), scene.drop("other", CA.issue("other.example.com"))
    scene.turn()
    scene.remove("shop")
    for name, content in (as_dropped(case) or {}).items():
        (scene.certs / name).write_bytes(content)
    scene.turn()
    assert scene.shows("shop.example.com") == good.fingerprint
    assert scene.shows("other.example.com") == other.fingerprint
    said = [record.message for record in scene.records().values() if record.state in ("invalid", "pending")]
    says = case.says.replace(" is larger", ".* larger")  # the folder says it before anybody reads it
    assert [message for message in said if re.search(says, message)], scene.records()


def test_at_least_fifty_of_them_are_tried() -> None:
    assert len([case for case in BAD if as_dropped(case) is not None]) >= 50
