"""`vibration:` of a machine: every mistake has its place and a cure, and what is chosen is what is asked for."""

from __future__ import annotations

import pytest

from gateway.config.check import check
from gateway.config.iso import boundaries
from gateway.config.rotation import FrequencyBand, Shaft, SpeedRange
from gateway.config.vibration import Estimate, Vibration, axis_of, chosen, points_of

SITE = """site: muster
gateway: hall
machines:
  - name: spindle
    connect: {connect}
    points: {points}
    vibration: {vibration}
"""


@pytest.fixture
def checked(tmp_path):
    def run(vibration, connect="replay:wave.f32?rate=25.6kHz&unit=g", points="{}"):
        path = tmp_path / "site.yaml"
        path.write_text(SITE.format(vibration=vibration, connect=connect, points=points), encoding="utf-8")
        return check(path)

    return run


def said(checked):
    return [problem.head.partition("site.yaml:")[2] for problem in checked.problems if problem.level == "error"]


def test_all_that_can_stand_there_becomes_the_machine(checked):
    config = checked(
        "{window: 8s, every: 60s, unit: g, speed: 1480rpm, iso: group2-rigid, bands: {low: 50-300Hz}, features: all}"
    ).config
    machine = config.machines["spindle"]
    assert machine.vibration.speed == Shaft(1480.0)
    assert machine.vibration.bands == {"low": FrequencyBand(50.0, 300.0)}
    assert machine.zones == boundaries()["group2-rigid"]


@pytest.mark.parametrize(
    ("bearing", "outer"),
    [
        ("6205-2RS", {"": 3.5848}),
        ("6205", {"": 3.5848}),
        ("{type: SKF 6205-2RS C3}", {"": 3.5848}),
        ("{balls: 9, ball: 7.94mm, pitch: 39.04mm, angle: 0deg}", {"": 3.5848}),
        ("{outer: 3.58, inner: 5.42, element: 2.36, cage: 0.398}", {"": 3.58}),
        ("[{name: front, type: 6205-2RS}, {name: back, type: 6203-2RS}]", {"front": 3.5848, "back": 3.0530}),
    ],
)
def test_a_bearing_is_a_type_a_geometry_or_rates(checked, bearing, outer):
    machine = checked(f"{{speed: 1480rpm, bearing: {bearing}}}").config.machines["spindle"]
    assert {name: one.outer for name, one in machine.bearings.items()} == pytest.approx(outer, rel=1e-3)


def test_a_speed_may_be_estimated(checked):
    config = checked("{speed: {estimate: 1400-1500rpm}}").config
    assert config.machines["spindle"].vibration.speed == Estimate(estimate=SpeedRange(1400.0, 1500.0))


@pytest.mark.parametrize(
    ("vibration", "place", "words"),
    [
        ("{iso: group2}", "7:22", "'group2' is not one of group1-rigid"),
        ("{unit: mg}", "7:23", "'mg' is not one of g, m/s², m/s2"),
        ("{bands: {low: 300-50Hz}}", "7:30", "a band of frequencies begins above 0 and ends higher"),
        ("{speed: 1480}", "7:24", "'1480' has no unit; did you mean '1480rpm'?"),
        ("{speed: {estimate: 1400rpm}}", "7:35", "write it like '1400-1500rpm'"),
        ("{speed: spindle_sped}", "7:24", "machine 'spindle' has no point 'spindle_sped' to tell the speed"),
        ("{features: [iso_zone]}", "7:27", "'iso_zone' has nothing to rest on; write 'iso:' beside 'features:', or leave it out"),
        ("{features: [harmonics]}", "7:27", "write 'speed:' beside"),
        ("{features: [bands]}", "7:27", "write 'bands:' beside"),
        ("{features: [kurtosi]}", "7:28", "did you mean 'kurtosis'?"),
        ("{speed: 1480rpm, bearing: 99999}", "7:42", "the bearing '99999' is not known"),
        ("{speed: 1480rpm, bearing: XY-99999}", "7:42", "the bearing 'XY-99999' is not known"),
        ("{speed: 1480rpm, bearing: {type: XY-99999}}", "7:49", "the bearing 'XY-99999' is not known"),
        ("{bearing: 6205-2RS}", "7:26", "'bearing' needs the speed of the shaft; write 'speed:' beside it"),
        ("{gear: {teeth: 23}}", "7:23", "'gear' needs the speed of the shaft"),
        ("{speed: 1480rpm, gear: {teeth: 5}}", "7:47", "5 is out of range: 6 to 1000"),
        ("{speed: 1480rpm, bearing: {balls: 9}}", "7:33", "a bearing given this way needs balls, ball and pitch"),
        (
            "{speed: 1480rpm, bearing: {}}",
            "7:33",
            "a bearing needs type, or balls, ball and pitch, or outer",
        ),
        ("{speed: 1480rpm, bearing: {type: '6205', outer: 3.58}}", "7:33", "a bearing is given in one way; keep type or outer"),
        ("{speed: 1480rpm, bearing: {balls: 9, ball: 40mm, pitch: 39mm}}", "7:42", "do not fit on a pitch circle"),
        ("{speed: 1480rpm, bearing: {balls: 9, ball: 7.94, pitch: 39mm}}", "7:59", "'7.94' has no unit; did you mean '7.94mm'?"),
        ("{speed: 1480rpm, bearing: ['6205', '6203']}", "7:42", "'bearing' lists several, so each needs a name"),
        ("{window: 0s}", "7:25", "a window lasts more than 0s"),
    ],
)
def test_a_mistake_is_told_at_its_place_with_a_cure(checked, vibration, place, words):
    problems = said(checked(vibration))
    assert len(problems) == 1, problems
    assert problems[0].startswith(place)
    assert words in problems[0]


