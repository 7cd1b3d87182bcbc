"""What the lane keeps: on disk before it is told, in memory when the disk fails."""

from __future__ import annotations

import pytest

from gateway.state import State
from gateway.uplink.sparkplug.kept import Kept
from gateway.uplink.sparkplug.past import Mark

from .hosting import stamp


@pytest.fixture
def keep(tmp_path):
    """Begin with what earlier ones have kept; `keep.troubles` are the errors so far."""

    def keep(name: str = "cooperative") -> Kept:
        return Kept(State(tmp_path), name, keep.troubles.append)

    keep.troubles = []
    return keep


def test_bdseq_begins_at_0_and_goes_on_from_the_last_connect_that_was_sent(keep):
    kept = keep()
    assert [kept.next_bdseq(), kept.next_bdseq()] == [0, 0]
    kept.use_bdseq()
    assert kept.next_bdseq() == 1
    assert keep().next_bdseq() == 1
    for number in range(1, 256):
        assert kept.next_bdseq() == number
        kept.use_bdseq()
    assert keep().next_bdseq() == 0


async def test_aliases_and_what_is_left_are_found_again_by_the_same_recipient_only(keep):
    kept = keep()
    alias = kept.aliases.of("press-1", "oil_temp").alias
    await kept.write_aliases()
    await kept.write_left({"press-1": Mark(stamp(5), 7)})
    again, other = keep(), keep("customer")
    assert again.aliases.names.metrics["press-1"]["oil_temp"].alias == alias
    assert again.left == {"press-1": Mark(stamp(5), 7)}
    assert (other.aliases.names.metrics, other.left, other.next_bdseq()) == ({}, {}, 0)


async def test_nothing_is_written_twice(keep, tmp_path):
    kept = keep()
    kept.aliases.of("press-1", "oil_temp")
    await kept.write_aliases()
    await kept.write_left({})
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    await kept.write_aliases()
    await kept.write_left({})
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


async def test_a_disk_that_fails_is_told_and_the_lane_goes_on(keep, tmp_path):
    kept = keep()
    tmp_path.joinpath("sparkplug.cooperative.bdseq.json").mkdir()
    tmp_path.joinpath("sparkplug.cooperative.aliases.json").mkdir()
    kept.next_bdseq()
    kept.use_bdseq()
    kept.aliases.of("press-1", "oil_temp")
    await kept.write_aliases()
    assert len(keep.troubles) == 2
    assert kept.next_bdseq() == 1
