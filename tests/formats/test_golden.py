"""Every message that was ever sent can still be read, and version 1 still looks exactly as its first receivers know it."""

from __future__ import annotations

import hashlib

import pytest

from gateway.uplink import packing
from gateway.uplink.batch import decode
from tests.formats.corpus import CASES, EPOCH, GATEWAY, GOLDEN, RECORDS, ROOT, SITE, payload, rows

NAMES = sorted(path.stem for path in GOLDEN.glob("*.message"))
SUMS = dict(reversed(line.split("  ")) for line in (GOLDEN / "SHA256SUMS").read_text().splitlines())


def test_no_file_of_the_corpus_has_changed():
    """What stands in somebody's archive does not change either: add a file for what is new, never change one."""
    files = {path.name: path for path in GOLDEN.iterdir() if path.name != "SHA256SUMS"}
    files["batch.zdict"] = ROOT / "gateway/uplink/batch.zdict"
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == SUMS


def test_the_corpus_holds_every_case_and_kind():
    assert set(NAMES) >= CASES.keys()
    told = "".join((GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8") for name in NAMES)
    for kind in ("reading", "feature", "event", "tombstone"):
        assert f'"kind": "{kind}"' in told
    for log in ("urgent", "feature", "reading", "bulk"):
        assert f'"log": "{log}"' in told


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_read_as_it_was_meant(name):
    content = (GOLDEN / f"{name}.message").read_bytes()
    assert rows(content) == (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8")
    batch = decode(content)
    assert (batch.site, batch.gateway, batch.version) == (SITE, GATEWAY, int(name[1]))
    assert {item.epoch for item in batch.records} == {EPOCH}
    wanted = RECORDS[CASES[name][0]]()
    assert [(item.log, item.seq) for item in batch.records] == [(item.log, item.seq) for item in wanted]


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_same_records_are_still_sent_the_same_way(name):
    """Compressed, another release of the library may give other bytes; what is in them stays."""
    before, now = (GOLDEN / f"{name}.message").read_bytes(), payload(name)
    if now.startswith(packing.ZSTD_MAGIC):
        before, now = packing.decompress(before), packing.decompress(now)
    assert now == before, "version 1 may not change; version 2 may get smaller: then this file stays, and the case gets a new name"
