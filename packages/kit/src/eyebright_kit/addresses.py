"""Which addresses lie outside the public internet: `kind_of(address)`.

A list of our own, from IANA's special-purpose registries, since `ipaddress.is_global` answers for the address as it is written:
it takes NAT64 for public whatever lies behind it, and 6to4 and multicast as well.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: The first network that holds an address decides; None is the public internet.
_IPV4: tuple[tuple[IPv4Network, str | None], ...] = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "link-local"),  # what every virtual machine on Azure asks for its secrets
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
        ("0.0.0.0/0", None),
    )
)
_IPV6: tuple[tuple[IPv6Network, str | None], ...] = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("2001:db8::/32", "documentation"),
        ("2001::/32", "Teredo"),  # tunnels into IPv4, long switched off: what comes this way means to get around a list
        ("2001:2::/48", "benchmarking"),
        ("2001::/23", "reserved"),
        ("2002::/16", "6to4"),  # as Teredo
        ("3fff::/20", "documentation"),
        ("2000::/3", None),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
        ("::/0", "reserved"),
    )
)
#: Here the last four bytes are the IPv4 address that is really called. Networks without IPv4 reach all of it through NAT64.
_CARRIERS = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def kind_of(address: Address) -> str | None:
    """What an address is, such as "private"; None when it belongs to the public internet."""
    address = destination(address)
    if isinstance(address, IPv4Address):
        return next(kind for network, kind in _IPV4 if address in network)
    return next(kind for network, kind in _IPV6 if address in network)


def destination(address: Address) -> Address:
    """The address that is called in the end: the IPv4 one inside a mapped or NAT64 address, otherwise itself."""
    if isinstance(address, IPv6Address) and any(address in carrier for carrier in _CARRIERS):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
