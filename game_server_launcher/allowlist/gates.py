"""The protected ports and who may come to them. Plain state: no socket, no clock, no nftables."""

from ipaddress import IPv6Address, ip_address

from msgspec import Struct


class NotDone(Exception):
    """Something that is asked for is not done.

    Attributes:
        code: for programs; the text is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Gate(Struct):
    """One protected port.

    Attributes:
        owner: the connection that protected it; empty when that is gone.
        left_at: when its owner went, in Unix time.
        allowed: by address, until when it may come, in Unix time.
    """

    owner: str = ""
    left_at: float = 0.0
    allowed: dict[str, float] = {}


class Gates:
    """All of them, by port.

    Args:
        ports: those that may be protected.
        max_ports: so many at a time.
        max_addresses: so many may come to one port at a time.
    """

    def __init__(self, ports: range, max_ports: int, max_addresses: int) -> None:
        self.by_port: dict[int, Gate] = {}
        self._ports = ports
        self._max_ports = max_ports
        self._max_addresses = max_addresses

    def take_over(self, found: dict[int, dict[str, float]], now: float) -> None:
        """Know what an earlier process has left in force; what would be refused is left out."""
        for port, addresses in found.items():
            if port in self._ports and len(self.by_port) < self._max_ports:
                most = list(addresses.items())[: self._max_addresses]
                self.by_port[port] = Gate(left_at=now, allowed={one: now + seconds for one, seconds in most})

    def in_force(self, now: float) -> dict[int, dict[str, float]]:
        """By port and address: for how many seconds more it may come."""
        return {
            port: {one: until - now for one, until in gate.allowed.items() if until >= now + 1}
            for port, gate in self.by_port.items()
        }

    def protect(self, port: int, owner: str) -> bool:
        """Whoever says so last owns the port. Returns whether it was open before.

        Raises:
            NotDone: `port_not_ours` or `too_many_ports`.
        """
        self._check(port)
        gate = self.by_port.get(port)
        if gate is not None:
            gate.owner = owner
            return False
        if len(self.by_port) >= self._max_ports:
            raise NotDone("too_many_ports", f"{self._max_ports} ports are protected, which is the most")
        self.by_port[port] = Gate(owner=owner)
        return True

    def allow(self, port: int, address: str, seconds: float, now: float) -> str:
        """Returns the address in its one spelling.

        Raises:
            NotDone: `port_not_ours`, `not_protected`, `address_invalid` or `too_many_addresses`.
        """
        self._check(port)
        gate = self.by_port.get(port)
        if gate is None:
            raise NotDone("not_protected", f"port {port} is not protected: everybody may come")
        one = spelled(address)
        if one not in gate.allowed and len(gate.allowed) >= self._max_addresses:
            self._forget_expired(gate, now)
            if len(gate.allowed) >= self._max_addresses:
                raise NotDone(
                    "too_many_addresses", f"{self._max_addresses} addresses may come to port {port}, which is the most"
                )
        gate.allowed[one] = now + seconds
        return one

    def unprotect(self, port: int, owner: str) -> Gate | None:
        """Returns what was there.

        Raises:
            NotDone: `port_not_ours`, or `not_yours`: another launcher has protected it, and is here.
        """
        self._check(port)
        gate = self.by_port.get(port)
        if gate is not None and gate.owner not in ("", owner):
            raise NotDone("not_yours", f"port {port} is protected by another launcher")
        return self.by_port.pop(port, None)

    def leave(self, owner: str, now: float) -> None:
        """A connection has ended: its ports stay protected for a while, for the next one."""
        for gate in self.by_port.values():
            if gate.owner == owner:
                gate.owner, gate.left_at = "", now

    def take_abandoned(self, now: float, seconds: float) -> dict[int, Gate]:
        """Forget those whose owner has been away for longer, and return them; addresses that have expired go too."""
        abandoned = {
            port: gate for port, gate in self.by_port.items() if not gate.owner and now - gate.left_at > seconds
        }
        for port in abandoned:
            del self.by_port[port]
        for gate in self.by_port.values():
            self._forget_expired(gate, now)
        return abandoned

    def _check(self, port: int) -> None:
        if port not in self._ports:
            raise NotDone("port_not_ours", f"port {port} is none of {self._ports[0]} to {self._ports[-1]}")

    @staticmethod
    def _forget_expired(gate: Gate, now: float) -> None:
        gate.allowed = {one: until for one, until in gate.allowed.items() if until > now}


def spelled(address: str) -> str:
    """One address in its one spelling; that of a socket for both versions becomes the IPv4 address that it stands for.

    Raises:
        NotDone: `address_invalid`.
    """
    try:
        one = ip_address(address.partition("%")[0])
    except ValueError as error:
        raise NotDone("address_invalid", f"{address[:64]!r} is no IP address") from error
    mapped = one.ipv4_mapped if isinstance(one, IPv6Address) else None
    return str(mapped or one)


def port_range(text: str) -> range:
    """The ports of `FIRST-LAST`.

    Raises:
        ValueError: there are none.
    """
    first, last = (int(part) for part in text.split("-"))
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"ports must be FIRST-LAST, from 1 to 65535, not {text}")
    return range(first, last + 1)
