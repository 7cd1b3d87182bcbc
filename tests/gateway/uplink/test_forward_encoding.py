"""The forwarder writes messages as its recipient wants them, in any format, and says so when it cannot."""

import sys

import pytest
from structlog.testing import capture_logs

from gateway.config.quantity import Resolution
from gateway.uplink import packing
from gateway.uplink.batch import decode, read
from gateway.uplink.encoding import Encoding, Resolutions
from tests.gateway.uplink.fake_broker import Broker, running
from tests.gateway.uplink.fakes import Ledger, MemoryOutbox, feature, reading
from tests.waiting import until

HALF = Resolutions(vibration={"spindle": Resolution(0.005, True)})


@pytest.mark.parametrize("compression", [None, "zstd", "zstd-dictionary"])
@pytest.mark.parametrize("form", ["json", "cbor"])
async def test_everything_arrives_once_in_every_encoding_also_when_messages_must_be_small(form, compression):
    broker, outbox = Broker(), MemoryOutbox()
    broker.max_payload = 1200
    outbox.put(*(reading(i) for i in range(300)), *(feature(i) for i in range(300)))
    async with running(outbox, broker, encoding=Encoding(form, compression)):
        await until(lambda: outbox.waiting == 0)
    ledger = Ledger().take(broker.accepted)
    assert (ledger.keys, ledger.repeats, ledger.out_of_order) == (outbox.keys, 0, [])
    assert max(map(len, broker.accepted)) <= 1200
    assert {decode(payload).version for payload in broker.accepted} == {1 if form == "json" else 2}
    assert {payload.startswith(packing.ZSTD_MAGIC) for payload in broker.accepted} == {compression is not None}


async def test_features_are_sent_within_their_resolution_and_readings_exactly():
    broker, outbox = Broker(), MemoryOutbox()
    outbox.put(*(reading(i) for i in range(100)), *(feature(i) for i in range(1, 100)))
    async with running(outbox, broker, encoding=Encoding("cbor", None, HALF)):
        await until(lambda: outbox.waiting == 0)
    rows = [row for payload in broker.accepted for row in read(payload)[1]]
    exact, coarse = (
        [row for row in rows if row.record.machine == "press-1"],
        [row for row in rows if row.record.machine == "spindle"],
    )
    assert sorted(row.record.value for row in exact) == [float(i) for i in range(100)]
    assert {row.resolution for row in exact} == {None}
    assert {row.resolution for row in coarse} == {Resolution(0.005, True)}
    for i, row in enumerate(sorted(coarse, key=lambda row: row.seq), 1):
        assert row.record.value == pytest.approx(i / 7, rel=0.005)


async def test_without_the_library_messages_go_out_uncompressed_and_that_is_told_once(monkeypatch):
    broker, outbox = Broker(), MemoryOutbox()
    packing._compressor.cache_clear()
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with capture_logs() as logs:
        async with running(outbox, broker, encoding=Encoding("json", "zstd")) as forward:
            for i in range(3):
                outbox.put(reading(i))
                forward.wake()
                await until(lambda: outbox.waiting == 0)
            (warning,) = forward.status()["warnings"]
    assert "pip install 'retrofit-gateway[zstd]'" in warning
    assert [payload[:1] for payload in broker.accepted] == [b"{"] * len(broker.accepted)
    assert [entry["event"] for entry in logs].count("message_uncompressed") == 1
