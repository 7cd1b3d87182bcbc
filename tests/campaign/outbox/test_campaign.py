"""A look at the campaign against the outbox, and what its section shows; its small versions are in tests/gateway/outbox."""

from __future__ import annotations

from tests.campaign.outbox import campaign


def test_all_there_is_to_do_is_more_than_ten_thousand_states_and_every_bit_and_length():
    jobs = campaign.jobs(1.0)
    assert sum(job.arguments[-2] * job.arguments[-1] for job in jobs if job.part == "cuts") >= 10_000
    assert {job.arguments[2] for job in jobs if job.part == "damage"} == {1}


def test_a_look_at_it_keeps_every_promise_and_shows_its_figures():
    results = {"cuts": {}, "control": {}, "damage": {}}
    for job in campaign.jobs(0.0005):
        if job.part != "damage" or job.name.endswith("1 of 8"):
            results[job.part][job.name] = [*job.call(*job.arguments)]
    assert campaign.broken(results) == []
    text = "\n".join(campaign.lines(results))
    assert "| a store that is full | 8 |" in text
    assert "1 of 1 lives of a store that waits for no disk were found out." in text


def test_what_is_broken_is_told():
    results = {
        "cuts": {"a store that is full": [10, 100, 0, 1, "seed 1: gone"]},
        "control": {"a store that waits for no disk": [3, 2]},
        "damage": {"closed before": [100, 2, "bit 7: lost"]},
    }
    assert campaign.broken(results) == [
        "a store that is full: 1 broken, first: seed 1: gone",
        "closed before: 2 wrong, first: bit 7: lost",
        "a store that waits for no disk: 1 of 3 were not found out",
    ]
