"""From a sensor's samples to the features of its machine: the configuration as written, the real drivers, the machines running."""

from __future__ import annotations

import asyncio
import math
import os
import struct
from pathlib import Path
from typing import Self

import pytest

from drivers.alsa import recorder
from drivers.iio import sysfs
from gateway.clock import Clock
from gateway.config import load_config
from gateway.model import Feature, Record
from gateway.supervise import Machines, Pulse
from tests.peers.iio import IioPeer, scan_xyz
from tests.waiting import until

RATE = 4000
TONE_HZ = 160.0
G = 9.80665


class Shop:
    """The machines of a configuration, running, and what they have told."""

    def __init__(self, text: str, folder: Path) -> None:
        path = folder / "site.yaml"
        path.write_text("site: s\ngateway: g\nmachines:\n" + text)
        clock = Clock()
        self.records: list[Record] = []
        self.machines = Machines(clock, Pulse(clock), self.records.extend)
        self._config = load_config(path)

    async def __aenter__(self) -> Self:
        await self.machines.apply(self._config.machines)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.machines.stop()

    def feature(self, machine: str, point: str) -> float | None:
        """Return the value told first."""
        found = (r for r in self.records if isinstance(r, Feature) and (r.machine, r.point) == (machine, point))
        return next((record.value for record in found if record.value is not None), None)


def tone(i: int, amplitude: float) -> float:
    return amplitude * math.sin(2 * math.pi * TONE_HZ * i / RATE)


def speed_mm_s(acceleration: float) -> float:
    """RMS of the velocity of a tone, by hand: its amplitude over 2 pi f."""
    return acceleration / (2 * math.pi * TONE_HZ) / math.sqrt(2) * 1000


async def test_three_axes_of_a_sensor_become_the_velocities_of_one_machine(tmp_path, monkeypatch):
    peer = IioPeer(tmp_path)
    device = peer.add(in_accel_scale="0.001")
    monkeypatch.setattr(sysfs, "SYS", peer.sys)
    monkeypatch.setattr(sysfs, "DEV", peer.dev)
    text = "  - {name: m, connect: 'iio://adxl355?rate=4kHz&axis=xyz', vibration: {window: 1s, every: 1s}}\n"
    try:
        async with Shop(text, tmp_path) as shop:
            await until(lambda: (device / "buffer/enable").read_text() == "1\n")
            for begin in range(0, 3 * RATE, 400):
                scans = (
                    scan_xyz(*(round(tone(i, amplitude) * 1000) for amplitude in (2, 4, 8)), 10**9 + i * 250_000)
                    for i in range(begin, begin + 400)
                )
                peer.feed(b"".join(scans))
                await asyncio.sleep(0.01)
            for axis, amplitude in (("x", 2.0), ("y", 4.0), ("z", 8.0)):
                point = f"vibration.{axis}.velocity_rms"
                await until(lambda point=point: shop.feature("m", point), what=point)
                assert shop.feature("m", point) == pytest.approx(speed_mm_s(amplitude), rel=0.005)
            status = shop.machines.status()["m"]
            assert (status["state"], status["line"]["overruns"]) == ("good", 0)
        assert (device / "buffer/enable").read_text() == "0\n"
    finally:
        peer.close()


async def test_a_sound_card_becomes_the_velocity_of_its_machine(tmp_path, monkeypatch):
    tape = tmp_path / "tape"
    os.mkfifo(tape)
    (tmp_path / "asound.conf").write_text(
        f"</usr/share/alsa/alsa.conf>\npcm.tape {{ type file slave.pcm null file /dev/null infile {tape} format raw }}\n"
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    monkeypatch.setattr(recorder, "_END_S", 0.2)  # the file plugin waits for the pipe, deaf to signals; no card does that
    text = "  - {name: m, connect: 'alsa://tape?rate=4kHz&channels=1&unit=g&scale=10', vibration: {window: 1s, every: 1s}}\n"
    samples = struct.pack(f"<{3 * RATE}h", *(round(tone(i, 0.4) / 10 * 2**15) for i in range(3 * RATE)))
    pipe = os.open(tape, os.O_RDWR | os.O_NONBLOCK)
    try:
        async with Shop(text, tmp_path) as shop:
            assert os.write(pipe, samples) == len(samples)
            await until(lambda: shop.feature("m", "vibration.velocity_rms"), 20)
            assert shop.feature("m", "vibration.velocity_rms") == pytest.approx(speed_mm_s(0.4 * G), rel=0.005)
            assert shop.machines.status()["m"]["line"]["samples"] > RATE
    finally:
        os.close(pipe)
