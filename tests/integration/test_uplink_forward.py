"""The forwarder against a real mosquitto: refusals, restarts, cut and frozen connections; nothing lost, nothing doubled by key."""

import asyncio
import json
import signal
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from gateway.config.spec import BrokerUrl, Credentials, Uplink
from tests.gateway.uplink.fakes import Ledger, MemoryOutbox, event, feature, forwarder, reading
from tests.peers.broker import Mosquitto, amqtt, cutter, free_port, mosquitto, subscriber
from tests.waiting import until

TOPIC = "coop/muster/hall-1/up/batch"
CANARY = "canary-4711"


@asynccontextmanager
async def running(forward):
    task = asyncio.create_task(forward.run())
    try:
        yield forward
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def load(outbox):
    """Put ten records every few ms for as long as the block lasts."""

    async def put():
        i = 0
        while True:
            for _ in range(5):
                outbox.put(reading(i, f"p{i % 5}"), feature(i))
                i += 1
            await asyncio.sleep(0.005)

    task = asyncio.create_task(put())
    try:
        yield
    finally:
        task.cancel()


async def test_records_arrive_whole_and_are_deleted_only_then():
    outbox = MemoryOutbox()
    async with mosquitto() as broker, subscriber(broker.url) as inbox:
        outbox.put(*(reading(i) for i in range(5000)), *(feature(i) for i in range(300)), event(1))
        beats = []
        async with running(forwarder(outbox, broker.url, beat=lambda: beats.append(1), claim=700)) as forward:
            await until(lambda: outbox.waiting == 0)
            ledger = Ledger()
            await inbox.until(lambda got: ledger.take(got).keys == outbox.keys)
            status = forward.status()
        assert {topic for topic, _ in inbox.messages} == {TOPIC}
        assert (ledger.repeats, ledger.out_of_order) == (0, [])
        assert (status["connected"], status["protocol"], status["broker"]) == (True, "5", broker.url)
        assert status["published_records"] == 5301
        assert status["published_messages"] == len(inbox.messages)
        assert status["published_bytes"] == sum(map(len, inbox.payloads))
        assert (status["trouble"], status["warnings"], status["next_attempt_s"]) == ("", [], None)
        assert json.dumps(status)
        assert beats


async def test_two_recipients_at_one_broker_do_not_throw_each_other_off():
    async with mosquitto() as broker:
        boxes = {"cooperative": MemoryOutbox(), "customer": MemoryOutbox()}
        with capture_logs() as logs:
            async with (
                running(forwarder(boxes["cooperative"], broker.url, name="cooperative")) as one,
                running(forwarder(boxes["customer"], broker.url, name="customer")) as two,
            ):
                await until(lambda: one.status()["connected"] and two.status()["connected"])
                for i in range(20):
                    for box in boxes.values():
                        box.put(reading(i))
                    await until(lambda: not any(box.waiting for box in boxes.values()))
        told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
        assert told == ["uplink_connected"] * 2, "each connects once and stays"


async def test_urgent_records_do_not_wait_for_the_batch():
    outbox = MemoryOutbox()
    async with mosquitto() as broker, subscriber(broker.url) as inbox:
        async with running(forwarder(outbox, broker.url, batch=3600)) as forward:
            await until(lambda: outbox.claims == 1)
            outbox.put(event(1))
            forward.wake()
            await inbox.until(lambda got: Ledger().take(got).keys == outbox.keys)
        assert outbox.waiting == 0


async def test_a_clean_stop_sends_what_waits():
    outbox = MemoryOutbox()
    async with mosquitto() as broker, subscriber(broker.url) as inbox:
        async with running(forwarder(outbox, broker.url, batch=3600, claim=100)):
            await until(lambda: outbox.claims == 1)
            outbox.put(*(reading(i) for i in range(1000)))
        assert outbox.waiting == 0
        await inbox.until(lambda got: Ledger().take(got).keys == outbox.keys)


async def test_a_refused_topic_keeps_the_records_and_says_why_until_it_is_allowed():
    outbox = MemoryOutbox()
    outbox.put(*(reading(i) for i in range(10)))
    acl = "user watcher\ntopic read #\nuser muster\ntopic write {}\n"
    async with mosquitto(users={"muster": CANARY, "watcher": "w"}, acl=acl.format("other/#")) as broker:
        spec = Uplink(broker=[broker.url], batch=0.02, credentials=Credentials(secret="mqtt"))
        with capture_logs() as logs:
            async with (
                subscriber(broker.url, user="watcher", password="w") as inbox,
                running(forwarder(outbox, spec=spec, read_secret=lambda _: CANARY)) as forward,
            ):
                await until(lambda: outbox.claims > 5)
                status = forward.status()
                assert status["connected"]
                assert "not authorised; ask the operator of the broker" in status["trouble"]
                assert (outbox.waiting, inbox.messages) == (10, [])
                await broker.set_acl(acl.format("coop/muster/#"))
                await until(lambda: outbox.waiting == 0)
                ledger = Ledger()
                await inbox.until(lambda got: ledger.take(got).keys == outbox.keys)
                assert ledger.repeats == 0
                assert forward.status()["trouble"] == ""
                assert "not authorised" in forward.status()["last_error"]
    told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert told == ["uplink_connected", "publish_refused", "uplink_recovered"]
    assert CANARY not in repr(logs) + repr(status)


