"""What several requests at a time must not cost: no wrong value, no longer silence, nothing for the others on the line."""

import asyncio

import pytest

from drivers.modbus.errors import NoAnswer
from drivers.modbus.ledger import FORGET_S
from drivers.modbus.pipeline import REST_S, Pipeline
from drivers.modbus.reader import Reader
from drivers.modbus.request import Request
from gateway.driver import LinkError
from gateway.model import Reason
from tests.drivers.modbus.memory_host import FAR, ROUND_TRIP, TIMEOUT, Reading, run
from tests.drivers.modbus.tables import bad, good, registers

# ── never wrong ──

CONFUSIONS = {
    "the id of the request before": lambda host, tid: host.last_tid,
    "the id of the request before, the first answer is lost": lambda host, tid: (
        host.last_tid if host.last_tid in host.under_way else None
    ),
    "one id for all": lambda host, tid: int.from_bytes(host.sent[-1][:2], "big"),
    "id 0": lambda host, tid: 0,
    "an id of nobody": lambda host, tid: tid + 1,
}


@pytest.mark.parametrize("tag", CONFUSIONS)
@pytest.mark.parametrize("since", [0, 1, 6])
def test_a_device_that_confuses_ids_is_not_believed(tag, since):
    async def main():
        reading = Reading()
        confused = CONFUSIONS[tag]
        reading.host.tag = lambda host, tid: confused(host, tid) if len(host.sent) > since else tid
        for _ in range(5):
            try:
                await reading.read()  # which looks at every value
            except LinkError:
                reading.exchange = reading.host.connect()
            except NoAnswer:
                pass
        assert len(reading.host.sent) != 5 * len(FAR), "it was noticed"

    run(main)


def test_of_a_volley_that_is_answered_twice_nothing_counts():
    async def main():
        reading = Reading()
        reading.host.doubles = True
        assert len(good(await reading.read())) == 8
        assert reading.host.volleys[0] == 4
        assert set(reading.host.volleys[1:]) == {1}, "asked again one by one, and so is the rest for a while"
        assert not reading.warning, "the volley is not to blame"
        reading.host.doubles = False
        reading.clock.advance(REST_S)
        await reading.read()
        assert reading.host.volleys == [4, 4]

    run(main)


def test_while_an_older_answer_may_come_there_is_no_volley_whose_place_it_could_take():
    async def main():
        reading = Reading()
        reading.host.dead = {1}
        with pytest.raises(NoAnswer):
            await reading.read()
        reading.host.dead = set()
        await reading.read()
        assert reading.host.volleys == [1] * 8
        await asyncio.sleep(FORGET_S)
        await reading.read()
        assert reading.host.volleys == [4, 4]

    run(main)


def test_ids_go_on_over_connections():
    """A device that answers with the id of the request before may keep it while the connection is opened anew."""

    async def main():
        reading = Reading()
        for _ in range(20):
            await reading.read()
            reading.exchange.close()
            reading.exchange = reading.host.connect()
        ids = [frame[:2] for frame in reading.host.sent]
        assert len(set(ids)) == len(ids)

    run(main)


def test_late_answers_of_a_volley_are_dropped():
    async def main():
        reading = Reading()
        reading.host.work_s = 1.5 * TIMEOUT
        with pytest.raises(NoAnswer):
            await reading.read()
        reading.host.work_s = 0.0
        await asyncio.sleep(10)
        assert reading.exchange.counters.late == 4
        assert len(good(await reading.read())) == 8
        assert not reading.warning

    run(main)


# ── silence costs no more than before ──


def test_a_dead_unit_costs_one_timeout_and_counts_as_one_silence():
    async def main():
        reading = Reading()
        reading.host.dead = {1}
        for silences, requests in ((1, 4), (2, 1)):
            with pytest.raises(NoAnswer):
                await reading.read()
            assert reading.took == pytest.approx(TIMEOUT)
            assert len(reading.host.requests) == requests
            assert reading.exchange._silent == silences
        with pytest.raises(LinkError, match="has not sent a byte in answer to 3 requests"):
            await reading.read()
        assert not reading.warning

    run(main)


def test_silence_in_the_middle_costs_two_timeouts_at_most():
    async def main():
        reading = Reading()
        asyncio.get_running_loop().call_later(1.2 * ROUND_TRIP, setattr, reading.host, "dead", {1})
        scan = await reading.read()
        assert len(good(scan)) == 4
        assert set(bad(scan).values()) == {Reason.TIMEOUT}
        assert reading.took < 2 * TIMEOUT + 5 * ROUND_TRIP
        assert not reading.warning

    run(main)


def test_a_unit_that_dies_in_the_middle_of_a_volley_is_not_called_unable():
    async def main():
        reading = Reading()
        reading.host.work_s = 0.1
        asyncio.get_running_loop().call_later(0.15, reading.host._waiting.clear)
        asyncio.get_running_loop().call_later(0.15, setattr, reading.host, "dead", {1})
        with pytest.raises(NoAnswer):
            await reading.read()
        assert reading.took < 2.5 * TIMEOUT
        assert not reading.warning

    run(main)


def test_one_request_that_is_never_answered_costs_one_more_timeout_once():
    async def main():
        reading = Reading()
        reading.host.silent_to = {2000}
        for _ in range(3):
            scan = await reading.read()
            assert bad(scan) == {"r2000": Reason.TIMEOUT}
            took = reading.took
        assert took == pytest.approx(TIMEOUT + 7 * ROUND_TRIP), "as if there were no pipeline"
        assert not reading.warning

    run(main)


def test_where_units_share_the_line_the_first_request_goes_alone():
    async def main():
        reading = Reading()
        other = Reader(registers(1, 2, unit=2), pipeline=Pipeline(4))
        await other.read(reading.exchange, reading.clock)
        assert len(good(await reading.read())) == 8
        assert reading.host.volleys == [1, 4, 3]
        reading.host.dead = {1}
        with pytest.raises(NoAnswer):
            await reading.read()
        assert len(reading.host.requests) == 1, "a unit that has died costs the others no more than before"

    run(main)


def test_a_probe_is_one_request():
    async def main():
        reading = Reading()
        await reading.exchange.probe(Request(1, 3, 0, 1), 0.5)
        assert reading.host.volleys == [1]

    run(main)
