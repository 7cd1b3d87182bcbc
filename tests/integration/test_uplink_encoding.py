"""Every encoding through real brokers, MQTT 5 and 3.1.1: what arrives tells by itself what it is, once each, in order."""

import asyncio

import pytest

from gateway.config.quantity import Resolution
from gateway.uplink import cbor, packing
from gateway.uplink.batch import decode
from gateway.uplink.encoding import Encoding, Resolutions
from tests.gateway.uplink.fakes import Ledger, MemoryOutbox, event, feature, forwarder, reading
from tests.peers.broker import amqtt, mosquitto, subscriber
from tests.waiting import until

HALF = Resolutions(vibration={"spindle": Resolution(0.005, True)})
METERED = Encoding("cbor", "zstd-dictionary", HALF)
ENCODINGS = [
    (Encoding(), b"{"),
    (Encoding("cbor"), cbor.MAGIC),
    (Encoding("json", "zstd"), packing.ZSTD_MAGIC),
    (METERED, packing.ZSTD_MAGIC),
]


async def forwarded(url, encoding):
    """Send two hundred records of all kinds; return the outbox and what a subscriber got."""
    outbox = MemoryOutbox()
    outbox.put(*(reading(i) for i in range(100)), *(feature(i) for i in range(1, 100)), event(1))
    async with subscriber(url, "coop/#") as inbox:
        task = asyncio.create_task(forwarder(outbox, url, encoding=encoding).run())
        try:
            await until(lambda: outbox.waiting == 0, 20, "everything is accepted")
            await inbox.until(lambda payloads: sum(len(decode(payload).records) for payload in payloads) >= 200)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return outbox, [payload for payload in inbox.payloads if decode(payload).records]


@pytest.mark.parametrize(("encoding", "first"), ENCODINGS, ids=["json", "cbor", "json-zstd", "metered"])
async def test_it_arrives_whole_over_mqtt_5(encoding, first):
    async with mosquitto() as broker:
        outbox, payloads = await forwarded(broker.url, encoding)
    assert all(payload.startswith(first) for payload in payloads)
    ledger = Ledger().take(payloads)
    assert (ledger.keys, ledger.repeats, ledger.out_of_order) == (outbox.keys, 0, [])


async def test_it_arrives_whole_over_mqtt_3_1_1():
    async with amqtt() as url:
        outbox, payloads = await forwarded(url, METERED)
    assert all(payload.startswith(packing.ZSTD_MAGIC) for payload in payloads)
    assert Ledger().take(payloads).keys == outbox.keys
