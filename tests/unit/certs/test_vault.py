"""What was served last, across restarts: one closed file, and the certificate for all other names."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.certs.model import Pair
from reconciler.certs.vault import Kept, Vault
from tests.certificates import Authority

SHOP = Authority().issue("a.test")
PAIR = Pair("shop", SHOP.chain_pem, SHOP.key_pem, ("a.test",), "Test", SHOP.fingerprint, 1.0, 2.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "certificates" / "pairs.json"


@pytest.fixture
def vault(file: Path, tmp_path: Path) -> Vault:
    return Vault(file, tmp_path / "staging")


def test_what_is_saved_is_loaded_by_the_next_process_and_closed_to_others(
    vault: Vault, file: Path, tmp_path: Path
) -> None:
    kept = Kept({"shop": PAIR}, {"f1 1.5": "it was not shown"})
    vault.save(kept)
    assert Vault(file, tmp_path / "staging").load() == kept
    assert file.stat().st_mode & 0o777 == 0o600


def test_before_the_first_save_nothing_is_kept(vault: Vault) -> None:
    assert vault.load() == Kept()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"accepted": [{}]}', b'{"accepted": 1}', b'{"refused": 1}', b"\xff"]
)
def test_a_damaged_file_keeps_nothing_and_takes_nobody_down(vault: Vault, file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    assert vault.load() == Kept()


def test_only_so_many_refusals_are_kept_and_the_last_ones(vault: Vault) -> None:
    vault.save(Kept(refused={str(number): "why" for number in range(250)}))
    assert tuple(vault.load().refused) == tuple(str(number) for number in range(150, 250))


def test_the_certificate_for_all_other_names_is_made_once(vault: Vault, file: Path, tmp_path: Path) -> None:
    made = vault.default()
    assert Vault(file, tmp_path / "staging").default() == made
    assert (file.with_name("default.json").stat().st_mode & 0o777) == 0o600


def test_a_damaged_default_is_made_anew(vault: Vault, file: Path) -> None:
    vault.default()
    file.with_name("default.json").write_bytes(b"{")
    made = vault.default()
    assert vault.default() == made


def test_nothing_that_is_kept_shows_a_key(vault: Vault) -> None:
    secrets = [PAIR.key.decode().splitlines()[1], vault.default().key.decode().splitlines()[1]]
    shown = repr(Kept({"shop": PAIR})) + repr(vault.default()) + repr(vars(vault))
    assert not any(secret in shown for secret in secrets)
