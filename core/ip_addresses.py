"""Parsing and normalization of IP addresses and networks."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parse_address(text: str) -> Address | None:
    """Return the IP address in a text, or None if the text is not an IP address.

    A socket that listens on `::` reports IPv4 clients as `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2). Such an
    address is converted to IPv4, since all IPv4 clients would otherwise share one IPv6 network. The zone of
    `fe80::1%eth0` is dropped: it names a network interface of this machine.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def unmapped_network(network: Network) -> Network:
    """Return the IPv4 network for a network of IPv4-mapped addresses; return any other network unchanged."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network
