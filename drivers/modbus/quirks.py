"""Devices that take one connection at a time: the connections of this gateway to such a device wait for each other."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from drivers.modbus.spec import ModbusLink
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Reason

_LOCKS: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()


class Turn:
    """The right to be the one connection to a device; where the device does not need that, it costs nothing."""

    def __init__(self, link: Link) -> None:
        options: ModbusLink = link.options
        self._place = link.address
        self._patience_s: float = options.connect_timeout
        self._held = False
        self._lock: asyncio.Lock | None = None
        if options.one_connection:
            key = (id(asyncio.get_running_loop()), link.address)
            self._lock = _LOCKS.get(key) or asyncio.Lock()
            _LOCKS[key] = self._lock

    async def take(self) -> None:
        """Wait for it, as long as connecting may take.

        Raises:
            LinkError: another connection of this gateway keeps it.
        """
        if self._lock is None or self._held:
            return
        try:
            await asyncio.wait_for(self._lock.acquire(), self._patience_s)
        except TimeoutError:
            hint = "write the same options for all machines on it, so that they share one, or give each close_after_read: true"
            raise LinkError(
                f"{self._place} takes one connection only, and another one of this gateway has it", hint=hint, reason=Reason.REFUSED
            ) from None
        self._held = True

    def give(self) -> None:
        """Let the next one connect; may be called twice."""
        if self._lock is not None and self._held:
            self._held = False
            self._lock.release()
