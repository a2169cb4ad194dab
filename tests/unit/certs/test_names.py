"""Which hosts a certificate's name covers."""

from __future__ import annotations

import pytest

from reconciler.certs.names import canonical, covers, is_pattern


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("shop.example.com", "shop.example.com"),
        ("Shop.Example.COM", "shop.example.com"),
        ("shop.example.com", "SHOP.EXAMPLE.COM."),
        ("shop.example.com.", "shop.example.com"),
        ("*.example.com", "shop.example.com"),
        ("*.EXAMPLE.com", "Shop.example.com."),
        ("*.example.com", "*.example.com"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("*.xn--bcher-kva.example", "www.Bücher.example"),
        ("shop_1.example.com", "shop_1.example.com"),
        ("localhost", "localhost"),
    ],
)
def test_a_name_covers_its_host_whatever_case_dot_or_alphabet_it_is_written_in(pattern: str, host: str) -> None:
    assert covers(pattern, host)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*.example.com", "example.com"),
        ("*.example.com", "www.shop.example.com"),
        ("*.example.com", ".example.com"),
        ("*.example.com", "shopexample.com"),
        ("shop.example.com", "example.com"),
        ("example.com", "shop.example.com"),
        ("shop.example.com", "*.example.com"),
        ("*.shop.example.com", "*.example.com"),
        ("*", "localhost"),
        ("*", "example.com"),
        ("*.*.example.com", "www.shop.example.com"),
        ("sh*.example.com", "shop.example.com"),
        ("www.*.com", "www.example.com"),
        ("*.example.com", "*"),
        ("", ""),
        (".", "."),
        ("xn--bcher-kva.example", "bucher.example"),
    ],
)
def test_a_wildcard_stands_for_one_whole_leftmost_label_and_for_nothing_else(pattern: str, host: str) -> None:
    assert not covers(pattern, host)


@pytest.mark.parametrize(
    "name", ["a b.example", "a`b.example", "{{x}}.example", "a\nb.example", "-a.example", "a..b", "x" * 64, "a." * 130]
)
def test_what_could_be_no_hosts_name_is_no_pattern(name: str) -> None:
    assert not is_pattern(canonical(name))
