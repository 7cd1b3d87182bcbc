"""The campaign in small: fifty kills, some power cuts, and a control that must fail."""

from __future__ import annotations

import pytest

from tests.campaign.power import campaign
from tests.campaign.power.cuts import Judge, Result, kills, power_cuts
from tests.campaign.power.disk import possible


def check(result: Result) -> None:
    assert campaign.broken({"ends": {"one": [*result]}}) == []
    assert result.promised > 20 * result.ends, f"too little was written to prove anything: {result}"


@pytest.mark.timeout(300)
def test_fifty_kills_lose_nothing_that_was_promised(tmp_path):
    result = kills(50, 7, tmp_path)
    check(result)
    assert result.ends == 50


@pytest.mark.timeout(120)
@pytest.mark.skipif(bool(possible()), reason=possible())
def test_power_cuts_lose_nothing_that_was_promised_and_a_store_that_does_not_wait_for_the_disk_is_caught(tmp_path):
    check(power_cuts(8, 7, folder=tmp_path))
    control = power_cuts(3, 7, synced=False, folder=tmp_path)
    assert control.lost > 0


def rows(*seqs, log="reading"):
    return [(log, seq, float(seq - 1)) for seq in seqs]


def judged(said, *found):
    judge = Judge("kill -9")
    judge.judge([("open", "", 0), *said], found, 0.0)
    return judge.result


def test_the_judge_sees_a_loss_a_gap_a_double_and_a_wrong_number():
    stored = [("try", "reading", 5), ("stored", "reading", 5)]
    good = judged(stored, *rows(1, 2, 3, 4, 5))
    assert (good.promised, good.lost, good.corrupt, good.gaps) == (5, 0, 0, 0)
    assert judged(stored, *rows(1, 2, 3, 4)).lost == 1
    assert judged(stored, *rows(1, 2, 4, 5))[3:6] == (1, 0, 1)
    assert judged(stored, *rows(1, 2, 3, 4, 5, 5)).corrupt == 1
    assert judged(stored, *rows(1, 2, 3, 4), ("reading", 5, 99.0)).corrupt == 1
    assert judged(stored, *rows(1, 2, 3, 4), ("reading", 5, None)).told == 1
    assert judged(stored, *rows(1, 2, 3, 4, 5, 6)).corrupt == 1, "nobody wrote number 6"


def test_what_was_accepted_may_be_gone_and_what_was_tried_may_be_there():
    said = [("try", "reading", 5), ("stored", "reading", 5), ("accept", "reading", 3), ("try", "reading", 7)]
    result = judged(said, *rows(4, 5, 6, 7))
    assert (result.lost, result.corrupt, result.gaps, result.beyond) == (0, 0, 0, 2)


def test_the_page_tells_a_broken_promise_and_a_blind_control():
    lost = Result("kill -9", 1, 10, 1, 0, 0, 0, 0, 0.1)
    blind = Result("power cut, control without fsync", 1, 10, 0, 0, 0, 0, 0, 0.1)
    results = {"ends": {"a": [*lost], "b": [*lost], "c": [*blind]}}
    assert [words.split(":")[0] for words in campaign.broken(results)] == ["kill -9", "power cut, control without fsync"]
    assert "| kill -9 | 2 | 20 | 2 |" in "\n".join(campaign.lines(results))
