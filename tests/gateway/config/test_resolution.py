"""`resolution:` where numbers are, and only there."""

import pytest

SITE = """site: s
gateway: g
machines:
  - name: press
    connect: modbus-tcp://10.0.0.5
    points:
      oil: {{at: holding 40001, resolution: {oil}}}
      mode: {{at: holding 40002, states: {{0: "off", 1: "on"}}{mode}}}
    temperature: {{points: [oil], resolution: 0.1}}
  - name: spindle
    connect: replay:spindle.f32?rate=10kHz&unit=g
    vibration: {{resolution: {vibration}}}
"""


def errors(checked):
    return [(problem.line, problem.message) for problem in checked.problems if problem.level == "error"]


def test_points_and_features_may_have_one(site):
    checked = site(SITE.format(oil="0.1", mode="", vibration="0.5%"))
    assert errors(checked) == []
    machines = checked.config.machines
    assert machines["press"].points["oil"].resolution.written == "0.1"
    assert machines["press"].points["mode"].resolution is None
    assert machines["press"].temperature.resolution.written == "0.1"
    assert machines["spindle"].vibration.resolution.written == "0.5%"


@pytest.mark.parametrize(
    ("changes", "line", "message"),
    [
        ({"oil": "0.1 °C"}, 7, "a resolution does not name the unit, it is that of the point; did you mean 0.1, or '0.1%'?"),
        ({"mode": ", resolution: 1"}, 8, "a point with states is sent by name, which has no resolution"),
        ({"vibration": "0.1"}, 12, "'resolution' of features of different units is relative, for example 0.5%"),
    ],
)
def test_what_cannot_be_meant_is_told_at_its_place(site, changes, line, message):
    assert errors(site(SITE.format(**{"oil": "0.1", "mode": "", "vibration": "0.5%", **changes}))) == [(line, message)]


def test_a_format_that_does_not_exist_is_told_with_those_that_do(site):
    checked = site("site: s\ngateway: g\nuplink: {broker: [mqtts://hub], format: cobr, compress: gzip}\n")
    told = [message for _, message in errors(checked)]
    assert "'cobr' is not one of json, cbor; did you mean 'cbor'?" in told
    assert any("'gzip' is not one of" in message and "zstd-dictionary" in message for message in told)
