"""What the forwarder promises, with a broker that does exactly what each test says and a clock that moves when told."""

import asyncio
from random import Random

import pytest
from structlog.testing import capture_logs

from gateway.clock import ManualClock
from gateway.config.secrets import SecretMissing
from gateway.config.spec import BrokerUrl, Credentials, Uplink
from gateway.model import Log
from gateway.uplink import caller, waits
from gateway.uplink.batch import decode
from gateway.uplink.waits import until_turn
from tests.gateway.uplink.fake_broker import URL, Broker, running
from tests.gateway.uplink.fakes import Eager, Ledger, MemoryOutbox, event, feature, forwarder, reading
from tests.waiting import until


@pytest.fixture
async def broker():
    return Broker()


async def test_it_introduces_itself_by_site_and_gateway_and_reads_the_secret_anew_each_time(broker):
    passwords = ["second", "first"]
    spec = Uplink(broker=[BrokerUrl(URL)], batch=0.01, credentials=Credentials(secret="mqtt"))
    async with running(MemoryOutbox(), broker, spec=spec, read_secret=lambda name: passwords.pop()):
        await until(lambda: broker.session)
        broker.session.lose()
        await until(lambda: len(broker.connects) == 2)
    seen = [(o["client_id"], o["user"], o["password"], o["tls"]) for _, o in broker.connects]
    assert seen == [("muster:hall-1", "muster", "first", None), ("muster:hall-1", "muster", "second", None)]


async def test_a_secret_that_cannot_be_read_is_told_and_tried_again(broker):
    tries = []

    def read_secret(name):
        tries.append(name)
        if len(tries) < 3:
            raise SecretMissing("secret 'mqtt' is nowhere", "make the file with mode 0600")
        return "x"

    spec = Uplink(broker=[BrokerUrl(URL)], batch=0.01, credentials=Credentials(secret="mqtt", user="me"))
    with capture_logs() as logs:
        async with running(MemoryOutbox(), broker, spec=spec, read_secret=read_secret) as forward:
            await until(lambda: forward.status()["connected"])
    assert forward.status()["last_error"] == "secret 'mqtt' is nowhere; make the file with mode 0600"
    lost = next(entry for entry in logs if entry["event"] == "uplink_lost")
    assert (lost["reason"], lost["hint"]) == ("secret 'mqtt' is nowhere", "make the file with mode 0600")


async def test_nothing_is_acknowledged_before_all_of_a_claim_is_accepted(broker):
    outbox = MemoryOutbox()
    outbox.put(*(reading(i) for i in range(50)), *(feature(i) for i in range(50)))
    broker.refuse = lambda payload: 0x97 if decode(payload).records[0].log is Log.FEATURE else None
    async with running(outbox, broker) as forward:
        await until(lambda: forward.status()["trouble"])
        await until(lambda: outbox.claims > 3)
        assert outbox.waiting == 100
        broker.refuse = lambda payload: None
        await until(lambda: outbox.waiting == 0)
    ledger = Ledger().take(broker.accepted)
    assert (ledger.keys, ledger.repeats) == (outbox.keys, 0)


async def test_what_is_refused_is_not_overtaken_and_what_was_accepted_is_not_repeated(broker):
    outbox = MemoryOutbox()
    outbox.put(*(reading(i) for i in range(1000)))
    broker.max_payload = 2000
    calls = []
    broker.refuse = lambda payload: 0x97 if calls.append(payload) or len(calls) % 3 == 0 else None
    async with running(outbox, broker, claim=500):
        await until(lambda: outbox.waiting == 0)
    ledger = Ledger().take(broker.accepted)
    assert (ledger.keys, ledger.repeats, ledger.out_of_order) == (outbox.keys, 0, [])


async def test_losses_in_the_middle_of_a_claim_repeat_nothing_that_was_accepted(broker):
    outbox = MemoryOutbox()
    outbox.put(*(reading(i) for i in range(1000)))
    broker.max_payload = 1000
    calls = []
    broker.drop = lambda payload: calls.append(payload) or len(calls) % 4 == 0
    async with running(outbox, broker, claim=500) as forward:
        await until(lambda: outbox.waiting == 0)
        assert forward.status()["published_records"] == 1000
    assert len(broker.connects) > 2
    ledger = Ledger().take(broker.accepted)
    assert (ledger.keys, ledger.repeats, ledger.out_of_order) == (outbox.keys, 0, [])


async def test_batches_keep_their_turn_and_urgent_records_do_not_wait(broker):
    clock, outbox = ManualClock(), MemoryOutbox()
    turn = until_turn(clock.monotonic(), 300.0, "muster:hall-1")
    async with running(outbox, broker, batch=300.0, clock=clock) as forward:
        await until(lambda: outbox.claims == 1)
        for pause in (turn, 300, 300):
            outbox.put(reading(1))
            clock.advance(pause - 1)
            await asyncio.sleep(0.05)
            assert outbox.waiting == 1
            clock.advance(1.01)
            await until(lambda: outbox.waiting == 0)
        outbox.put(event(1))
        forward.wake()
        await until(lambda: outbox.waiting == 0)
    assert len(broker.accepted) == 4


