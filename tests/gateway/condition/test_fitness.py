"""What a window gives that is not as it should be: a defined result, a quality, and the reason."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterable

import pytest

from gateway.clock import ManualClock
from gateway.condition import Condition
from gateway.condition.windows import later
from gateway.config.iso import boundaries
from gateway.config.quantity import Duration
from gateway.config.rotation import FrequencyBand, Shaft
from gateway.config.spec import Link, Machine, Vibration
from gateway.model import Block, Feature, Quality, Reading, Reason, Record

RATE = 5120.0
SPEC = Vibration(
    window=Duration(1),
    every=Duration(1),
    features="all",
    bands={"low": FrequencyBand(50, 300)},
    speed=Shaft(1480.0),
    iso="group2-rigid",
)
START = ManualClock().stamp()


def run(blocks: Iterable[tuple[float, list[float], bool, float]]) -> tuple[list[Record], Condition]:
    """Give Blocks (their time in s, samples, gap and rate) to a machine; return what it made of them."""
    condition = Condition(Machine("m", Link("replay", "a", None), None, 1.0, {}, SPEC, zones=boundaries()["group2-rigid"]))
    records: list[Record] = []
    for at_s, samples, gap, rate_hz in blocks:
        for job in condition.block(Block("m", "vibration", later(START, at_s), rate_hz, array("f", samples), "m/s²", gap)):
            job.run()
            records += condition.done(job)
    return records, condition


def once(samples: list[float]) -> list[Record]:
    records, _ = run([(0.0, samples, False, RATE)])
    assert records
    return records


def qualities(records: Iterable[Record]) -> set[tuple[Quality, Reason]]:
    return {(record.quality, record.reason) for record in records if isinstance(record, Feature | Reading)}


def noise(amplitude: float = 1.0, samples: int = round(RATE), seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(0, amplitude) for _ in range(samples)]


def clipped(samples: list[float], limit: float) -> list[float]:
    return [max(-limit, min(limit, sample)) for sample in samples]


def sine(amplitude: float = 1.0, hz: float = 100.0) -> list[float]:
    return [amplitude * math.sin(2 * math.pi * hz * n / RATE) for n in range(round(RATE))]


def rumble() -> list[float]:
    """Return noise without its highest frequencies, as a machine gives it through a filter."""
    rough = noise(samples=round(RATE) + 8)
    return [sum(rough[n : n + 8]) / math.sqrt(8) for n in range(round(RATE))]


def blows() -> list[float]:
    ring = [8 * math.exp(-n / 20) * math.sin(n / 2) for n in range(512)]
    return [sample + ring[n % 512] for n, sample in enumerate(noise(0.2))]


def test_a_good_window_is_good_in_everything():
    assert qualities(once(noise())) == {(Quality.GOOD, Reason.NONE)}


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([math.nan] * round(RATE), Reason.NO_SENSOR),
        ([math.inf] * round(RATE), Reason.NO_SENSOR),
        ([0.0] * round(RATE), Reason.NO_SENSOR),
        ([9.81] * round(RATE), Reason.NO_SENSOR),
        ([*noise()[:-1], math.nan], Reason.OUT_OF_RANGE),
        ([-math.inf, *noise()[1:]], Reason.OUT_OF_RANGE),
        ([1e25 * value for value in noise()], Reason.OUT_OF_RANGE),
    ],
    ids=["nothing but nan", "nothing but inf", "silent", "steady only", "one nan", "one inf", "beyond any sensor"],
)
def test_a_broken_window_gives_every_feature_bad_and_no_number(samples, reason):
    records = once(samples)
    assert qualities(records) == {(Quality.BAD, reason)}
    assert {record.value for record in records} == {None}
    good = once(noise())
    assert [(record.point, record.unit) for record in records] == [(record.point, record.unit) for record in good]


@pytest.mark.parametrize(
    ("samples", "is_clipped"),
    [
        (clipped(sine(), 0.95), True),
        (clipped(rumble(), 1.5), True),
        (clipped(blows(), 3.0), True),
        (sine(), False),
        ([round(sample * 8191) / 8191 for sample in sine(hz=20.0)], False),
        (blows(), False),
        ([round(sample * 100) / 100 for sample in noise()], False),
    ],
    ids=["sine cut", "rumble cut", "blows cut", "sine", "slow sine of 14 bits", "blows", "noise in coarse steps"],
)
def test_a_clipped_window_is_uncertain_and_keeps_its_numbers(samples, is_clipped):
    records = once(samples)
    expected = (Quality.UNCERTAIN, Reason.CLIPPED) if is_clipped else (Quality.GOOD, Reason.NONE)
    assert qualities(records) == {expected}
    assert all(record.value is not None for record in records)


def test_a_signal_of_denormal_numbers_gives_numbers_or_none_and_never_a_wrong_one():
    records = once([2e-41 * sample for sample in noise()])
    for record in records:
        assert isinstance(record, Feature | Reading)
        if isinstance(record.value, float):
            assert math.isfinite(record.value)
        assert (record.value is None) == (record.quality is Quality.BAD)
    values = {record.point: record.value for record in records}
    assert values["vibration.velocity_rms"] == pytest.approx(0.0, abs=1e-30)
    assert values["vibration.iso_zone"] == "A"


def test_a_gap_of_one_sample_starts_a_new_window():
    second = round(RATE)
    waveform = noise(samples=2 * second + 1001)
    records, condition = run([(0.0, waveform[:1000], False, RATE), (1001 / RATE, waveform[1001:], True, RATE)])
    stamps = {record.stamp.mono_ns for record in records if isinstance(record, Feature)}
    assert stamps == {later(START, 1001 / RATE + 1).mono_ns, later(START, 1001 / RATE + 2).mono_ns}
    assert condition.warnings == (
        "high_frequency is left out: it needs a rate above 10526 Hz, this is 5120 Hz",
        "the zone rests on 1 average of 1 s; four are steadier: a window of 2.5 s or more",
    )


def test_a_waveform_that_is_too_short_gives_nothing_and_says_so():
    records, condition = run([(0.0, noise(samples=1000), True, RATE), (1.0, noise(samples=1000), True, RATE)])
    assert records == []
    assert "breaks off after 0.195 s" in condition.warnings[0]


def test_another_rate_is_a_new_beginning_and_mixes_nothing():
    half = round(RATE / 2)
    records, _ = run([(0.0, noise(samples=half), False, RATE), (0.5, noise(samples=2 * half), False, 2 * RATE)])
    assert records == [], "half a second of one rate and half of another are no window"
    records, _ = run([(0.0, noise(samples=half), False, RATE), (0.5, noise(samples=4 * half), False, 2 * RATE)])
    windows = {record.window_s for record in records if isinstance(record, Feature)}
    assert windows == {1.0}
    assert len(records) == len(once(noise()))
