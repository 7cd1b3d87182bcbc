"""Modbus UDP: MBAP frames in datagrams, one per datagram; a lost one is a timeout, since nothing is sent again by itself."""

from __future__ import annotations

from drivers.modbus.tcp import TcpExchange
from gateway.clock import Clock
from gateway.config.spec import Link


class UdpExchange(TcpExchange):
    """Exchange over MBAP frames in datagrams. The transaction id ties an answer to its request, as on TCP."""

    line_can_damage = True
    """Where a datagram did not fit, asking once more makes sense, as on a wire."""

    def __init__(self, link: Link, clock: Clock) -> None:
        super().__init__(link, clock)
        self.pipelines = False

    def _received(self, data: bytes) -> None:
        """Take one datagram; what is not a whole frame in it is dropped, and never joined with the next one."""
        if not is_whole(data):
            self.counters.garbage += len(data)
            return
        super()._received(data)


def is_whole(data: bytes) -> bool:
    """Say whether a datagram is one whole MBAP frame."""
    return len(data) >= 8 and not data[2] and not data[3] and (data[4] << 8 | data[5]) == len(data) - 6
