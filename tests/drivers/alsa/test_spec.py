"""What can be written about a sound card, and what is said about what cannot."""

import pytest

from drivers.alsa.spec import FORMATS, AlsaUnit, check_address
from gateway.config.check import check
from gateway.config.quantity import Acceleration

HEAD = "site: s\ngateway: g\nmachines:\n  - {name: m, vibration: {}, "
GOOD = "connect: 'alsa://hw:1,0?rate=48kHz&unit=g&scale=20"


def problems(tmp_path, machine):
    path = tmp_path / "site.yaml"
    path.write_text(HEAD + machine + "}\n")
    return check(path)


@pytest.mark.parametrize("name", ["hw:1,0", "hw:CARD=Ltd,DEV=0", "plughw:1", "default", "sensor_1"])
def test_a_device_is_named_as_arecord_names_it(name):
    assert check_address("alsa", name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1,0", "did you mean 'hw:1,0'?"),
        ("1", "did you mean 'hw:1'?"),
        ("", "write it like hw:1,0"),
        ("-l", "write it"),
        ("a b", "write it"),
    ],
)
def test_what_is_no_device_is_refused(name, words):
    with pytest.raises(ValueError, match="is not the name of a device") as caught:
        check_address("alsa", name)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ("connect: 'alsa://hw:1,0?unit=g&scale=20'", "samples per second, one of those the card has"),
        ("connect: 'alsa://hw:1,0?rate=48k&unit=g&scale=20'", "did you mean '48kHz'?"),
        ("connect: 'alsa://hw:1,0?rate=48000.5Hz&unit=g&scale=20'", "a whole number of samples per second"),
        ("connect: 'alsa://hw:1,0?rate=48kHz&scale=20'", "unit of the samples after scaling"),
        ("connect: 'alsa://hw:1,0?rate=48kHz&unit=V&scale=20'", "'V' is not a unit of acceleration; write 'm/s²' or 'g'"),
        ("connect: 'alsa://hw:1,0?rate=48kHz&unit=g'", "the sensitivity is missing; write scale=…"),
        (GOOD + "&counts=8'", "'scale' and 'counts' say the same twice"),
        ("connect: 'alsa://hw:1,0?rate=48kHz&unit=g&scale=0'", "cannot be 0"),
        (GOOD + "&format=S16'", "S16_LE"),
        (GOOD + "&channel=3'", "there is no channel 3 among 2; correct it, or write channels=3"),
        ("connect: 'alsa://hw:1,0?rate=48kHz&unit=g&counts=5&format=FLOAT_LE'", "write scale=… instead"),
        (GOOD + "&block=1ms'", "a block lasts from 10ms to 10s"),
        (GOOD + "&buffer=0.1s'", "lasts at least two blocks (200ms)"),
        (GOOD + "&timeout=0.1s'", "must be longer than a block"),
        (GOOD + "', points: {a: {}}", "a sound card has no points to poll"),
        ("connect: 'alsa://1,0?rate=48kHz&unit=g&scale=20'", "did you mean 'hw:1,0'?"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_cure(tmp_path, machine, words):
    found = problems(tmp_path, machine)
    assert any(words in problem.message for problem in found.problems), [str(problem) for problem in found.problems]
    assert all(problem.line == 4 for problem in found.problems)
    assert found.config is None


@pytest.mark.parametrize("name", ["plughw:1,0", "default"])
def test_a_device_that_converts_is_warned_of(tmp_path, name):
    found = problems(tmp_path, GOOD.replace("hw:1,0", name) + "'")
    assert found.config
    assert [(problem.level, "may convert rate and format" in problem.message) for problem in found.problems] == [("warning", True)]


def test_the_factor_of_a_sample():
    assert AlsaUnit(unit=Acceleration("g"), scale=20.0).factor(FORMATS["S24_3LE"]) * 2**23 == 20
    assert AlsaUnit(unit=Acceleration("g"), scale=20.0).factor(FORMATS["FLOAT_LE"]) == 20
    assert AlsaUnit(unit=Acceleration("g"), counts=400.0).factor(FORMATS["S16_LE"]) * 400 == 1
