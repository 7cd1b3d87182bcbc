"""What can be written about a sensor, and what is said about what cannot."""

import pytest

from drivers.iio import PLUGIN
from drivers.iio.spec import Axes, IioLink, IioUnit, check_address
from gateway.condition import announced
from gateway.config.check import check
from gateway.config.quantity import Rate

HEAD = "site: s\ngateway: g\nmachines:\n  - {name: m, "


def problems(tmp_path, machine):
    path = tmp_path / "site.yaml"
    path.write_text(HEAD + machine + "}\n")
    return check(path)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("adxl355", "adxl355"),
        ("0", "iio:device0"),
        ("iio:device3", "iio:device3"),
        ("/sys/bus/iio/devices/iio:device1", "iio:device1"),
        ("/dev/iio:device1", "iio:device1"),
    ],
)
def test_a_device_is_named_by_name_or_number(written, address):
    assert check_address("iio", written) == address


@pytest.mark.parametrize("written", ["", "/", "a b", "ä"])
def test_what_is_no_name_is_refused(written):
    with pytest.raises(ValueError, match="is not the name of a device"):
        check_address("iio", written)


@pytest.mark.parametrize(("text", "axes"), [("x", "x"), ("Z", "z"), ("zxy", "xyz"), ("x, z", "xz")])
def test_axes(text, axes):
    assert Axes.parse(text) == axes


@pytest.mark.parametrize("text", ["", "a", "xx", "accel_x", 1])
def test_what_is_no_axis_is_refused(text):
    with pytest.raises(ValueError, match="write x, y or z, or xyz for all three"):
        Axes.parse(text)


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (
            "connect: 'iio://a', vibration: {}",
            "samples per second, one of those the device offers; add it to the URL or as a key beside 'connect:'",
        ),
        ("connect: 'iio://a?rate=1000', vibration: {}", "'1000' has no unit; did you mean '1000Hz'?"),
        ("connect: 'iio://a?rate=0Hz', vibration: {}", "a rate must be above 0Hz"),
        ("connect: 'iio://a?rate=1kHz&axis=w', vibration: {}", "'w' is not an axis; write x, y or z"),
        ("connect: 'iio://a?rate=1kHz&axes=x', vibration: {}", "did you mean 'axis'?"),
        ("connect: 'iio://a?rate=1kHz&clock=2kHz', vibration: {}", "is the true rate of a sensor that is asked for 1kHz"),
        ("connect: 'iio://a?rate=1kHz&block=1s', vibration: {}", "lasts at least two blocks (2s) and at most 2min"),
        ("connect: 'iio://a?rate=1kHz&block=2min&buffer=4min', vibration: {}", "a block lasts more than 0s and at most 60s"),
        ("connect: 'iio://a?rate=1kHz&timeout=0.1s', vibration: {}", "must be longer than a block"),
        (
            "connect: 'iio://a?rate=1kHz&unit=g', vibration: {}",
            "an accelerometer tells its own scale and gives m/s²; 'unit' belongs",
        ),
        (
            "connect: 'iio://a?rate=1kHz&channel=voltage0', vibration: {}",
            "the unit of the sensor at this input is missing; write unit=g",
        ),
        ("connect: 'iio://a?rate=1kHz&channel=voltage0&unit=g', vibration: {}", "tells how many millivolts it gives per unit"),
        (
            "connect: 'iio://a?rate=1kHz&channel=voltage0&unit=mm', vibration: {}",
            "'mm' is not a unit of acceleration; write 'm/s²' or 'g'",
        ),
        (
            "connect: 'iio://a?rate=1kHz&channel=voltage0&unit=g&sensitivity=40&axis=x', vibration: {}",
            "'axis' and 'channel' exclude each other",
        ),
        ("connect: 'iio://a?rate=1kHz&channel=in_V0&unit=g&sensitivity=40', vibration: {}", "write it as in in_voltage0_raw"),
        ("connect: 'iio://a?rate=1kHz&channel=accel_y&unit=g&sensitivity=4', vibration: {}", "write axis=y instead"),
        ("connect: 'iio://a?rate=1kHz', vibration: {}, points: {t: {}}", "a sensor has no points to poll"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_cure(tmp_path, machine, words):
    found = problems(tmp_path, machine)
    assert any(words in problem.message for problem in found.problems), [str(problem) for problem in found.problems]
    assert all(problem.line == 4 for problem in found.problems if words in problem.message)
    assert found.config is None


def test_one_axis_is_one_waveform_and_several_are_several():
    link = IioLink(rate=Rate(1000))
    assert PLUGIN.waves(link, IioUnit()) == ("vibration",)
    assert PLUGIN.waves(link, IioUnit(axis=Axes("z"))) == ("vibration",)
    assert PLUGIN.waves(link, IioUnit(axis=Axes("xz"))) == ("vibration.x", "vibration.z")


def test_the_names_of_its_waveforms_are_known_from_the_configuration(tmp_path):
    several = problems(tmp_path, "connect: 'iio://a?rate=1kHz&axis=xy', vibration: {features: [rms, iso_zone], iso: class1}")
    machine = several.config.machines["m"]
    assert machine.waves == ("vibration.x", "vibration.y")
    assert list(announced(machine)) == ["vibration.x.rms", "vibration.y.rms", "vibration.iso_zone"]
    machine = problems(tmp_path, "connect: 'iio://a?rate=1kHz&axis=y', vibration: {}").config.machines["m"]
    assert machine.waves == ("vibration",)
