"""Some hundred states after power cuts; `make campaign` looks at more than ten thousand. The control must not pass."""

from __future__ import annotations

import pytest

from tests.gateway.outbox.power_cuts import BrokenPromiseError, Campaign

ROOMY, SMALL = 4_000_000, 64 * 1024


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_loses_nothing_that_was_promised(seed):
    campaign = Campaign(seed, ROOMY, may_lose=False)
    campaign.live(60, 60)
    assert (campaign.states, campaign.records > 500) == (60, True)


@pytest.mark.parametrize("seed", range(4))
def test_a_power_cut_in_a_store_that_is_full_leaves_no_loss_untold(seed):
    campaign = Campaign(seed, SMALL, may_lose=True)
    campaign.live(300, 60)
    assert campaign.states == 60


@pytest.mark.parametrize(("seed", "max_bytes"), [(0, ROOMY), (1, SMALL), (2, SMALL)])
def test_a_disk_that_fails_now_and_then_is_not_trusted_by_mistake(seed, max_bytes):
    campaign = Campaign(seed, max_bytes, may_lose=max_bytes == SMALL, faults=0.03)
    campaign.live(100, 60)
    assert (campaign.states, campaign.failures > 0) == (60, True)


@pytest.mark.parametrize("max_bytes", [ROOMY, SMALL])
def test_a_store_that_does_not_wait_for_the_disk_is_found_out(max_bytes):
    with pytest.raises(BrokenPromiseError):
        Campaign(0, max_bytes, may_lose=True, syncs=False).live(60, 100)
