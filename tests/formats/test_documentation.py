"""docs/formats.md says what is sent: its examples are, and its readers read every message of the corpus."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from gateway.model import Log, Reason
from gateway.uplink import cbor, packing
from gateway.uplink.batch import decode, encode, read, topic
from gateway.uplink.encoding import Encoding
from tests.formats.corpus import GOLDEN, ROOT

DOCS = ROOT / "docs" / "formats.md"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.message"))


def blocks(language):
    text = DOCS.read_text(encoding="utf-8")
    return [part.split("```", 1)[0] for part in text.split(f"```{language}\n")[1:]]


def test_the_examples_of_version_1_are_what_is_sent():
    examples = blocks("json")
    assert len(examples) == 2
    for text in examples:
        batch = decode(text)
        (message,) = encode(batch.site, batch.gateway, batch.records)
        assert json.loads(message.payload) == json.loads(text)
    first = decode(examples[0]).records
    assert [item.seq for item in first] == [4711, 4712, 4713, 4714, 4715]
    assert [item.record.value for item in first] == [41.5, "setup", None, "auto", 41.75]


def test_the_example_of_version_2_is_what_is_sent():
    (text,) = blocks("jsonc")
    message, rows = read(cbor.dump(json.loads(text))[0])
    resolution = next(row.resolution for row in rows)
    sent = encode(
        message.site,
        message.gateway,
        decode(cbor.dump(json.loads(text))[0]).records,
        encoding=Encoding("cbor", None, lambda *_: resolution),
    )
    assert packing.unpack(sent[0].payload)[0] == json.loads(text)
    told = [row.record.value for row in rows]
    assert told == [0.35456, 0.36522, None, 4.4862, 4.3985, 4.5308]
    for number in told:
        assert number is None or f"{number}" in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_readers_on_the_page_read_the_corpus(name, monkeypatch):
    codes = blocks("python")
    assert len(codes) == 2
    names: dict[str, object] = {}
    exec(compile(codes[int(name[1]) - 1], str(DOCS), "exec"), names)
    names["DICTIONARY"] = str(ROOT / "gateway/uplink/batch.zdict")
    content = (GOLDEN / f"{name}.message").read_bytes()
    if name.startswith("v1") and content.startswith(packing.ZSTD_MAGIC):
        content = packing.decompress(content)
    expected = {}
    for line in (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] in {"reading", "feature"}:
            key = ("hall-1", row["log"], row["epoch"], row["seq"])
            expected[key] = (row["machine"], row["point"], repr(plain(row["value"])), row["quality"])
    got = {key: (machine, point, repr(plain(value)), quality) for key, _, machine, point, value, quality in names["rows"](content)}
    assert got == expected
    times = {item.seq: item.record.stamp.wall_ns // 1000 for item in decode(content).records}
    for key, t_us, *_ in names["rows"](content):
        assert t_us == times[key[3]]


def plain(value):
    """Bytes stand in JSON as base64, in CBOR as they are, in a reader that does not look inside as they came."""
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    return value


def test_the_page_names_every_reason_log_and_field():
    text = DOCS.read_text(encoding="utf-8")
    for reason in Reason:
        assert reason is Reason.NONE or f"`{reason.name.lower()}`" in text
    for log in Log:
        assert f"`{log.value}`" in text
    assert topic("<site>", "<gateway>") in text
    assert str(packing.DICTIONARY) in text


def test_the_dictionary_the_page_names_is_in_the_package():
    assert (Path(packing.__file__).parent / "batch.zdict").exists()
    assert "gateway/uplink/batch.zdict" in DOCS.read_text(encoding="utf-8")
