"""Where callbacks may go: `Destinations.rules(url)`."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import httpx

from eyebright_kit.egress import EgressDenied, EgressRules, require_callable, shown
from eyebright_kit.service.options import is_loopback

_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_ANYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_PORTS = {"http": 80, "https": 443}
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Destinations:
    """Public addresses over https; this machine where only this machine can call the service; and what the operator named."""

    callbacks: tuple[str, ...] = ()
    loopback: bool = True

    def rules(self, url: str) -> EgressRules:
        """By which this one may be called. Raises EgressDenied with what whoever runs the service can do."""
        rules = self._rules(url)
        try:
            require_callable(url, rules)
        except EgressDenied:
            raise EgressDenied(
                f"callback_url {shown(url)} may not be called: it is neither public https nor permitted. Whoever runs this "
                "service can permit it: serve --callback http://host:port/"
            ) from None
        return rules

    def _rules(self, url: str) -> EgressRules:
        try:
            asked = httpx.URL(url)
        except httpx.InvalidURL:
            return EgressRules()
        if self._named(asked):
            return _permitting(asked, _ANYWHERE)
        if self.loopback and is_loopback(asked.host):
            return _permitting(asked, _LOOPBACK)
        return EgressRules(connect_seconds=_CONNECT_SECONDS, read_seconds=_READ_SECONDS)

    def _named(self, url: httpx.URL) -> bool:
        return any(_begins(url, httpx.URL(callback)) for callback in self.callbacks)


def _permitting(url: httpx.URL, allow: tuple[IPv4Network | IPv6Network, ...]) -> EgressRules:
    port = url.port or _PORTS.get(url.scheme, 0)
    return EgressRules(
        schemes=("http", "https"),
        ports=(port,),
        allow=allow,
        connect_seconds=_CONNECT_SECONDS,
        read_seconds=_READ_SECONDS,
    )


def _begins(url: httpx.URL, beginning: httpx.URL) -> bool:
    """The same server, and a path below that one; `..` leads nowhere else, because it is refused."""
    below = beginning.path if beginning.path.endswith("/") else f"{beginning.path}/"
    same = (url.scheme, url.host, url.port) == (beginning.scheme, beginning.host, beginning.port)
    return same and f"{url.path}/".startswith(below) and ".." not in url.path.split("/")
