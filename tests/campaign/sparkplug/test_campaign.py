"""The campaign in small, and its judge."""

from __future__ import annotations

import pytest

from tests.campaign.sparkplug import campaign, fuzz


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_mutated_inputs_are_read_or_refused(target):
    result = fuzz.fuzz(target, 3000)
    assert campaign.broken({"inputs": {target: [*result]}}) == []


def test_the_judge_sees_what_is_uncaught_what_takes_long_and_what_is_blind(monkeypatch):
    def fails(data: bytes) -> bool:
        raise KeyError(data)

    for take in (fails, lambda data: True, lambda data: False):
        monkeypatch.setitem(fuzz.TARGETS, "payloads", (take, fuzz.PAYLOADS))
        assert campaign.broken({"inputs": {"payloads": [*fuzz.fuzz("payloads", 10)]}})
    assert campaign.broken({"inputs": {"payloads": [10, 5, 0, 2000.0, ""]}})


def test_the_page_has_a_row_for_each_target():
    rows = campaign.lines({"inputs": {"payloads": [1000, 400, 0, 3.1, ""]}})
    assert rows[-1] == "| payloads | 1,000 | 400 | 600 | 0 | 3.1 |"
