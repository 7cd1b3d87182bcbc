import asyncio
import math
import struct

import numpy as np
import pytest

from drivers.sim import spindle
from tests.peers import shop


@pytest.fixture(scope="module")
def signal():
    return spindle.Signal(grow_s=100.0)


def second(signal, at_s):
    signal._at = round(at_s * spindle.RATE_HZ)
    return np.concatenate([signal.block() for _ in range(spindle.RATE_HZ // spindle.BLOCK)])


def kurtosis(x):
    x = x - x.mean()
    return float((x**4).mean() / (x**2).mean() ** 2)


def test_sound_at_first_then_the_kurtosis_climbs_and_stays(signal):
    grades = [np.mean([kurtosis(second(signal, at + i)) for i in range(4)]) for at in (0, 50, 96, 200)]
    assert grades[0] == pytest.approx(3.1, abs=0.25)
    assert grades[0] < grades[1] - 1 < grades[2] - 4
    assert grades[3] == pytest.approx(grades[2], rel=0.2)
    assert signal.height(1e6) == spindle._WORST


def test_the_envelope_shows_the_outer_race(signal):
    x = np.concatenate([second(signal, 120 + i) for i in range(4)])
    spectrum = np.fft.rfft(x)
    hz = np.fft.rfftfreq(len(x), 1 / spindle.RATE_HZ)
    spectrum[(hz < 2400) | (hz > 4400)] = 0
    envelope = np.abs(np.fft.rfft(np.fft.irfft(spectrum) ** 2))
    near = (hz > 20) & (hz < 300)
    strongest = hz[near][np.argmax(envelope[near])]
    assert strongest == pytest.approx(spindle.BPFO_HZ, rel=0.01)


def test_the_shaft_turns_at_1480_rpm(signal):
    x = np.concatenate([second(signal, i) for i in range(6)])
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x))))
    hz = np.fft.rfftfreq(len(x), 1 / spindle.RATE_HZ)
    low = (hz > 5) & (hz < 40)
    assert hz[low][np.argmax(spectrum[low])] == pytest.approx(1480 / 60, abs=0.2)


def test_no_step_where_the_tables_wrap(signal):
    for seam_s in (3, 6, 7, 9, 14, 18, 63):
        x = second(signal, seam_s - 0.5)
        middle = len(x) // 2
        assert abs(x[middle] - x[middle - 1]) < 6 * np.std(np.diff(x))


async def test_every_client_gets_the_same_live_floats():
    async with shop.machine("spindle", "--grow", "10s") as (port, _):
        (one, out_1), (two, out_2) = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        async with asyncio.timeout(20):
            first, second_ = await asyncio.gather(one.readexactly(4 * 12_800), two.readexactly(4 * 12_800))
        for writer in (out_1, out_2):
            writer.close()
            await writer.wait_closed()
    samples = struct.unpack("<12800f", first)
    assert all(math.isfinite(v) and abs(v) < 60 for v in samples)
    assert 0.4 < np.std(samples) < 2.5
    assert second_[: 4 * spindle.BLOCK] in first or first[: 4 * spindle.BLOCK] in second_
