"""From `resolution:` in a site file to the broker: what is sent follows the configuration, for each recipient in its own way."""

from gateway.clock import Clock
from gateway.config import load_config
from gateway.config.quantity import Resolution
from gateway.history import History
from gateway.model import Reading
from gateway.state import State
from gateway.supervise.pulse import Pulse
from gateway.supervise.recipients import Recipients
from gateway.uplink.batch import read
from tests.peers.broker import mosquitto, subscriber

SITE = """site: muster
gateway: hall-1
machines:
  - {{name: press, connect: modbus-tcp://127.0.0.1:9, points: {{oil: {{at: holding 1{resolution}}}, speed: {{at: holding 2}}}}}}
uplinks:
  near: {{broker: ["{url}"], batch: 50ms, first_within: 0s}}
  far: {{broker: ["{url}"], batch: 50ms, first_within: 0s, format: cbor, compress: zstd}}
"""
SHARE = "shares: [{to: near, machines: [press], points: ['*']}, {to: far, machines: [press], points: ['*']}]\n"


def rows(payloads):
    """Return by version the records that came, with their resolutions."""
    found = {1: [], 2: []}
    for payload in payloads:
        message, records = read(payload)
        found[message.version] += records
    return found


async def test_a_resolution_takes_effect_with_the_next_configuration_and_both_recipients_are_told(tmp_path):
    (tmp_path / "share.yaml").write_text(SHARE)
    clock = Clock()
    state, history = State(tmp_path / "state"), History(tmp_path / "history.db", clock=clock)
    recipients = Recipients(tmp_path / "data", clock, Pulse(clock), lambda name, base: "", lambda stamp: stamp, state, history)

    def offer(value):
        stamp = clock.stamp()
        recipients.offer([Reading(machine="press", point=point, value=value, stamp=stamp, unit="°C") for point in ("oil", "speed")])

    async def apply(resolution):
        (tmp_path / "site.yaml").write_text(SITE.format(url=broker.url, resolution=resolution))
        return await recipients.apply(load_config(tmp_path / "site.yaml"))

    async with mosquitto() as broker, subscriber(broker.url, "coop/#") as inbox:
        try:
            await apply("")
            offer(41.2345)
            await inbox.until(lambda payloads: all(len(found) == 2 for found in rows(payloads).values()))
            assert {(row.record.value, row.resolution) for found in rows(inbox.payloads).values() for row in found} == {
                (41.2345, None)
            }
            assert await apply("") == []
            assert await apply(", resolution: 0.5") == ["uplink near: connected anew", "uplink far: connected anew"]
            offer(42.3456)
            await inbox.until(lambda payloads: all(len(found) == 4 for found in rows(payloads).values()))
        finally:
            await recipients.stop()
    for found in rows(inbox.payloads).values():
        assert {(row.record.point, row.record.value, row.resolution) for row in found[2:]} == {
            ("oil", 42.5, Resolution(0.5, False)),
            ("speed", 42.3456, None),
        }
