"""One dead unit of ten: the nine keep their rate, measured at the server (Debian's libmodbus), and the dead one is soon back.

Their rate is that of the same units on a second line of the same kind, on which none is dead, in the same time.
"""

import asyncio
import contextlib
import time
from collections import Counter

import pytest

from drivers.modbus.ledger import _LEDGERS
from gateway.model import Quality, Reason
from tests.integration.modbus_gateway import beside, lost, polled, state, units
from tests.peers import modbus_units
from tests.waiting import until

DEAD = 5
UNITS = range(1, 11)
HEALTHY = [unit for unit in UNITS if unit != DEAD]
RETURN_S = 10.0

# scheme, peer, period, how long the rates are counted; one moment at the edge of that time weighs less than what may be lost
LINES = {
    "tcp": ("modbus-tcp", modbus_units.tcp, 0.2, 10.0),
    "gateway before serial units": ("modbus-tcp", modbus_units.gateway, 0.4, 12.0),
    "bus": ("modbus-rtu", modbus_units.bus, 0.25, 8.0),
}


@pytest.fixture(params=LINES)
async def line(request):
    scheme, start, every_s, seconds = LINES[request.param]
    _LEDGERS.clear()
    async with start([DEAD]) as peer, beside(lambda: start([]), scheme, UNITS, every_s) as control:
        yield scheme, peer, control, every_s, seconds


async def test_one_of_ten_dies_and_returns(line):
    scheme, peer, control, every_s, seconds = line
    peer.live()
    records = []
    async with polled(units(scheme, peer.place, UNITS, every_s), records) as machines:
        await until(lambda: all(state(machines, f"u{unit}") == "good" for unit in UNITS))
        missed = {unit: machines.status()[f"u{unit}"]["missed"] for unit in HEALTHY}
        busy = control.missed()
        peer.die()
        if scheme == "modbus-rtu":  # there the first silence costs everybody one timeout
            await until(lambda: state(machines, f"u{DEAD}") == "bad")
            most = 1.0 / every_s + 2 + control.missed() - busy
            assert all(machines.status()[f"u{unit}"]["missed"] - missed[unit] <= most for unit in HEALTHY)
        assert await lost(peer, control, HEALTHY, seconds) == {}, "share of their rate that the others kept"
        status = machines.status()[f"u{DEAD}"]
        assert status["quarantined"]
        assert "exception 11" in status["error"] or "did not answer within 1 s" in status["error"]
        assert machines.status()["u1"]["p99_ms"] > 0
        bad = {record.reason for record in records if record.machine == f"u{DEAD}" and record.quality == Quality.BAD}
        assert bad
        assert bad <= {Reason.TIMEOUT, Reason.NO_PATH}
        peer.live()
        await until(lambda: state(machines, f"u{DEAD}") == "good", RETURN_S, "the dead unit is back")
        assert not machines.status()[f"u{DEAD}"]["quarantined"]
        assert all(record.value == int(record.point[1:]) for record in records if record.quality == Quality.GOOD)


async def test_three_of_ten_dead_from_the_beginning():
    async with (
        beside(modbus_units.tcp, "modbus-tcp", UNITS, 0.2) as control,
        modbus_units.tcp([3, 5, 8]) as peer,
        polled(units("modbus-tcp", peer.place, UNITS, 0.2)) as machines,
    ):
        await until(lambda: all(state(machines, f"u{unit}") == "bad" for unit in (3, 5, 8)))
        assert await lost(peer, control, [unit for unit in HEALTHY if unit not in {3, 8}], 8.0) == {}
        peer.live()
        await until(lambda: all(state(machines, f"u{unit}") == "good" for unit in UNITS), RETURN_S)


