"""Some of the bits and lengths of a log (`make campaign` tries all), and any damage to any file of a full store."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.model import Log, Tombstone
from gateway.outbox.codec import encode
from gateway.outbox.segment import LOGS
from gateway.outbox.spans import Run, spans
from gateway.outbox.store import Store
from tests.gateway.outbox.damage import Specimen
from tests.gateway.outbox.simulated import SimulatedDisk
from tests.gateway.stores import SMALL, event, feature, reading


@pytest.fixture(scope="module", params=[True, False], ids=["closed", "killed"])
def specimen(request):
    return Specimen(clean=request.param)


def test_a_flipped_bit_costs_the_record_it_hits_and_a_cut_what_was_there(specimen):
    tried, wrong = specimen.sweep(specimen.files, 1009, 7)
    assert wrong == []
    assert tried > 600


def test_every_bit_of_the_head_and_of_the_first_record_is_tried(specimen):
    wrong = [words for bit in range(8 * specimen.offsets[1]) if (words := specimen.flip(specimen.segment, bit))]
    assert wrong == []


def test_the_sweep_would_see_a_loss_that_is_not_told(specimen, monkeypatch):
    monkeypatch.setattr("gateway.outbox.chain.spans", lambda *place: (span for span in spans(*place) if isinstance(span, Run)))
    assert "not told" in specimen.flip(specimen.segment, 8 * specimen.offsets[3])


class Filled:
    """A state of a full store, and everything that was appended to it."""

    def __init__(self, state, appended):
        self.state, self.appended = state, appended


@pytest.fixture(scope="module")
def full_store():
    """Return a full store in which readings were thinned out."""
    disk, clock = SimulatedDisk(), ManualClock()
    store = Store(disk, SMALL, None, clock)
    store.open()
    appended = {}
    for i in range(150):
        rows = [reading(float(10 * i + j)) for j in range(10)] + ([event(str(i)), feature(float(i))] if i % 5 == 0 else [])
        for log in LOGS:
            last = store.logs[LOGS.index(log)].last
            mine = [record for record in rows if record.log is log]
            appended |= {(log, last + 1 + n): record for n, record in enumerate(mine)}
        store.commit([encode(record) for record in rows])
    clock.advance(11)
    store.tick()  # the cursor knows how far it came, so that even a sector lost without a trace at the very end is noticed
    assert any(segment.level for segment in store.logs[LOGS.index(Log.READING)].segments)
    return Filled(disk.state(), appended)


def flip(image, random):
    if image:
        image[random.randrange(len(image))] ^= 1 << random.randrange(8)


def nothing_left(image, random):
    image.clear()


def zeros(image, random):
    at = random.randrange(len(image) // 512 + 1) * 512
    image[at : at + 512] = bytes(len(image[at : at + 512]))


def noise(image, random):
    at = random.randrange(len(image) + 1)
    image[at : at + 300] = random.randbytes(len(image[at : at + 300]))


def cut(image, random):
    del image[random.randrange(len(image) + 1) :]


def longer(image, random):
    image += random.randbytes(5000)


DAMAGES = [flip, nothing_left, zeros, noise, cut, longer]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(DAMAGES), st.integers(0, 999)), min_size=1, max_size=3))
def test_whatever_is_damaged_it_starts_gives_only_what_was_appended_and_tells_what_is_missing(full_store, damages):
    state, appended = full_store.state, full_store.appended
    names = sorted(state)
    hit = {names[place % len(names)] for place, _, _ in damages}
    state = dict(state)
    for place, damage, seed in damages:
        image = bytearray(state[names[place % len(names)]])
        damage(image, Random(seed))
        state[names[place % len(names)]] = bytes(image)
    store = Store(SimulatedDisk(state), SMALL, None, ManualClock())
    store.open()
    assert store.trouble == ""
    covered = {log: set() for log in Log}
    while claim := store.claim(50):
        for row in claim.records:
            if isinstance(row.record, Tombstone):
                covered[row.log] |= set(range(min(row.seq, row.record.first), row.record.last + 1))
            else:
                assert row.record == appended[row.log, row.seq]
            covered[row.log].add(row.seq)
        store.acknowledge(claim.token)
    for log, numbers in covered.items():
        if numbers:
            assert numbers == set(range(min(numbers), max(numbers) + 1)), f"a silent gap in {log}"
    store.commit([encode(reading(-1.0))])
    (row,) = store.claim(9).records
    assert row.record.value == -1.0
    if "cursor" not in hit:
        assert row.seq > max(seq for log, seq in appended if log is Log.READING)
