"""`gateway decode`: every message is recognised and shown; what is none gets a sentence, and nothing in it reaches the terminal."""

import io
import json
import sys
from contextlib import redirect_stdout, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli import main
from gateway.cli.decode import show
from gateway.model import Log, Reading, Sequenced, Stamp
from gateway.uplink.batch import encode
from gateway.uplink.encoding import Encoding
from gateway.uplink.errors import FormatError
from gateway.uplink.sparkplug import encode as sparkplug
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.payload import Metric, Payload, Property
from tests.formats.corpus import GOLDEN


class Pipe(io.BytesIO):
    """Standard input with these bytes."""


def piped(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(content)))


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.message")))
def test_every_message_ever_sent_is_shown_and_gives_its_records_as_json(name, capsys):
    path = GOLDEN / f"{name}.message"
    assert main(["decode", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("muster-metallbau / hall-1, log ")
    assert f"version {name[1]}, {'JSON' if name[1] == '1' else 'CBOR'}" in shown
    assert ("zstd" in shown) == name.endswith(("zstd", "dictionary"))
    assert main(["decode", "--json", str(path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [repr(line) for line in lines] == [repr({"site": "muster-metallbau", "gateway": "hall-1", **row}) for row in expected]


def test_a_record_is_a_line_with_what_a_person_looks_for(capsys):
    main(["decode", str(GOLDEN / "v2-features-resolution.message"), str(GOLDEN / "v1-urgent.message")])
    out = capsys.readouterr().out
    assert "2026-01-01T00:00:00.000000  90000004  spindle  vibration.velocity_rms  19.157 mm/s ±0.5%" in out
    assert "oil_temp.slope          -                   bad, no data" in out
    assert "alarm: limit normal to high at 92.5 °C" in out
    assert "lost: 100 of urgent, seq 0 to 99        time uncertain" in out


@pytest.mark.parametrize("topic", ["", "coop/muster-metallbau/hall-1/up/batch "])
def test_lines_of_a_pipe_are_messages(monkeypatch, capsys, topic):
    contents = [(GOLDEN / f"{name}.message").read_bytes() for name in ("v1-urgent", "v2-urgent-dictionary")]
    lines = [topic.encode() + contents[0], b"", topic.encode() + contents[1].hex().encode()]
    piped(monkeypatch, b"\n".join(lines) + b"\n")
    assert main(["decode", "-"]) == 0
    assert capsys.readouterr().out.count("seq 12 to 18: 7 records") == 2


@pytest.mark.parametrize("name", ["v1-urgent", "v2-urgent", "v2-urgent-dictionary"])
def test_one_message_may_come_in_a_pipe_as_it_was_sent(monkeypatch, capsys, name):
    content = (GOLDEN / f"{name}.message").read_bytes()
    if name.startswith("v1"):
        content = json.dumps(json.loads(content), indent=2).encode()
    piped(monkeypatch, content)
    assert main(["decode", "-"]) == 0
    assert "7 records" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not JSON"),
        (b"hello\n", "not JSON"),
        (b"{}", "not a retrofit-gateway/batch message: it has no format"),
        (b'{"format": "retrofit-gateway/batch", "version": 9}', "version is 9, this program reads 1 and 2; update it"),
        (b"\xd9\xd9\xf7\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "not CBOR as it is sent here"),
        (b"\x28\xb5\x2f\xfd\x00\x01\x02", "it looks compressed and cannot be decompressed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "not JSON"),
    ],
)
def test_what_is_no_message_is_told_and_the_next_file_is_still_shown(tmp_path, capsys, content, sentence):
    path = tmp_path / "message"
    path.write_bytes(content)
    assert main(["decode", str(path), str(GOLDEN / "v1-urgent.message")]) == 1
    out, err = capsys.readouterr()
    assert "7 records" in out
    assert err.startswith("gateway decode: ")
    assert str(path) in err
    assert sentence in err
    assert "Traceback" not in err


def test_a_broken_line_does_not_end_the_stream(monkeypatch, capsys):
    good = (GOLDEN / "v1-urgent.message").read_bytes()
    piped(monkeypatch, good + b"\n" + good[:-5] + b"\n" + good + b"\n")
    assert main(["decode", "-"]) == 1
    out, err = capsys.readouterr()
    assert out.count("7 records") == 2
    assert "gateway decode: standard input, line 2: not JSON" in err


@pytest.mark.parametrize(("name", "words"), [("gone.message", "cannot be read: no such file"), ("", "is a folder")])
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path, capsys, name, words):
    assert main(["decode", str(tmp_path / name)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_nothing_in_a_message_can_steer_the_terminal(tmp_path, capsys, form):
    record = Reading(machine="\x1b[2J", point="a\nb", value="\x07\x9b31m", unit="\u202e", stamp=Stamp(0, 0, ""))
    (message,) = encode("s", "g", [Sequenced(Log.READING, "e", 1, record)], encoding=Encoding(form))
    (tmp_path / "m").write_bytes(message.payload)
    assert main(["decode", str(tmp_path / "m")]) == 0
    out = capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in out)
    assert len(out.splitlines()) == 4


SPARKPLUG = sparkplug.encode(
    Payload(
        timestamp=1_767_225_600_123,
        seq=3,
        metrics=(
            Metric(
                name="oil_temp",
                alias=5,
                timestamp=1_767_225_600_000,
                datatype=DataType.DOUBLE,
                value=41.5,
                properties={"Quality": Property(DataType.INT32, 192), "engUnit": Property(DataType.STRING, "°C")},
            ),
            Metric(alias=6, timestamp=1_767_225_600_000, datatype=DataType.STRING, value="auto\x1b[2J", historical=True),
            Metric(name="bdSeq", datatype=DataType.INT64, value=None),
        ),
    )
)


def test_a_payload_of_the_live_lane_is_shown_metric_by_metric(tmp_path, monkeypatch, capsys):
    (tmp_path / "m").write_bytes(SPARKPLUG)
    assert main(["decode", str(tmp_path / "m")]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        f"Sparkplug B, seq 3, 2026-01-01T00:00:00.123Z: 3 metrics, {len(SPARKPLUG)} bytes",
        "time metric datatype value properties",
        "2026-01-01T00:00:00.000 oil_temp (alias 5) Double 41.5 Quality 192, engUnit °C",
        "2026-01-01T00:00:00.000 alias 6 String auto·[2J historical",
        "bdSeq Int64 null",
        "",
    ]
    piped(monkeypatch, b"spBv1.0/muster/DDATA/hall-1/press-1 " + SPARKPLUG.hex().encode() + b"\n")
    assert main(["decode", "--json", "-"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["name"], first["value"], first["message"]["seq"]) == ("oil_temp", 41.5, 3)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"", b"\x08", b"\x12", b"\x18", b"\xd9\xd9\xf7", b"{"]), st.binary(max_size=40), st.booleans())
def test_whatever_comes_it_is_shown_or_told_in_a_sentence(head, rest, as_json):
    with suppress(FormatError), redirect_stdout(io.StringIO()):
        show(head + rest, as_json=as_json)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_payload_of_the_live_lane_is_shown_or_told_in_a_sentence(data):
    damaged = bytearray(SPARKPLUG)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FormatError), redirect_stdout(io.StringIO()) as out:
        show(bytes(damaged), as_json=False)
    assert all(char.isprintable() or char == "\n" for char in out.getvalue())
