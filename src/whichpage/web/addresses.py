"""Under which addresses this computer can be reached, without asking anybody."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import closing, suppress

# An address that is reserved for documentation: a datagram socket "connected" to it sends nothing, but the
# system says which of its own addresses it would send from.
_ELSEWHERE = (("192.0.2.1", 9, socket.AF_INET), ("2001:db8::1", 9, socket.AF_INET6))


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches a host: every address that the name stands for is its own.

    Raises:
        OSError: the name cannot be resolved.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def names_loopback(name: str) -> bool:
    """Whether a name means this computer to whoever says it, without looking it up.

    Looking up would not tell: to this computer its own name is often a loopback address, to others it is not.
    """
    host = name.lower().rstrip(".")
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def local_addresses() -> list[str]:
    """Addresses of this computer that its neighbours reach, the one towards the network's gate first."""
    found: list[str] = []
    for address, port, family in _ELSEWHERE:
        with suppress(OSError), closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((address, port))
            found.append(str(probe.getsockname()[0]))
    with suppress(OSError):
        entries = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
        found += [str(entry[4][0]) for entry in entries]
    return [address for address in dict.fromkeys(found) if _is_reachable(address)]


def in_url(host: str) -> str:
    """A host as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _is_reachable(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)
