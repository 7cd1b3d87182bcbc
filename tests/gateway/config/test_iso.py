"""The table of zone boundaries: complete, rising, each number with its sources, and no row of another table in it."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest

from gateway.config.data import data_folder
from gateway.config.iso import FILE, boundaries, read
from gateway.config.zones import IsoGroup

ROWS = boundaries()
TEXT = (data_folder() / FILE).read_text(encoding="utf-8")


def test_there_is_a_row_for_everything_that_may_be_chosen():
    assert set(ROWS) == set(get_args(IsoGroup))


def test_the_boundaries_rise_and_the_larger_or_softer_machine_may_vibrate_more():
    for row in ROWS.values():
        for limits in filter(None, (row.velocity_mm_s, row.displacement_um)):
            assert 0 < limits[0] < limits[1] < limits[2]
    rising = [
        ("group2-rigid", "group1-rigid", "group1-flexible"),
        ("group2-rigid", "group2-flexible", "group1-flexible"),
        ("class1", "class2", "class3", "class4"),
        ("pump1-small", "pump1-large"),
        ("pump2-small", "pump2-large"),
        ("pump1-small", "pump2-small"),
        ("pump1-large", "pump2-large"),
    ]
    for names in rising:
        for smaller, larger in pairwise(names):
            assert all(a < b for a, b in zip(ROWS[smaller].velocity_mm_s, ROWS[larger].velocity_mm_s, strict=True)), (
                smaller,
                larger,
            )


def test_group_2_is_not_mixed_up_with_class_2():
    assert ROWS["group2-rigid"].velocity_mm_s == (1.4, 2.8, 4.5)
    assert ROWS["class2"].velocity_mm_s == (1.12, 2.8, 7.1)
    assert ROWS["group2-flexible"].velocity_mm_s == ROWS["group1-rigid"].velocity_mm_s == (2.3, 4.5, 7.1)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_names_two_sources_or_is_not_verified(name):
    row = ROWS[name]
    assert row.verified == (len(row.sources) >= 2)
    assert row.standard.startswith("ISO ")
    assert row.lowest_rpm < row.highest_rpm


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[1.4, 2.8, 4.5]", "[1.4, 4.5, 2.8]", "group2-rigid: boundaries rise"),
        ("[1.4, 2.8, 4.5]", "[1.4, 2.8]", "velocity_mm_s"),
        ("[1.4, 2.8, 4.5]", "[0, 2.8, 4.5]", "> 0"),
        ("sources: [vib-agent, pdm-mcp, beckhoff]", "sources: [vib-agent, hearsay]", "no source is called 'hearsay'"),
        ("sources: [vib-agent, pdm-mcp, beckhoff]", "sources: [vib-agent]", "verified needs two sources, it names 1"),
        ("sources: [vib-agent, pdm-mcp, beckhoff]", "sources: [vib-agent, vib-agent]", "verified needs two sources"),
        ("      group2-rigid:", "      group3-rigid:", "group3-rigid"),
        ("sources:\n", "sources: [\n", "iso-zones.yaml"),
    ],
)
def test_a_table_that_is_not_sound_is_refused(old, new, words):
    assert old in TEXT
    with pytest.raises(ValueError, match=r"iso-zones.yaml") as caught:
        read(TEXT.replace(old, new, 1))
    assert words in str(caught.value)
