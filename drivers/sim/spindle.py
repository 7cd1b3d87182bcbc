"""A spindle with an accelerometer: `python -m drivers.sim.spindle --port 15025`; 25.6 kHz, m/s², raw float32 over TCP.

Every client gets the same live signal, little-endian float32 without any header, from the moment it connects. A client that
is more than a second behind is dropped, as a sensor with a small buffer does. Read it with
`replay:tcp://127.0.0.1:15025?rate=25.6kHz&unit=m/s²`.

The signal: the shaft at 1480 rpm with harmonics, broadband noise, and an outer-race fault of a 6205 bearing that grows from
nothing to severe in `--grow`: an impulse per ball pass (3.585 per turn, with slip) rings a resonance near 3.4 kHz.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from drivers.sim.process import HOST, parser, run
from gateway.config.quantity import Duration

DEFAULT_PORT = 15025
RATE_HZ = 25_600
BLOCK = 2_560
SHAFT_HZ = 1480 / 60
BPFO_HZ = 3.585 * SHAFT_HZ
GROW_S = 240.0

_HARMONICS = ((1, 0.24), (2, 0.20), (3, 0.12), (4, 0.06), (6, 0.08))  # order, amplitude in m/s²; 1x is 1.1 mm/s RMS
_NOISE = 0.55
_RESONANCE_HZ, _DECAY_S = 3_400.0, 0.0012
_SLIP = 0.008
_FIRST, _WORST = 1.2, 9.0  # height of an impulse in m/s², when the fault begins and when it is full grown


class Signal:
    """The acceleration in m/s² at 25.6 kHz, endless and without a seam, at about 1 % of a core.

    Two tables are computed once: what a sound spindle does in 9 s (222 turns) and the fault at height 1 m/s² in 7 s. A block is
    one plus a multiple of the other; both wrap round without a step, and together they repeat only after 63 s.
    """

    def __init__(self, grow_s: float = GROW_S, seed: int = 6205) -> None:
        self.grow_s = grow_s
        chance = random.Random(seed)  # noqa: S311  (noise, not secrets)
        self._sound = _sound(chance)
        self._fault = _fault(chance)
        self._at = 0

    def height(self, t_s: float) -> float:
        """Return the height of the fault's impulses in m/s² after `t_s`: it grows exponentially, then stays at its worst."""
        grown = min(1.0, t_s / self.grow_s) if self.grow_s > 0 else 1.0
        return float(_FIRST * (_WORST / _FIRST) ** grown)

    def block(self) -> array[float]:
        """Return the next 2,560 samples (0.1 s) as float32."""
        start, self._at = self._at, self._at + BLOCK
        height = self.height(start / RATE_HZ)
        sound = _cut(self._sound, start)
        fault = _cut(self._fault, start)
        return array("f", [s + height * f for s, f in zip(sound, fault, strict=True)])


def _cut(table: array[float], start: int) -> array[float]:
    """Return a block of a table that goes round."""
    at = start % len(table)
    piece = table[at : at + BLOCK]
    return piece if len(piece) == BLOCK else piece + table[: BLOCK - len(piece)]


def _sound(chance: random.Random) -> array[float]:
    """Return 9 s of a sound spindle: harmonics of the shaft and noise."""
    turn = [0.0] * (RATE_HZ * 9 // 3)  # 3 s are 74 whole turns
    for order, amplitude in _HARMONICS:
        step, phase = 2 * math.pi * order * SHAFT_HZ / RATE_HZ, chance.uniform(0, 2 * math.pi)
        turn = [v + amplitude * math.sin(step * i + phase) for i, v in enumerate(turn)]
    gauss = chance.gauss
    return array("f", [v + gauss(0.0, _NOISE) for _ in range(3) for v in turn])


def _fault(chance: random.Random) -> array[float]:
    """Return 7 s of an outer-race fault of height 1: one ringing impulse per ball pass, with slip and a little unevenness."""
    n = RATE_HZ * 7
    gaps = [1.0 + chance.gauss(0.0, _SLIP) for _ in range(round(7 * BPFO_HZ))]
    per_gap = n / sum(gaps)  # the last gap ends where the first began
    ring = [
        math.exp(-i / RATE_HZ / _DECAY_S) * math.sin(2 * math.pi * _RESONANCE_HZ * i / RATE_HZ)
        for i in range(round(8 * _DECAY_S * RATE_HZ))
    ]
    table, at = array("f", bytes(4 * n)), 0.0
    for gap in gaps:
        hit, first = 1.0 + chance.gauss(0.0, 0.12), int(at)
        for i, value in enumerate(ring):
            table[(first + i) % n] += hit * value
        at += gap * per_gap
    return table


class _Sensor:
    """Sends one signal in real time to all who are connected."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._clients: set[asyncio.StreamWriter] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep a client until it hangs up; it has nothing to say."""
        self._clients.add(writer)
        try:
            while await reader.read(1024):
                pass
        except OSError:
            pass
        finally:
            self._clients.discard(writer)
            writer.close()

    async def send(self) -> None:
        """Send block after block, each when its last sample would have been taken."""
        due = time.monotonic()
        while True:
            block = self._signal.block()
            if sys.byteorder == "big":
                block.byteswap()
            due += BLOCK / RATE_HZ
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            for writer in tuple(self._clients):
                if writer.transport.get_write_buffer_size() > 4 * RATE_HZ:
                    writer.transport.abort()
                else:
                    writer.write(block.tobytes())


@asynccontextmanager
async def serve(port: int, *, grow_s: float = GROW_S) -> AsyncIterator[None]:
    """Run the sensor on loopback while the context is open; the fault starts to grow now, whether or not anybody listens."""
    sensor = _Sensor(Signal(grow_s))
    server = await asyncio.start_server(sensor.accept, HOST, port)
    sending = asyncio.create_task(sensor.send())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        server.close()


def _duration(text: str) -> float:
    """Read a duration for argparse."""
    try:
        return float(Duration.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main() -> int:
    """Run the spindle as a process."""
    options = parser("spindle", "acceleration of a spindle whose bearing is failing", DEFAULT_PORT)
    options.add_argument(
        "--grow", type=_duration, default=GROW_S, metavar="4min", help="time until the fault is full grown (default: 4min)"
    )
    arguments = options.parse_args()
    return run("spindle", arguments.port, partial(serve, grow_s=arguments.grow))


if __name__ == "__main__":
    sys.exit(main())