def test_turns_are_spread_over_the_period_and_stay_where_they_are():
    names = [f"muster:hall-{number}" for number in range(1000)]
    turns = [until_turn(12_345.0, 300.0, name) for name in names]
    assert all(0 < turn <= 300 for turn in turns)
    counts = [sum(low < turn <= low + 30 for turn in turns) for low in range(0, 300, 30)]
    assert min(counts) > 60
    for name, turn in zip(names, turns, strict=True):
        assert until_turn(12_345.0 + turn + 1, 300.0, name) == pytest.approx(299)


async def test_whether_it_may_publish_is_asked_where_nothing_waits_and_known_where_something_does(broker):
    outbox = MemoryOutbox()
    async with running(outbox, broker):
        await until(lambda: broker.session and broker.session.asked == ["coop/muster/hall-1/up/batch"])
        outbox.put(reading(1))
        await until(lambda: outbox.waiting == 0)
        assert len(broker.session.asked) == 1
        outbox.put(reading(2))
        broker.session.lose()
        await until(lambda: outbox.waiting == 0)
        assert broker.session.asked == []


async def test_a_topic_that_is_refused_is_told_before_there_is_anything_to_send(broker):
    broker.refuse = lambda payload: 0x87
    outbox = MemoryOutbox()
    async with running(outbox, broker) as forward:
        await until(lambda: forward.status()["trouble"])
        assert forward.status()["connected"]
        broker.refuse = lambda payload: None
        await until(lambda: forward.status()["trouble"] == "")
    assert broker.accepted == []


async def test_a_wake_during_a_publish_is_not_forgotten(broker):
    outbox = MemoryOutbox()
    outbox.put(reading(1))
    broker.hold.clear()
    async with running(outbox, broker, batch=3600) as forward:
        await until(lambda: outbox.claims == 1)
        outbox.put(event(1))
        forward.wake()
        broker.hold.set()
        await until(lambda: outbox.waiting == 0)


async def test_the_first_connection_is_spread_and_the_next_attempt_is_told(broker):
    class Half(Random):
        def uniform(self, a, b):
            return (a + b) / 2

    clock = ManualClock()
    async with running(MemoryOutbox(), broker, "mqtt://hub.coop.example", clock=clock, random=Half(), first_within_s=60) as forward:
        await until(lambda: forward.status()["next_attempt_s"] == 30)
        clock.advance(29)
        await asyncio.sleep(0.02)
        assert (broker.connects, forward.status()["next_attempt_s"]) == ([], 1)
        clock.advance(1)
        await until(lambda: forward.status()["connected"])
    assert forwarder(MemoryOutbox(), "mqtt://hub.coop.example")._caller._spread_s == 30
    assert forwarder(MemoryOutbox(), "mqtt://localhost", "mqtts://[::1]")._caller._spread_s == 0


async def test_back_off_grows_until_a_connection_was_stable_for_two_minutes(broker):
    class Highest(Random):
        def uniform(self, a, b):
            return b

    clock, broker.down = ManualClock(), True
    far = "mqtt://hub.coop.example"
    async with running(MemoryOutbox(), broker, far, clock=clock, random=Highest(), first_within_s=0) as forward:
        for pause in (1, 2, 4, 8):
            await until(lambda pause=pause: forward.status()["next_attempt_s"] == pause)
            clock.advance(pause)
        await until(lambda: forward.status()["next_attempt_s"] == 16)
        broker.down = False
        clock.advance(16)
        await until(lambda: forward.status()["connected"])
        clock.advance(119)
        broker.session.lose()
        await until(lambda: forward.status()["next_attempt_s"] == 32)
        clock.advance(32)
        await until(lambda: forward.status()["connected"])
        clock.advance(121)
        broker.session.lose()
        await until(lambda: forward.status()["next_attempt_s"] == 1)


async def test_after_a_stable_time_the_first_broker_is_asked_first_else_the_next(broker):
    clock = ManualClock()
    urls = ["mqtt://a", "mqtt://b"]

    async def lose_after(seconds, forward):
        await until(lambda: forward.status()["connected"])
        clock.advance(seconds)
        broker.session.lose()
        await until(lambda: not forward.status()["connected"])
        clock.advance(1)

    async with running(MemoryOutbox(), broker, *urls, clock=clock, first_within_s=0) as forward:
        await lose_after(1000, forward)
        await lose_after(1, forward)
        await lose_after(1, forward)
        await lose_after(1000, forward)
        await until(lambda: forward.status()["connected"])
    assert [url for url, _ in broker.connects] == ["mqtt://a", "mqtt://a", "mqtt://b", "mqtt://a", "mqtt://a"]


