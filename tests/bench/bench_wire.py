"""A day of a triaxial sensor on the wire: 30 features each 10 s, all bytes counted, beside Sparkplug and JSON per value.

The real forwarder and its session send to a real mosquitto through a relay that counts; only the waiting is left out. On top
of what TCP carries come 52 bytes of IPv4 and TCP for every segment and for one bare acknowledgement per exchange, and the signs
of life that MQTT would send between two messages. The features have 2 % of independent noise over a slow drift; temperature
and speed have less.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.config.quantity import Duration, Resolution
from gateway.config.spec import BrokerUrl, Tls, Uplink
from gateway.model import Feature, Log, Sequenced, Stamp
from gateway.uplink.batch import decode, encode
from gateway.uplink.encoding import Encoding, Resolutions
from gateway.uplink.session import MqttSession
from tests.bench import Row
from tests.gateway.uplink.fakes import MemoryOutbox, forwarder
from tests.peers.broker import mosquitto
from tests.peers.certificates import Authority
from tests.peers.tcp_relay import Relay, relayed
from tests.sparkplug import encode as sparkplug
from tests.sparkplug.payload import Metric, Payload
from tests.waiting import until

BUDGET = 250_000
DAY_S, EVERY_S, BATCH_S = 86_400, 10, 300
HEADERS = 52  # IPv4 20, TCP 20, time stamps 12
TLS_RECORD = 22
SITE, GATEWAY, MACHINE = "muster-metallbau", "hall-1", "spindle-1"
NAMES = ["rms", "peak", "peak_to_peak", "crest", "kurtosis", "skewness", "velocity_rms", "envelope_rms", "band_power"]
UNITS = ["m/s²", "m/s²", "m/s²", "1", "1", "1", "mm/s", "m/s²", "m/s²"]
POINTS = [(f"vibration.{axis}.{name}", unit, 0.02) for axis in "xyz" for name, unit in zip(NAMES, UNITS, strict=True)]
POINTS += [("vibration.temperature", "°C", 0.001), ("vibration.speed", "rpm", 0.002), ("vibration.state", "1", 0.0)]
HALF = Resolutions(vibration={MACHINE: Resolution(0.005, True)})


class Sensor:
    """The features of a sensor, one row after the other; the same ones every time."""

    def __init__(self) -> None:
        self._random = random.Random(20816)
        self._levels = [10 ** self._random.uniform(-1, 1.3) for _ in POINTS]
        self._rows = 0

    def row(self) -> list[Feature]:
        """Return the features of the next window."""
        chance = self._random
        wall_ns = 1_767_225_600_000_000_000 + self._rows * EVERY_S * 10**9 + round(chance.gauss(0, 2e5))
        self._rows += 1
        found = []
        for i, (point, unit, noise) in enumerate(POINTS):
            self._levels[i] *= math.exp(chance.gauss(0, 0.0005)) if noise else 1.0
            value = self._levels[i] * (1 + chance.gauss(0, noise))
            band = (10.0, 1000.0) if "velocity" in point else None
            stamp = Stamp(wall_ns, 0, "")
            found.append(Feature(machine=MACHINE, point=point, value=value, unit=unit, stamp=stamp, window_s=1.0, band_hz=band))
        return found


class Day(NamedTuple):
    """What a day costs: bytes of TCP, and what is counted on top."""

    tcp: float
    framing: float

    @property
    def total(self) -> float:
        return self.tcp + self.framing

    @property
    def note(self) -> str:
        return f"{self.total / 1e6:.3f} MB: {self.tcp / 1e6:.3f} in TCP, {self.framing / 1e6:.3f} of headers"


def counted(relay: Relay, exchanges: int, days: float, *, pings: int = 0, tls: bool = False) -> Day:
    """Return a day's bytes of what the relay carried in `days`; a sign of life is two packets and their acknowledgement."""
    ping = 4 + (2 * TLS_RECORD if tls else 0)
    framing = HEADERS * (relay.segments + exchanges) + pings * 3 * HEADERS
    return Day((relay.bytes + pings * ping) / days, framing / days)