async def test_a_unit_that_answers_late_on_a_bus_is_read_seldom_and_stays_good():
    _LEDGERS.clear()
    bus = modbus_units.bus
    async with bus([f"{DEAD}@600"]) as peer, beside(lambda: bus([]), "modbus-rtu", UNITS, 0.25) as control:
        peer.live()
        async with polled(units("modbus-rtu", peer.place, UNITS, 0.25)) as machines:
            await until(lambda: all(state(machines, f"u{unit}") == "good" for unit in UNITS))
            peer.die()
            await until(lambda: machines.status()[f"u{DEAD}"]["warnings"], 20)
            assert "answers late and keeps the line busy for 0." in machines.status()[f"u{DEAD}"]["warnings"][0]
            assert await lost(peer, control, HEALTHY, 8.0) == {}
            assert state(machines, f"u{DEAD}") == "good"


async def test_a_dead_unit_is_asked_seldom_and_cheaply():
    _LEDGERS.clear()
    async with modbus_units.bus([DEAD]) as peer, polled(units("modbus-rtu", peer.place, [1, DEAD], 0.1)) as machines:
        await until(lambda: machines.status()[f"u{DEAD}"]["errors"] >= 4, 20)
        assert peer.requests()[DEAD] == machines.status()[f"u{DEAD}"]["errors"], "one request per probe"
        assert machines.status()["u1"]["line"]["late"] == 0


class Host:
    """A host of our own, since libmodbus works off one by one: its units answer side by side, those in `late` after so long."""

    def __init__(self, late=None):
        self.late = late or {}
        self.open = self.overlaps = self.stalls = 0
        self.served = Counter()

    @contextlib.asynccontextmanager
    async def serving(self):
        ticking = asyncio.create_task(self._stalled())
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        ticking.cancel()

    async def _stalled(self):
        """Count the times in which this computer had something else to do for so long that a unit seemed slow."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            self.stalls += time.monotonic() - before > 0.03

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big"))
                self.open += 1
                self.overlaps += self.open > 1
                asyncio.get_running_loop().call_later(self.late.get(body[0], 0.005), self._answer, head, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, head, body, writer):
        self.open -= 1
        self.served[body[0]] += 1
        data = bytes(2 * int.from_bytes(body[4:6], "big"))
        writer.write(head[:4] + (3 + len(data)).to_bytes(2, "big") + bytes([body[0], body[1], len(data)]) + data)


async def test_units_that_answer_at_once_see_one_request_at_a_time():
    host = Host()
    async with host.serving() as place, polled(units("modbus-tcp", place, UNITS, 0.1)):
        await until(lambda: all(host.served[unit] >= 5 for unit in UNITS))
    assert host.overlaps <= host.stalls


async def test_more_late_units_than_may_be_asked_at_a_time_leave_the_others_their_rate():
    late = range(1, 7)
    host, control = Host(dict.fromkeys(late, 0.6)), Host()
    async with (
        host.serving() as place,
        control.serving() as beside_it,
        polled(units("modbus-tcp", place, UNITS, 0.2)) as machines,
        polled(units("modbus-tcp", beside_it, UNITS, 0.2)),
    ):
        await until(lambda: all(machines.status()[f"u{unit}"]["scans"] >= 3 for unit in late), 20)
        host.served.clear()
        control.served.clear()
        await until(lambda: control.served[7] >= 40, 40)
        kept = {unit: host.served[unit] / control.served[unit] for unit in UNITS if unit not in late}
        assert min(kept.values()) >= 0.9, kept
        assert sum(kept.values()) >= 0.95 * len(kept), kept


@pytest.mark.parametrize("name", ["tcp", "bus"])
async def test_stopping_does_not_wait_for_a_dead_unit(name):
    scheme, start, every_s, _ = LINES[name]
    _LEDGERS.clear()
    async with start([DEAD]) as peer:
        async with polled(units(scheme, peer.place, [DEAD], every_s, timeout=20.0)) as machines:
            await until(lambda: peer.requests()[DEAD] == 1)
            assert state(machines, f"u{DEAD}") == "starting"
        if name == "bus":
            assert _LEDGERS[f"{scheme}://{peer.place}"].in_doubt(DEAD), "its answer may still come and must be known then"
