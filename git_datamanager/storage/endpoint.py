"""Which service a request may be sent to (reliability.md S21). Pure: no name is resolved."""

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from git_datamanager.errors import SettingsError

_LOCAL_NAMES = frozenset(("localhost", "localhost.localdomain"))
_METADATA_NAMES = frozenset(("metadata", "metadata.google.internal", "instance-data"))
_METADATA_V6 = ipaddress.ip_network("fd00:ec2::/32")
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_endpoint(endpoint: str, *, insecure: bool) -> str:
    """The endpoint without a closing slash. SettingsError for what nobody should send a signature to."""
    split = _split(endpoint)
    host = (split.hostname or "").rstrip(".")
    if split.scheme not in ("http", "https") or not host:
        raise SettingsError(f"the endpoint {_shown(split)} is not an https:// address")
    if split.username is not None or split.password is not None:
        raise SettingsError(f"credentials do not belong in the address of the endpoint {host}")
    if split.query or split.fragment or split.path not in ("", "/"):
        raise SettingsError(f"the endpoint {_shown(split)} has more than a host and a port")
    ip = _ip(host)
    if host in _METADATA_NAMES or (ip is not None and _is_metadata(ip)):
        raise SettingsError(f"the endpoint {host} is where a cloud hands out credentials, not a store")
    if split.scheme == "http" and not insecure and not _is_this_machine(host, ip):
        raise SettingsError(
            f"the endpoint {_shown(split)} is not encrypted",
            hints=[f"use https://{split.netloc}", "or add insecure=1 to the query of the store's URL"],
        )
    return endpoint.rstrip("/")


def _split(endpoint: str) -> SplitResult:
    try:
        split = urlsplit(endpoint)
        split.port  # noqa: B018 -- raises for a port that is none
    except ValueError as error:
        raise SettingsError("the endpoint is not an address") from error
    return split


def _shown(split: SplitResult) -> str:
    """Without what may be a secret: user, password, query."""
    return f"{split.scheme}://{split.hostname or ''}{split.path}"


def _ip(host: str) -> Ip | None:
    """The address a host is, in every spelling resolvers know: 2852039166, 0xa9fea9fe, 169.254.43518."""
    try:
        if ":" in host:
            v6 = ipaddress.IPv6Address(host.partition("%")[0])
            return v6.ipv4_mapped or v6
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (ValueError, OSError):
        return None


def _is_metadata(ip: Ip) -> bool:
    return ip.is_link_local or ip.is_unspecified or (ip.version == 6 and ip in _METADATA_V6)


def _is_this_machine(host: str, ip: Ip | None) -> bool:
    return host in _LOCAL_NAMES or (ip is not None and ip.is_loopback)