@contextlib.asynccontextmanager
async def path(*, tls: bool) -> AsyncIterator[tuple[Relay, BrokerUrl, Tls]]:
    """A counting relay before a broker: the relay, the URL it is called by, and the authority of the broker's certificate."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority(folder) if tls else None
        server = authority.issue("server", hosts=("127.0.0.1",)) if authority else None
        async with (
            mosquitto(server=(server.certificate, server.key) if server else None) as broker,
            relayed(f"127.0.0.1:{broker.port}") as (relay, address),
        ):
            url = BrokerUrl(f"{'mqtts' if tls else 'mqtt'}://{address}")
            yield relay, url, Tls(ca=str(authority.file)) if authority else Tls()


async def batches(encoding: Encoding, *, tls: bool = True, keepalive_s: float = 720, part: int = 1) -> Day:
    """Send a day, or a part of it, in batches as the gateway does, and return what a day costs."""
    sensor, outbox = Sensor(), MemoryOutbox()
    async with path(tls=tls) as (relay, url, authority):
        spec = Uplink(broker=[url], tls=authority, batch=Duration(BATCH_S), keepalive=Duration(keepalive_s))
        forward = forwarder(outbox, spec=spec, encoding=encoding)
        task = asyncio.create_task(forward.run())
        try:
            await until(lambda: forward.status()["connected"], 20, "the connection")
            for _ in range(DAY_S // BATCH_S // part):
                outbox.put(*(feature for _ in range(BATCH_S // EVERY_S) for feature in sensor.row()))
                forward.wake()
                await until(lambda: outbox.waiting == 0, 20, "a batch is accepted")
            status = forward.status()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert status["published_records"] == len(POINTS) * DAY_S // EVERY_S // part
    messages = status["published_messages"]
    pings = messages * max(0, math.ceil(BATCH_S / keepalive_s) - 1)
    return counted(relay, messages, 1 / part, pings=pings, tls=tls)


async def per_value(kind: str, rows: int) -> Day:
    """Send each sample at once: as one Sparkplug message per row (QoS 0), or as a JSON message per value (QoS 1)."""
    sensor = Sensor()
    async with path(tls=False) as (relay, url, _):
        session = await MqttSession.connect(url, client_id="bench")
        relay.bytes = relay.segments = 0
        for number in range(rows):
            row = sensor.row()
            if kind == "sparkplug":
                await session.publish(f"spBv1.0/{SITE}/DDATA/{GATEWAY}/{MACHINE}", _ddata(row, number), qos=0)
            else:
                sending = (session.publish(f"{SITE}/{GATEWAY}/{MACHINE}/{f.point}", _json(f)) for f in row)
                await asyncio.gather(*sending)
        await session.publish("bench/end", b"")  # what was written before has come through
        await session.close()
    return counted(relay, rows, rows * EVERY_S / DAY_S)


def _ddata(row: list[Feature], number: int) -> bytes:
    t_ms = row[0].stamp.wall_ns // 1_000_000
    metrics = [Metric(alias=i, timestamp=t_ms, datatype=9, field="float", raw=f.value) for i, f in enumerate(row, 100)]
    return sparkplug.encode(Payload(timestamp=t_ms, metrics=metrics, seq=number % 256))


def _json(feature: Feature) -> bytes:
    return msgspec.json.encode({"t": feature.stamp.wall_ns // 1_000_000, "value": feature.value})


def speed(encoding: Encoding) -> float:
    """Return how many records a second are encoded, in claims of a thousand as a backlog is drained."""
    sensor = Sensor()
    features = [feature for _ in range(100) for feature in sensor.row()]
    records = [Sequenced(Log.FEATURE, "a1b2c3d4e5f60718", i, feature) for i, feature in enumerate(features)]
    best = math.inf
    for _ in range(7):
        began = time.perf_counter()
        for start in range(0, len(records), 1000):
            encode(SITE, GATEWAY, records[start : start + 1000], encoding=encoding)
        best = min(best, time.perf_counter() - began)
    assert sum(len(decode(m.payload).records) for m in encode(SITE, GATEWAY, records[:1000], encoding=encoding)) == 1000
    return len(records) / best


def memory_mib(encoding: str) -> float:
    """Return the resident MiB of a fresh process that has encoded a backlog."""
    code = f"from tests.bench.bench_wire import *; speed({encoding}); print(Path('/proc/self/status').read_text())"
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


METERED = Encoding("cbor", "zstd-dictionary", HALF)


def rows() -> list[Row]:
    """Measure and return the rows of the table; where nothing else is said, with TLS."""
    metered = asyncio.run(batches(METERED))
    plain_tcp = asyncio.run(batches(METERED, tls=False))
    plain_zstd = asyncio.run(batches(Encoding("cbor", "zstd", HALF), part=4))
    json_zstd = asyncio.run(batches(Encoding("json", "zstd", HALF), part=4))
    exact = asyncio.run(batches(Encoding("cbor"), part=4))
    default = asyncio.run(batches(Encoding(), keepalive_s=60, part=4))
    sparkplug_day, json_day = asyncio.run(per_value("sparkplug", 360)), asyncio.run(per_value("json", 120))
    fast, json_fast = speed(METERED), speed(Encoding())
    more = memory_mib("METERED") - memory_mib("Encoding()")
    return [
        Row("wire_triaxial_mb_per_day", metered.total / BUDGET, 1.0, f"{metered.note}; recipe 'metered', TLS, budget 0.25 MB"),
        Row("wire_triaxial_without_tls", plain_tcp.total / BUDGET, 1.0, plain_tcp.note),
        Row("wire_triaxial_cbor_zstd_0.5_percent", plain_zstd.total / BUDGET, None, f"{plain_zstd.note}; without the dictionary"),
        Row("wire_triaxial_json_zstd_0.5_percent", json_zstd.total / BUDGET, None, json_zstd.note),
        Row("wire_triaxial_cbor_exact", exact.total / BUDGET, None, f"{exact.note}; every digit, not compressed"),
        Row("wire_triaxial_json", default.total / BUDGET, None, f"{default.note}; where nothing is configured"),
        Row("wire_metered / Sparkplug per sample", plain_tcp.total / sparkplug_day.total, 0.1, sparkplug_day.note),
        Row("wire_metered / JSON per value", plain_tcp.total / json_day.total, 0.01, json_day.note),
        Row("encode_metered_20000_records_per_s", 20_000 / fast, 1.0, f"{fast:,.0f} records/s of one core"),
        Row("encode_json_20000_records_per_s", 20_000 / json_fast, 1.0, f"{json_fast:,.0f} records/s of one core"),
        Row("encode_metered_memory_mb", more / 6, 1.0, f"{more:.1f} MiB more than JSON: cbor2, zstandard and its work"),
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