@pytest.mark.parametrize("case", ["idle", "down", "publishing", "refused"])
async def test_it_beats_while_it_waits_for_the_network(broker, monkeypatch, case):
    monkeypatch.setattr(waits, "BEAT_S", 0.01)
    outbox, beats = MemoryOutbox(), []
    outbox.put(reading(1))
    broker.down = case == "down"
    if case == "publishing":
        broker.hold.clear()
    if case == "refused":
        broker.refuse = lambda payload: 0x87

    class Long(Eager):
        def uniform(self, a, b):
            return b * 1000

    async with running(outbox, broker, batch=3600, beat=lambda: beats.append(1), random=Long(), first_within_s=0):
        await until(lambda: broker.connects)
        await until(lambda: len(beats) > 20)


async def test_it_does_not_beat_while_the_outbox_hangs(broker, monkeypatch):
    monkeypatch.setattr(waits, "BEAT_S", 0.005)
    beats = []

    class Hanging(MemoryOutbox):
        async def claim(self, n, **options):
            self.claims += 1
            await asyncio.Event().wait()

    outbox = Hanging()
    async with running(outbox, broker, beat=lambda: beats.append(1)):
        await until(lambda: outbox.claims)
        count = len(beats)
        await asyncio.sleep(0.1)
        assert len(beats) == count


async def test_an_outbox_that_fails_ends_nothing_and_is_told(broker):
    outbox = MemoryOutbox()
    outbox.put(reading(1))
    outbox.fail = OSError(5, "Input/output error")
    with capture_logs() as logs:
        async with running(outbox, broker) as forward:
            await until(lambda: outbox.claims > 2)
            assert "the outbox fails: input/output error" in forward.status()["trouble"]
            outbox.fail = None
            await until(lambda: outbox.waiting == 0)
            await until(lambda: forward.status()["trouble"] == "")
    told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert told == ["uplink_connected", "outbox_failed", "uplink_recovered"]


async def test_a_stop_sends_the_rest_but_does_not_wait_for_a_broker_that_hangs(broker, monkeypatch):
    monkeypatch.setattr(caller, "FAREWELL_S", 0.05)
    outbox = MemoryOutbox()
    async with running(outbox, broker, batch=3600):
        await until(lambda: outbox.claims == 1)
        outbox.put(reading(1))
        broker.hold.clear()
    assert outbox.waiting == 1
    assert broker.session.closed


async def test_a_stop_while_refused_ends_at_once(broker):
    outbox = MemoryOutbox()
    outbox.put(reading(1))
    broker.refuse = lambda payload: 0x87

    class Long(Eager):
        def uniform(self, a, b):
            return b * 1000

    async with running(outbox, broker, random=Long(), first_within_s=0) as forward:
        await until(lambda: forward.status()["trouble"])
        assert forward.status()["next_attempt_s"] > 100
    assert broker.session.closed
    assert outbox.waiting == 1


async def test_too_large_is_answered_by_smaller_messages(broker):
    outbox = MemoryOutbox()
    outbox.put(*(reading(i, value="x" * 100) for i in range(500)))
    broker.refuse = lambda payload: 0x95 if len(payload) > 5000 else None
    async with running(outbox, broker) as forward:
        await until(lambda: outbox.waiting == 0)
        assert forward.status()["trouble"] == ""
    ledger = Ledger().take(broker.accepted)
    assert (ledger.keys, ledger.repeats) == (outbox.keys, 0)


async def test_a_value_too_large_for_the_broker_goes_as_bad_and_is_told_once(broker):
    outbox = MemoryOutbox()
    outbox.put(*(reading(i, "image", value="x" * 9000) for i in range(3)), reading(4))
    broker.max_payload = 4000
    with capture_logs() as logs:
        async with running(outbox, broker):
            await until(lambda: outbox.waiting == 0)
    assert [record.value for record in Ledger().take(broker.accepted).contents.values()] == [None, None, None, 4.0]
    told = [entry for entry in logs if entry["event"] == "value_left_out"]
    assert [entry["point"] for entry in told] == ["press-1/image"]


async def test_a_broker_on_this_machine_is_tried_again_within_ten_seconds_however_long_it_was_away(broker):
    class Highest(Random):
        def uniform(self, a, b):
            return b

    clock, broker.down = ManualClock(), True
    async with running(MemoryOutbox(), broker, clock=clock, random=Highest()) as forward:
        for pause in (1, 2, 4, 8, 10, 10):
            await until(lambda pause=pause: forward.status()["next_attempt_s"] == pause)
            clock.advance(pause)


async def test_what_the_contract_no_longer_releases_is_sent_as_a_loss_under_its_key_and_nothing_of_it(broker):
    outbox = MemoryOutbox()
    outbox.put(*(reading(i) for i in range(10)))
    claimed = (await outbox.claim(100)).records
    withdrawn = [item.record for item in claimed[3:6]]
    async with running(outbox, broker, passes=lambda record: record not in withdrawn):
        await until(lambda: outbox.waiting == 0)
    ledger = Ledger().take(broker.accepted)
    assert ledger.keys == outbox.keys
    sent = [item for payload in broker.accepted for item in decode(payload).records]
    assert [type(item.record).__name__ for item in sent] == ["Reading"] * 3 + ["Tombstone"] * 3 + ["Reading"] * 4
