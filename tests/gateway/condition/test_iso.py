"""The zone by the standard: on known signals it is right, and where something is missing it is refused in words, never guessed."""

from __future__ import annotations

import math
from array import array

import pytest

from gateway.condition.analysis import Analysis
from gateway.condition.iso import Verdict, proposed_alarm, worst, zone
from gateway.config.features import VibrationFeature
from gateway.config.iso import boundaries
from gateway.config.quantity import Duration
from gateway.config.rotation import Shaft
from gateway.config.vibration import Vibration
from gateway.config.zones import IsoGroup

ROWS = boundaries()
ZONE: list[VibrationFeature] = ["iso_zone"]


def verdict(
    mm_s: float,
    hz: float = 50.0,
    seconds: float = 8.0,
    rate_hz: float = 5120.0,
    unit: str = "m/s²",
    iso: IsoGroup | None = "group2-rigid",
    rpm: float | None = 1480.0,
    declared_rpm: float | None = None,
) -> Verdict:
    """Return the verdict on a sine of so much velocity."""
    spec = Vibration(window=Duration(seconds), iso="group2-rigid", speed=Shaft(declared_rpm or rpm), features=ZONE)
    amplitude = math.sqrt(2) * mm_s / 1000 * 2 * math.pi * hz / (9.80665 if unit == "g" else 1.0)
    length = round(seconds * rate_hz)
    samples = array("f", [amplitude * math.sin(2 * math.pi * hz * n / rate_hz) for n in range(length)])
    result = Analysis(spec, length, rate_hz, unit, ROWS[iso] if iso else None).measure(samples, rpm)
    assert result.zone is not None
    return result.zone


@pytest.mark.parametrize(
    ("mm_s", "letter"), [(0.5, "A"), (1.35, "A"), (1.45, "B"), (2.75, "B"), (2.85, "C"), (4.45, "C"), (4.6, "D")]
)
@pytest.mark.parametrize("unit", ["m/s²", "g"])
def test_the_zone_follows_the_velocity(mm_s, letter, unit):
    found = verdict(mm_s, unit=unit)
    assert (found.zone, found.refused, found.unit, found.limits) == (letter, "", "mm/s", (1.4, 2.8, 4.5))
    assert found.value == pytest.approx(mm_s, rel=5e-3)
    assert found.notes == ()


def test_a_value_on_a_boundary_belongs_to_the_better_zone():
    assert [zone(value, (1.4, 2.8, 4.5)) for value in (0.0, 1.4, 2.8, 4.5, 4.51)] == ["A", "A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"unit": ""}, "does not tell its unit; write 'unit: g' or 'unit: m/s²'"),
        ({"unit": "V"}, "it needs acceleration in m/s² or g, not 'V'"),
        ({"rate_hz": 2500.0}, "needs a rate of 2560 Hz or more, this is 2500 Hz"),
        ({"seconds": 0.9}, "a record of 0.9 s is too short; the standard wants 1 s at least"),
        ({"seconds": 0.2}, "too short"),
        ({"iso": None}, "the group of the machine is not given; write it with 'iso:'"),
        ({"rpm": 119.0}, "is for 120 to 30000 rpm, this machine turns at 119"),
        ({"rpm": 30_001.0}, "this machine turns at 30001"),
        ({"rpm": 0.0, "declared_rpm": 1480.0}, "this machine turns at 0"),
        ({"iso": "class1", "rpm": 500.0}, "ISO 10816-1:1995 is for 600 to 12000 rpm"),
        ({"rpm": 300.0, "seconds": 1.5}, "below 600 rpm it is judged from 2 Hz on, which needs a window of 2 s"),
    ],
)
def test_a_verdict_is_refused_in_words_where_it_would_be_a_guess(missing, words):
    found = verdict(2.0, **missing)
    assert found.zone == ""
    assert words in found.refused


def test_a_slow_machine_is_judged_from_2_hz_on_and_by_its_displacement_too():
    fast, slow = verdict(4.0, hz=5.0, rpm=1480.0), verdict(4.0, hz=5.0, rpm=300.0)
    assert fast.zone == "A"
    assert fast.value < 0.1
    assert (slow.zone, slow.unit, slow.limits) == ("D", "µm", (22.0, 45.0, 71.0))
    assert slow.value == pytest.approx(4.0 / (2 * math.pi * 5.0) * 1000, rel=2e-2), "bins of 0.5 Hz smear a line at 5 Hz"
    assert "verified: no" in slow.notes[0]
    assert verdict(2.0, hz=50.0, rpm=300.0).unit == "mm/s"


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if not row.verified])
def test_numbers_that_no_two_sources_give_are_told_with_every_verdict(name):
    found = verdict(2.0, iso=name)
    assert found.zone == "A"
    assert not found.verified
    assert found.notes == (
        f"the limits of {name} are verified: no; compare them with {ROWS[name].standard} before you rely on them",
    )


def test_few_averages_and_an_unknown_speed_are_told():
    assert verdict(2.0, seconds=1.0).notes == ("the zone rests on 1 average of 1 s; four are steadier: a window of 2.5 s or more",)
    assert verdict(2.0, seconds=2.5).notes == ()
    assert "the speed is not known" in verdict(2.0, rpm=None, declared_rpm=1480.0).notes[0]


def test_the_worst_axis_counts_and_a_refusal_only_where_all_are_refused():
    refused, good, bad = Verdict(refused="no"), verdict(1.0), verdict(3.0)
    assert worst([good, bad, refused]) is bad
    assert worst([refused, good]) is good
    assert worst([refused]) is refused
    assert worst([]) is None


def test_the_proposed_alarm_is_a_quarter_of_b_c_above_what_is_usual_and_never_above_1_25_of_it():
    row = ROWS["group2-rigid"]
    assert proposed_alarm(row, 0.9) == pytest.approx(0.9 + 0.7)
    assert proposed_alarm(row, 3.4) == pytest.approx(3.5)