async def test_a_broker_that_is_stopped_and_started_under_load_costs_nothing():
    outbox = MemoryOutbox()
    broker = Mosquitto(keep=True)
    try:
        await broker.start()
        async with subscriber(broker.url) as inbox, running(forwarder(outbox, broker.url, claim=50)) as forward:
            async with load(outbox):
                for _ in range(3):
                    seen = len(inbox.messages)
                    await inbox.until(lambda got, seen=seen: len(got) > seen + 3)
                    await broker.stop()
                    await until(lambda: not forward.status()["connected"])
                    await broker.start()
            await until(lambda: outbox.waiting == 0, 30)
            ledger = Ledger()
            await inbox.until(lambda got: ledger.take(got).keys >= outbox.keys, 30)
        assert ledger.keys == outbox.keys
        assert ledger.out_of_order == []
    finally:
        await broker.close()


async def test_forced_drops_lose_nothing_and_repeat_only_what_was_under_way():
    outbox = MemoryOutbox()
    async with mosquitto() as broker, cutter(broker.port) as relay, subscriber(broker.url) as inbox:
        async with running(forwarder(outbox, relay.url, claim=50)) as forward:
            async with load(outbox):
                for _ in range(100):
                    seen = len(inbox.messages)
                    await inbox.until(lambda got, seen=seen: len(got) > seen)
                    relay.cut()
            await until(lambda: outbox.waiting == 0, 30)
            ledger = Ledger()
            await inbox.until(lambda got: ledger.take(got).keys >= outbox.keys, 30)
            await until(lambda: forward.status()["connected"])
        assert relay.connections >= 80
        assert ledger.keys == outbox.keys
        assert ledger.out_of_order == []
        assert ledger.repeats <= relay.connections * 50, "more came again than one claim per cut"


async def test_a_frozen_broker_is_given_up_and_taken_up_again():
    outbox = MemoryOutbox()
    async with (
        mosquitto() as broker,
        subscriber(broker.url) as inbox,
        running(forwarder(outbox, broker.url, timeout_s=0.4, keepalive_s=1)) as forward,
    ):
        outbox.put(reading(1))
        await until(lambda: outbox.waiting == 0)
        broker.send(signal.SIGSTOP)
        outbox.put(reading(2))
        await until(lambda: "did not acknowledge" in forward.status()["last_error"])
        broker.send(signal.SIGCONT)
        await until(lambda: outbox.waiting == 0)
        ledger = Ledger()
        await inbox.until(lambda got: ledger.take(got).keys == outbox.keys)


async def test_the_next_broker_of_the_list_is_taken_and_trouble_is_told_once():
    outbox = MemoryOutbox()
    outbox.put(reading(1))
    port = free_port()
    async with mosquitto() as broker:
        with capture_logs() as logs:
            async with running(forwarder(outbox, f"mqtt://127.0.0.1:{port}", broker.url)) as forward:
                await until(lambda: outbox.waiting == 0)
                assert forward.status()["broker"] == broker.url
    told = [(entry["event"], entry.get("broker")) for entry in logs if entry["log_level"] != "debug"]
    assert told == [("uplink_lost", f"mqtt://127.0.0.1:{port}"), ("uplink_connected", broker.url), ("uplink_recovered", broker.url)]


async def test_no_broker_and_a_wrong_password_are_told_once_and_never_with_the_password():
    outbox = MemoryOutbox()
    outbox.put(reading(1))
    async with mosquitto(users={"muster": "right"}) as broker:
        urls = [BrokerUrl(f"mqtt://127.0.0.1:{free_port()}"), broker.url]
        spec = Uplink(broker=urls, batch=0.02, credentials=Credentials(secret="mqtt"))
        attempts = []

        def read_secret(name):
            attempts.append(name)
            return CANARY if len(attempts) < 20 else "right"

        with capture_logs() as logs:
            async with running(forwarder(outbox, spec=spec, read_secret=read_secret)) as forward:
                await until(lambda: len(attempts) > 8)
                status = forward.status()
                assert (status["connected"], outbox.waiting) == (False, 1)
                assert "nobody listens" in status["trouble"]
                assert "the broker refuses user 'muster'; check credentials: user, and the secret 'mqtt'" in status["trouble"]
                await until(lambda: outbox.waiting == 0)
    told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert told == ["uplink_lost", "uplink_refused", "uplink_connected", "uplink_recovered"]
    assert CANARY not in repr(logs) + repr(status)


async def test_mqtt_3_1_1_stands_as_a_warning():
    outbox = MemoryOutbox()
    outbox.put(reading(1))
    with capture_logs() as logs:
        async with amqtt() as url, subscriber(url) as inbox, running(forwarder(outbox, url)) as forward:
            await inbox.until(lambda got: len(got) == 1)
            status = forward.status()
    assert status["protocol"] == "3.1.1"
    assert "cannot carry a refusal" in status["warnings"][0]
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["uplink_downgraded"]


async def test_messages_shrink_until_a_broker_with_a_silent_limit_takes_them():
    outbox = MemoryOutbox()
    outbox.put(*(reading(i, value="x" * 50) for i in range(2000)))
    async with mosquitto(settings="message_size_limit 9000") as broker, subscriber(broker.url) as inbox:
        async with running(forwarder(outbox, broker.url)):
            ledger = Ledger()
            await inbox.until(lambda got: ledger.take(got).keys == outbox.keys)
            await until(lambda: outbox.waiting == 0)
        assert max(map(len, inbox.payloads)) <= 9000
        assert {record.value for record in ledger.contents.values()} == {"x" * 50}
