"""What `gateway check` says about a replay, without touching a file."""

import subprocess
import sys

import pytest

from drivers.replay import PLUGIN
from drivers.replay.spec import Acceleration, Column, ReplayLink, ReplayUnit
from gateway.config.quantity import Duration, Rate
from gateway.config.spec import Link
from gateway.driver import find


def findings(address, points=(), **options):
    options.setdefault("unit", Acceleration("g"))
    link = Link("replay", PLUGIN.check_address("replay", address), ReplayLink(**options))
    return [(finding.key or finding.point, finding.message) for finding in PLUGIN.check(link, ReplayUnit(), dict.fromkeys(points))]


def test_it_is_found_by_its_scheme():
    assert find("replay") is PLUGIN


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("bearing.wav", "bearing.wav"),
        ("data/Bearing.WAV", "data/Bearing.WAV"),
        ("/data/a.csv", "/data/a.csv"),
        ("///data/a.csv", "/data/a.csv"),
        ("a.npy", "a.npy"),
        ("a.f32", "a.f32"),
        ("a.raw", "a.raw"),
        ("/run/a.fifo", "/run/a.fifo"),
        ("tcp://localhost:15025", "tcp://localhost:15025"),
        ("tcp://10.0.0.1:15025/", "tcp://10.0.0.1:15025"),
        ("tcp://[::1]:15025", "tcp://[::1]:15025"),
    ],
)
def test_good_addresses(written, normal):
    assert PLUGIN.check_address("replay", written) == normal


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("bearing.wave", r"no known file type \(\.wave\); did you mean '\.wav'"),
        ("bearing", r"no known file type; known: \.wav"),
        ("", "the file is missing"),
        ("udp://a:1", r"not 'udp://'"),
        ("tcp://localhost", "write 'tcp://host:port'"),
        ("tcp://localhost:0", "is not a TCP address"),
        ("tcp://localhost:99999", "is not a TCP address"),
        ("tcp://::1:5", "is not a TCP address"),
        ("tcp://a b:5", "is not a TCP address"),
    ],
)
def test_bad_addresses(written, words):
    with pytest.raises(ValueError, match=words):
        PLUGIN.check_address("replay", written)


def test_a_rate_is_needed_where_the_source_has_none():
    for address in ("a.raw", "a.npy", "a.fifo", "tcp://localhost:1"):
        [(key, message)] = findings(address)
        assert key == "rate"
        assert "add e.g. rate=25.6kHz" in message
        assert not findings(address, rate=Rate(1000))
    assert not findings("a.wav")
    assert not findings("a.csv")


def test_options_of_another_kind_and_points_are_findings():
    assert findings("a.csv", channel=2) == [("channel", "only a .wav has channels; a .csv has 'column'")]
    assert findings("a.wav", column=Column("x")) == [("column", "only a .csv has columns; a .wav has 'channel'")]
    assert [key for key, _ in findings("a.wav", points=["temp"])] == ["temp"]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"rate": Rate(0)}, "rate"),
        ({"scale": 0.0}, "scale"),
        ({"block": Duration(0)}, "block"),
        ({"timeout": Duration(0)}, "timeout"),
    ],
)
def test_options_that_make_no_sense(options, key):
    assert [key for key, _ in ReplayLink(unit=Acceleration("g"), **options).problems()] == [key]


def test_the_unit_is_never_guessed():
    assert Acceleration.parse("m/s2") == Acceleration.parse("m/s^2") == Acceleration.parse("m/s²") == "m/s²"
    assert Acceleration.parse("g") == "g"
    for wrong in ("G", "mm/s", "", 1, None):
        with pytest.raises(ValueError, match="write 'm/s²' or 'g'"):
            Acceleration.parse(wrong)
    with pytest.raises(TypeError):
        ReplayLink()


def test_a_column_is_a_name_or_a_number():
    assert Column.parse(2) == "2"
    assert Column.parse(" x ") == "x"
    for wrong in (0, "", True, 1.5):
        with pytest.raises(ValueError, match="is not a column"):
            Column.parse(wrong)


def test_checking_loads_no_more_than_it_needs():
    code = "import sys; import drivers.replay; print([m for m in ('asyncua', 'numpy', 'wave') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
