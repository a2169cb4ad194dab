"""Everything odd and bad that people drop into ``certs/`` is told what it is: the laws over the table of odd inputs."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from reconciler.certs.model import DroppedFile, Reading
from reconciler.certs.reading.pair import read_pair
from tests.certificates import NOW
from tests.unit.certs.odd_inputs import CASES, MENDED, ODD, PASSWORD, TAKEN, Case, Verdict

# The library says aloud that it reads a bundle in the form of Java, and that it may not for ever.
pytestmark = pytest.mark.filterwarnings("ignore:PKCS#12 bundle could not be parsed as DER")


def files_of(case: Case) -> list[DroppedFile]:
    return [part if isinstance(part, DroppedFile) else DroppedFile(name, part) for name, part in case.files().items()]


def read(case: Case) -> Reading:
    dropped = files_of(case)
    return read_pair(dropped[0].name.split(".")[0], dropped, NOW)


def verdict(reading: Reading) -> Verdict:
    if reading.pair:
        return "taken"
    return "waiting" if reading.incomplete else "refused"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in CASES])
def test_whatever_is_dropped_gets_one_line_that_says_what_it_is_and_how_to_mend_it(case: Case) -> None:
    reading = read(case)
    assert verdict(reading) == case.verdict, reading
    said = reading.warnings if reading.pair else reading.problems
    assert [bool(re.search(case.says, line)) for line in said] == [True] * bool(case.says), said
    assert (reading.pair is None) == bool(reading.problems)
    assert all(line.isprintable() for line in (*reading.problems, *reading.warnings))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in CASES])
def test_no_message_and_no_repr_shows_a_key_or_a_password(case: Case) -> None:
    dropped, reading = files_of(case), read(case)
    told = f"{reading!r} {dropped!r}"
    secrets = [line for file in dropped for line in file.content.split() if len(line) > 30]
    published = (reading.pair.key + reading.pair.chain).split(b"\n") if reading.pair else []
    assert PASSWORD.decode() not in told
    assert "battery" not in told
    assert not [line for line in (*secrets, *published) if line and line.decode("latin-1") in told]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in [*TAKEN, *MENDED, *ODD]])
def test_what_is_published_reads_again_as_itself_with_nothing_left_to_mend(case: Case) -> None:
    first = read(case)
    assert first.pair
    name = first.pair.name
    again = read_pair(
        name, [DroppedFile(f"{name}.crt", first.pair.chain), DroppedFile(f"{name}.key", first.pair.key)], NOW
    )
    assert again.pair == first.pair
    assert again.warnings == tuple(line for line in first.warnings if case in ODD and "chmod" not in line)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in [*TAKEN, *MENDED, *ODD]])
def test_what_is_published_is_what_a_tls_server_loads(case: Case, tmp_path: Path) -> None:
    pair = read(case).pair
    assert pair
    served = tmp_path / "served.pem"
    served.write_bytes(pair.chain + pair.key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(served)
