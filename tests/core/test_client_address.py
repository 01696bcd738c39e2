"""Tests of the client's address and of the trusted proxies."""

from ipaddress import ip_network

import pytest

from core.middleware.client_address import client_address, current_request, socket_address
from core.settings import Settings

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("socket", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("2001:db8::1", ["2001:db9::5"], "2001:db9::5"),
        ("::ffff:10.0.0.1", ["::FFFF:198.51.100.1"], "198.51.100.1"),
        ("::ffff:192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", ["6.6.6.6, ::ffff:10.0.0.2"], "6.6.6.6"),
        ("10.0.0.1", ["2001:DB9:0::5"], "2001:db9::5"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db9::5]:4711, [2001:db9::6]"], "2001:db9::6"),
        ("testclient", ["198.51.100.1"], "testclient"),
        (None, ["198.51.100.1"], ""),
    ],
)
def test_only_a_trusted_proxy_can_set_the_client_address(
    socket: str | None, forwarded: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"type": "http", "client": (socket, 1) if socket else None, "headers": headers}

    assert client_address(scope, TRUSTED) == address


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (("::FFFF:c000:201", 1), "192.0.2.1"),
        (("::ffff:127.0.0.1%1", 1), "127.0.0.1"),
        (("2001:DB8:0:0::1", 1), "2001:db8::1"),
        (("fe80::1%eth0", 1), "fe80::1"),
        (("::", 1), "::"),
        (("a:b", 1), "a:b"),
        (("", 0), ""),
        (None, ""),
    ],
)
def test_an_address_has_one_canonical_form(client: tuple[str, int] | None, address: str) -> None:
    assert socket_address({"type": "http", "client": client, "headers": []}) == address
    assert socket_address({"type": "http", "headers": []}) == ""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_a_trusted_proxy_can_be_given_as_an_ipv4_mapped_address(given: str, expected: str) -> None:
    assert Settings(trusted_proxies=given).trusted_proxies == (ip_network(expected),)  # type: ignore[arg-type]


def test_no_proxy_is_trusted_by_default() -> None:
    scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": [(b"x-forwarded-for", b"198.51.100.1")]}

    assert client_address(scope, ()) == "127.0.0.1"


def test_outside_of_a_request_the_address_is_local() -> None:
    assert current_request().address == "local"
