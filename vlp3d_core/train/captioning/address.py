"""The address of an endpoint: what is asked there, and whether it is this computer."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from vlp3d_core.errors import UsageError

PATH = "/chat/completions"


@dataclass(frozen=True)
class Address:
    """Where requests go.

    Attributes:
        url: with the path of the request.
        host: name or number.
        local: the host is this computer by its name or number; no look-up decides it.
    """

    url: str
    host: str
    local: bool


def parse_address(url: str) -> Address:
    """The address behind `--endpoint`: "http://localhost:11434/v1" or the same with /chat/completions.

    Raises:
        UsageError: it is no http(s) address, or has a password or a query in it (they would end up in messages).
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not url.isascii() or any(c.isspace() for c in url.strip()):
        raise UsageError("The endpoint is not an address.", "It looks like http://localhost:11434/v1.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            "The endpoint's address has a user, a password or a query in it.",
            "Give the plain address, and a key in the environment variable MEDVLP_ENDPOINT_KEY.",
        )
    path = parts.path.rstrip("/")
    full = parts._replace(path=path if path.endswith(PATH) else path + PATH).geturl()
    return Address(full, host, _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
