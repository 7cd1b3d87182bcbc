"""What can go wrong with one request, in words: no answer, a damaged answer, a refusal (Modbus exception)."""

from __future__ import annotations

from typing import Final, NamedTuple

from drivers.modbus.request import Request
from gateway.driver import DeviceError
from gateway.model import Reason

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3


class _Meaning(NamedTuple):
    name: str
    reason: Reason
    hint: str = ""


_MEANINGS: Final = {
    1: _Meaning(
        "illegal function",
        Reason.NOT_SUPPORTED,
        "the unit does not have this table; try 'input' instead of 'holding', or the reverse",
    ),
    2: _Meaning(
        "illegal data address",
        Reason.NO_SUCH_ADDRESS,
        "compare the address with the manual; it may be off by one, or in another table",
    ),
    3: _Meaning("illegal data value", Reason.NO_SUCH_ADDRESS, "the unit hands out fewer registers per request; set max_registers"),
    4: _Meaning("server device failure", Reason.DEVICE_FAILURE, "look at the display of the device"),
    5: _Meaning("acknowledge, still working", Reason.DEVICE_BUSY),
    6: _Meaning("server device busy", Reason.DEVICE_BUSY, "ask less often: a longer 'every', or a 'pause'"),
    7: _Meaning("negative acknowledge", Reason.REFUSED),
    8: _Meaning("memory parity error", Reason.DEVICE_FAILURE),
    10: _Meaning(
        "gateway path unavailable",
        Reason.NO_PATH,
        "the Modbus gateway before the unit is not set up for it; check its serial port settings",
    ),
    11: _Meaning(
        "gateway target failed to respond",
        Reason.NO_PATH,
        "the Modbus gateway is there, the unit behind it is silent: unit number, wiring, power",
    ),
}

ABOUT_ADDRESSES: Final = frozenset({ILLEGAL_ADDRESS, ILLEGAL_VALUE})
"""Exception codes that a part of the request may be to blame for."""

BUSY: Final = frozenset({5, 6})
"""Exception codes of a unit that will answer a little later."""

OF_A_GATEWAY: Final = frozenset({10, 11})
"""Exception codes that a Modbus gateway gives in place of the unit behind it."""

OF_A_GATEWAY_SILENT: Final = 11

OF_THE_UNIT: Final = frozenset({5, 6, 10, 11})
"""Exception codes that tell of the whole unit, so that asking on makes no sense in the same scan."""


class NoAnswer(DeviceError):  # noqa: N818
    """No answer came in time."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, reason=Reason.TIMEOUT)


class Damaged(DeviceError):  # noqa: N818
    """Something came in time, but not a sound answer to this request."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, reason=Reason.BAD_ANSWER)


class Refusal(DeviceError):  # noqa: N818
    """The unit answered with a Modbus exception; `code` is its number."""

    def __init__(self, request: Request, code: int) -> None:
        meaning = _MEANINGS.get(code, _Meaning("unknown exception", Reason.REFUSED))
        super().__init__(f"{request}: the answer is exception {code} ({meaning.name})", hint=meaning.hint, reason=meaning.reason)
        self.code = code
        self.request = request

    def name_gateway(self, place: str) -> None:
        """Say who gave the answer when it was a gateway before the unit; `place` is its address."""
        if self.code not in OF_A_GATEWAY:
            return
        unit = self.request.unit
        if self.code == OF_A_GATEWAY_SILENT:
            self.message = f"the Modbus gateway {place} answers, but unit {unit} behind it does not (exception 11)"
            self.hint = f"check the unit number {unit}, its wiring and power; the network up to the gateway is fine"
        else:
            self.message = f"the Modbus gateway {place} has no way to unit {unit} (exception 10)"
            self.hint = f"set up the serial port and the unit numbers in {place}; the network up to it is fine"
