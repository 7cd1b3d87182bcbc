"""npm's sparkplug-payload reads what our own decoder reads in every message of the script; its host is one to the checker."""

from __future__ import annotations

from tests.peers.broker import mosquitto
from tests.peers.sparkplug import decoded, host
from tests.sparkplug import good
from tests.sparkplug.agreement import differences
from tests.sparkplug.change import metric
from tests.sparkplug.checker import Report
from tests.sparkplug.observer import Observer
from tests.sparkplug.trace import Closed, Setting, Trace
from tests.waiting import until


async def test_both_decoders_read_the_same_in_every_message_of_the_script():
    traces = [make() for make in good.ALL.values()]
    compared, found = await differences(traces)
    assert found == []
    assert compared > 800


async def test_a_value_that_one_of_them_reads_otherwise_is_found():
    trace = good.life()
    events = metric("DDATA", 0, field="int", raw=7)(list(trace.events))
    _, found = await differences([Trace(trace.setting, tuple(events))])
    assert len(found) == 1
    assert "temperature" in found[0]


async def test_it_refuses_what_is_no_payload():
    (said,) = await decoded([b"\x0a\x05{}"])
    assert "error" in said


async def test_the_host_does_what_a_host_must_do():
    observer = Observer()
    async with (
        mosquitto() as broker,
        observer.before("a", broker.port) as server,
        host(server.port, group="muster", node="hall-1") as scada,
    ):
        await scada.do("online")
        await scada.do("rebirth 3")
        await until(lambda: scada.count("NCMD") == 3, 10, "the host sees its own requests")
        await scada.do("offline")
        await until(lambda: isinstance(observer.events[-1], Closed), 10, "the host is gone")
    report = Report().add(observer.trace(Setting("muster", "hall-1", "nobody")))
    assert report.failures() == {}
    of_host = [result for result in report.results.values() if result.assertion.applies == "host"]
    assert {result.verdict for result in of_host} == {"pass"}
