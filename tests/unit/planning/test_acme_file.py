"""Each CA has a file of its own, whoever writes its address, and however."""

from __future__ import annotations

import re

import pytest

from reconciler.planning.acme_file import CA_SERVER, LETS_ENCRYPT, acme_file

STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"


@pytest.mark.parametrize("variables", [{}, {CA_SERVER: ""}, {CA_SERVER: " "}, {CA_SERVER: LETS_ENCRYPT}])
def test_lets_encrypt_has_the_usual_file_whether_it_is_named_or_not(variables: dict[str, str]) -> None:
    assert acme_file(variables) == "acme.json"


def test_another_ca_has_a_file_of_its_own_that_stays_the_same() -> None:
    staging = acme_file({CA_SERVER: STAGING})
    assert re.fullmatch(r"acme-[0-9a-f]{8}\.json", staging)
    assert staging == acme_file({CA_SERVER: f" {STAGING}", "OTHER": "x"})
    assert staging != acme_file({CA_SERVER: "https://ca.example.com/directory"})
