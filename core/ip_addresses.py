"""IP addresses and networks, each in one form."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parse_address(text: str) -> Address | None:
    """Return the address that a text is; None for other texts.

    A socket that listens on `::` names its IPv4 clients `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2): that becomes
    the IPv4 address, or all of them would share one IPv6 network. The zone of `fe80::1%eth0` is dropped: it names a
    network card of this machine.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def unmapped_network(network: Network) -> Network:
    """Return the network of IPv4 that a network of IPv4-mapped addresses is; any other as it is."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network