@pytest.mark.parametrize(
    ("point", "speed", "words"),
    [
        ("{at: holding 1, unit: rpm}", "plc/n", None),
        ("{at: holding 1, unit: Hz}", "plc/n", "the point 'n' is in 'Hz'; the speed of a shaft is a point whose 'unit:' is rpm"),
        ("{at: holding 1}", "plc/n", "the point 'n' has no unit; the speed of a shaft is a point whose 'unit:' is rpm"),
        ("{at: holding 1, unit: rpm, scal: 2}", "plc/n", "unknown key 'scal'"),
        ("{at: holding 1, unit: rpm}", "plc/m", "machine 'plc' has no point 'm' to tell the speed"),
        ("{at: holding 1, unit: rpm}", "plv/n", "there is no machine 'plv', did you mean 'plc'?"),
        (
            "{at: holding 1, unit: rpm}",
            "n",
            "has no point 'n' to tell the speed; one of another machine is written",
        ),
    ],
)
def test_the_speed_comes_from_a_point_in_rpm_of_any_machine(checked, point, speed, words):
    plc = f"\n  - {{name: plc, connect: 'modbus-tcp://10.0.0.1', points: {{n: {point}}}}}"
    problems = said(checked(f"{{speed: {speed}}}{plc}"))
    assert len(problems) == (1 if words else 0), problems
    assert all(words in problem for problem in problems)


def test_without_a_choice_there_is_the_usual_and_what_the_keys_ask_for():
    plain = ["rms", "peak", "peak_to_peak", "crest", "skewness", "kurtosis", "velocity_rms"]
    assert list(points_of(Vibration())) == plain
    asked = Vibration(bands={"low": FrequencyBand(50, 300)}, iso="class1", speed=Estimate(estimate=SpeedRange(1400, 1500)))
    assert list(points_of(asked)) == [*plain, "band.low", "speed", "iso_zone"]
    assert [line.name for line in chosen(Vibration(features=["kurtosis", "rms"]))] == ["rms", "kurtosis"]
    everything = [line.name for line in chosen(Vibration(features="all"))]
    assert "shape" in everything
    assert "harmonics" not in everything


def test_the_axis_is_the_last_part_of_the_name():
    assert axis_of("vibration.x") == ("vibration", "x")
    assert axis_of("vibration") == ("vibration", "")
    assert axis_of("motor.vibration") == ("motor.vibration", "")
    assert axis_of("x") == ("x", "")


@pytest.mark.parametrize(
    ("vibration", "words"),
    [
        (
            "{window: 500ms, speed: 1480rpm, bearing: '6205'}",
            "holds 12.3 turns of the shaft, and a verdict takes 25; make it 2s or",
        ),
        ("{window: 500ms, iso: group2-rigid}", "a zone takes a window of 1s or longer, not 500ms"),
        ("{window: 8s, speed: 1480rpm, bearing: '6205', iso: group2-rigid}", ""),
        ("{window: 1s, speed: {estimate: 1400-1500rpm}, bearing: '6205'}", ""),
    ],
)
def test_a_window_too_short_for_what_is_asked_of_it_is_a_warning(checked, vibration, words):
    warnings = [problem.message for problem in checked(vibration).problems if "window" in problem.message]
    assert [words in warning for warning in warnings] == ([True] if words else [])
