"""From dropped files to a pair, or to the reason why not. The odd and bad inputs have a table of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.certs.model import DroppedFile, Reading
from reconciler.certs.reading.pair import group, read_pair
from reconciler.certs.reading.trust import Trust
from tests.certificates import NOW, Authority, Issued, make_key, pem, self_signed, weakened

CA = Authority()
SHOP = CA.issue("Shop.example.com", "*.shop.example.com", "192.0.2.1")
DAY = 86400.0


def read(
    issued: Issued,
    *,
    now: float = NOW,
    trust: Trust | None = None,
    chain: bytes | None = None,
    key: bytes | None = None,
) -> Reading:
    dropped = (
        DroppedFile("shop.crt", issued.chain_pem if chain is None else chain),
        DroppedFile("shop.key", issued.key_pem if key is None else key),
    )
    return read_pair("shop", dropped, now, trust)


# Which files make a pair


def named(*filenames: str) -> dict[str, list[str]]:
    found = group(DroppedFile(name, b"") for name in filenames)
    return {name: [file.name for file in files] for name, files in found.items()}


def test_files_of_one_name_are_one_pair_whatever_their_endings() -> None:
    assert named("b.key", "a.key", "b.PEM", "a.fullchain.pem", "a.privkey.pem", "c.p12", "c.pass", "d.e.crt") == {
        "a": ["a.fullchain.pem", "a.key", "a.privkey.pem"],
        "b": ["b.PEM", "b.key"],
        "c": ["c.p12", "c.pass"],
        "d.e": ["d.e.crt"],
    }


def test_what_editors_and_copying_tools_leave_about_is_no_file_of_a_pair() -> None:
    passing = (
        ".shop.crt.Xy12Ab",
        ".shop.crt.swp",
        "shop.crt~",
        "shop.crt.swp",
        "shop.key.part",
        "shop.crt.tmp",
        "4913",
    )
    assert (
        named(*passing, "#shop.crt#", ".#shop.crt", "~$shop.crt", ".crt", "README.md", "shop.csr", "shop.crt.filepart")
        == {}
    )


# What a pair is


def test_a_pair_tells_what_it_is_good_for() -> None:
    pair = read(SHOP).pair
    assert pair
    assert pair.domains == ("*.shop.example.com", "shop.example.com")
    assert pair.issuer == "Test Intermediate 1"
    assert pair.fingerprint == SHOP.fingerprint
    assert (pair.not_before, pair.not_after) == (NOW - DAY, NOW + 90 * DAY)


def test_what_is_published_is_the_chain_from_the_leaf_upwards_without_root_and_the_key_as_pkcs8() -> None:
    deep = Authority(depth=2).issue("a.test")
    shuffled = pem(deep.root, deep.above[1], SHOP.certificate, deep.certificate, deep.above[0])
    pair = read(deep, chain=shuffled).pair
    assert pair
    assert pair.chain == deep.chain_pem
    assert pair.key == deep.key_pem


def test_a_file_of_two_certificates_of_one_key_is_of_the_first() -> None:
    renewed = CA.issue("shop.example.com", key=SHOP.key, days=400)
    assert read(SHOP, chain=renewed.pem + SHOP.chain_pem).pair == read(renewed).pair


def test_of_two_intermediates_of_one_name_and_key_the_one_in_force_is_served() -> None:
    key = make_key()
    old, new = Authority(key=key, days=-1, since_days=900), Authority(key=key)
    shop = new.issue("a.test")
    pair = read(shop, chain=pem(shop.certificate, *old.intermediates, *shop.above)).pair
    assert pair
    assert pair.chain == shop.chain_pem


def test_a_stranger_before_the_leaf_is_a_wrong_order_too_as_the_proxy_takes_the_first_for_the_servers() -> None:
    stranger = CA.issue("other.example.com")
    assert ["order" in line for line in read(SHOP, chain=stranger.pem + SHOP.chain_pem).warnings] == [True, False]


def test_a_leaf_that_comes_with_the_root_that_issued_it_lacks_nothing() -> None:
    shop = Authority(depth=0).issue("shop.example.com")
    reading = read(shop, chain=pem(shop.certificate, shop.root))
    assert reading.pair
    assert reading.pair.chain == shop.pem
    assert ["root" in line for line in reading.warnings] == [True]


def test_a_signature_too_weak_to_be_checked_is_called_weak_and_its_issuer_no_stranger() -> None:
    shop = Authority(kind="rsa2048").issue("shop.example.com")
    reading = read(shop, chain=pem(weakened(shop.certificate, "SHA1"), *shop.above))
    assert "SHA1" in reading.problems[0]
    assert reading.warnings == ()


def test_names_of_foreign_origin_stay_on_one_line() -> None:
    shop = CA.issue("shop.example.com", name="shop\nexpired: everything")
    files = (DroppedFile("a\nb.crt", shop.chain_pem), DroppedFile("a\nb.key", CA.issue("a.test").key_pem))
    assert [r"shop\nexpired" in line and "\n" not in line for line in read_pair("a\nb", files, NOW).problems] == [True]
    assert [r"a\nb.key" in line and "\n" not in line for line in read_pair("a\nb", files[:1], NOW).problems] == [True]


def test_what_is_wrong_for_good_does_not_wait_for_what_may_still_arrive() -> None:
    locked = SHOP.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    reading = read(SHOP, chain=SHOP.chain_pem[:-100], key=locked)
    assert (len(reading.problems), reading.incomplete) == (2, False)


def test_a_damaged_key_that_still_names_the_right_public_key_is_not_served() -> None:
    shop = CA.issue("a.test", kind="rsa2048")
    good = shop.key.private_numbers()
    bad = RSAPrivateNumbers(good.p, good.q, good.d ^ 4, good.dmp1 ^ 4, good.dmq1 ^ 4, good.iqmp, good.public_numbers)
    wrong = bad.private_key(unsafe_skip_rsa_key_validation=True)
    reading = read(replace(shop, key=wrong))
    assert reading.pair is None
    assert "damaged" in reading.problems[0]


# Its time


def test_a_pair_whose_time_has_not_come_says_when_it_will() -> None:
    later = CA.issue("a.test", since_days=-2)
    reading = read(later)
    assert reading.pair is None
    assert (reading.not_before, reading.incomplete) == (NOW + 2 * DAY, False)
    assert read(later, now=NOW + 2 * DAY).pair


def test_a_pair_that_is_early_and_wrong_waits_for_nothing() -> None:
    assert read(CA.issue("192.0.2.1", since_days=-2)).not_before is None


def test_a_pair_under_an_intermediate_whose_time_has_not_come_waits_for_it() -> None:
    assert read(Authority(since_days=-5).issue("a.test")).not_before == NOW + 5 * DAY


def test_a_pair_is_served_until_it_expires() -> None:
    assert read(SHOP, now=NOW + 90 * DAY).pair == read(SHOP).pair
    assert read(SHOP, now=NOW + 91 * DAY).pair is None


# What the public trusts


def test_without_trust_nothing_is_said_of_a_private_authority() -> None:
    assert read(SHOP).warnings == ()


def test_a_private_authority_is_named_and_its_pair_is_served() -> None:
    reading = read(SHOP, trust=Trust(Authority("Public").root_pem))
    assert reading.pair
    assert [
        line for line in reading.warnings if "no public authority vouches" in line and "'Test Intermediate 1'" in line
    ]


@pytest.mark.parametrize("hosts", [("shop.example.com",), ("*.example.com",)])
def test_a_pair_of_a_trusted_authority_is_served_without_a_word(hosts: tuple[str, ...]) -> None:
    assert read(CA.issue(*hosts), trust=Trust(CA.root_pem)).warnings == ()


def test_a_leaf_alone_lacks_nothing_if_a_trusted_root_issued_it() -> None:
    flat = Authority(depth=0)
    shop = flat.issue("shop.example.com")
    assert read(shop, trust=Trust(flat.root_pem)).warnings == ()
    assert "is missing" in read(shop, trust=Trust(CA.root_pem)).warnings[0]
    assert "is missing" in read(shop).warnings[0]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_an_authority_of_ones_own_vouches_beside_the_public_ones(tmp_path: Path, depth: int) -> None:
    own, public, stranger = Authority("Own", depth=depth), Authority("Public"), Authority("Stranger")
    (tmp_path / "ca.pem").write_bytes(own.root_pem + CA.root_pem)
    trust = Trust(public.root_pem, str(tmp_path / "ca.pem"))
    for authority in (own, CA, public):
        assert read(authority.issue("shop.example.com"), trust=trust).warnings == ()
    (told,) = read(stranger.issue("shop.example.com"), trust=trust).warnings
    assert "neither a public authority nor one of certs.caFile vouches for it" in told


@pytest.mark.parametrize("content", [None, b"", b"no PEM at all"])
def test_a_file_of_authorities_that_cannot_be_read_is_what_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    (told,) = read(SHOP, trust=Trust(Authority("Public").root_pem, str(file))).warnings
    assert told.startswith(f"certs.caFile: {file} cannot be read (")


def test_what_was_said_before_any_authority_was_known_is_mended_by_knowing_it(tmp_path: Path) -> None:
    flat = Authority(depth=0)
    (tmp_path / "ca.pem").write_bytes(flat.root_pem)
    reading = read(flat.issue("shop.example.com"))
    assert reading.pair
    assert reading.warnings
    assert Trust(own=str(tmp_path / "ca.pem"), public=False).judged(reading.warnings, reading.pair, NOW) == ()
    assert Trust(public=False).judged(("other", *reading.warnings), reading.pair, NOW) == ("other", *reading.warnings)


def test_where_any_authority_is_normal_none_is_asked_for() -> None:
    assert read(SHOP, trust=Trust(Authority("Public").root_pem, public=False)).warnings == ()


def test_a_pair_that_is_refused_for_its_names_is_no_matter_of_trust() -> None:
    assert read(CA.issue("192.0.2.1"), trust=Trust(CA.root_pem)).warnings == ()


def test_a_self_signed_pair_is_told_so_once() -> None:
    assert len(read(self_signed("a.test"), trust=Trust(CA.root_pem)).warnings) == 1


def test_trust_is_of_the_time_that_comes_in() -> None:
    shop = CA.issue("a.test", days=5000)
    pair = read(shop).pair
    assert pair
    assert Trust(CA.root_pem).doubts(pair, NOW) == ()
    assert Trust(CA.root_pem).doubts(pair, NOW + 4000 * DAY)


def test_the_roots_that_the_public_trusts_can_be_read() -> None:
    assert read(SHOP, trust=Trust()).warnings


# Files that are still arriving

PAIRS = {
    "EC": SHOP,
    "RSA": CA.issue("shop.example.com", kind="rsa2048"),
    "deep": Authority(depth=2).issue("shop.example.com"),
    "alone": self_signed("shop.example.com"),
}


def same_or_nothing(issued: Issued, reading: Reading) -> bool:
    if reading.pair is None:
        return reading.incomplete and bool(reading.problems)
    leaf = x509.load_pem_x509_certificates(reading.pair.chain)[0]
    key = load_pem_private_key(reading.pair.key, None)
    return (
        leaf == issued.certificate
        and reading.pair.fingerprint == issued.fingerprint
        and key.public_key() == leaf.public_key()
    )


@given(st.sampled_from(sorted(PAIRS)), st.data())
@settings(max_examples=200, deadline=None)
def test_no_first_part_of_a_valid_pair_is_ever_taken_for_another(kind: str, data: st.DataObject) -> None:
    issued = PAIRS[kind]
    chain = issued.chain_pem[: data.draw(st.integers(0, len(issued.chain_pem)))]
    key = issued.key_pem[
        : data.draw(st.sampled_from([len(issued.key_pem), data.draw(st.integers(0, len(issued.key_pem)))]))
    ]
    assert same_or_nothing(issued, read(issued, chain=chain, key=key))


def test_a_chain_that_arrives_byte_by_byte_is_taken_at_the_end_of_a_certificate_and_nowhere_else() -> None:
    content = SHOP.chain_pem
    taken = [length for length in range(len(content) + 1) if read(SHOP, chain=content[:length]).pair]
    leaf = len(SHOP.pem)
    assert taken == [leaf - 1, leaf, len(content) - 1, len(content)]


@given(st.sampled_from(sorted(PAIRS)), st.sampled_from(sorted(PAIRS)), st.data())
@settings(max_examples=200, deadline=None)
def test_a_file_overwritten_in_place_is_never_taken_for_a_third(old: str, new: str, data: st.DataObject) -> None:
    """The first bytes of the new content before the last of the old: what a plain copy over a file looks like midway."""
    before, after = PAIRS[old], PAIRS[new]
    length = data.draw(st.integers(0, len(after.chain_pem)))
    chain = after.chain_pem[:length] + before.chain_pem[length:]
    reading = read(after, chain=chain, key=data.draw(st.sampled_from([before.key_pem, after.key_pem])))
    assert reading.pair is None or reading.pair.fingerprint in {before.fingerprint, after.fingerprint}


@given(st.sampled_from(sorted(PAIRS)), st.data())
@settings(max_examples=200, deadline=None)
def test_no_bytes_are_too_odd_to_be_answered(kind: str, data: st.DataObject) -> None:
    """A certificate with a few bytes of its DER changed, which may leave any part of it unreadable."""
    issued = PAIRS[kind]
    der = bytearray(issued.certificate.public_bytes(Encoding.DER))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    reading = read(issued, chain=bytes(der), trust=data.draw(st.sampled_from([None, Trust(CA.root_pem)])))
    assert reading.pair or reading.problems


def test_a_fault_that_may_be_over_in_a_moment_is_waited_for_and_no_other() -> None:
    for passing in (True, False):
        link = DroppedFile("shop.crt", b"", fault="it is a link that leads nowhere", passing=passing)
        found = read_pair("shop", (link, DroppedFile("shop.key", SHOP.key_pem)), NOW)
        assert (found.pair, found.incomplete) == (None, passing)
