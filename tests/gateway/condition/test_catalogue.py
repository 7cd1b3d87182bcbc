"""One catalogue: the choices, the documentation and the points are the same everywhere."""

from __future__ import annotations

import os
import re
from array import array
from pathlib import Path
from typing import get_args

import pytest

from gateway.condition import catalogue
from gateway.condition.analysis import Analysis
from gateway.config.features import CATALOGUE, VibrationFeature
from gateway.config.iso import boundaries
from gateway.config.quantity import Duration, Length
from gateway.config.rotation import FrequencyBand, Shaft
from gateway.config.sensor import bearings_for
from gateway.config.vibration import BearingSpec, BearingType, GearSpec, Vibration, points_of

PAGE = Path(__file__).parents[3] / "docs/features.md"
EVERYTHING = Vibration(
    window=Duration(2),
    features="all",
    unit="m/s²",
    bands={"low": FrequencyBand(50, 300)},
    speed=Shaft(1480.0),
    bearing=[
        BearingSpec(name="front", type=BearingType("6205-2RS")),
        BearingSpec(name="back", balls=8, ball=Length(6.746), pitch=Length(28.5)),
    ],
    gear=GearSpec(teeth=23),
    iso="group2-rigid",
)


def rows() -> list[str]:
    return [
        f"| `{row.name}` | {row.standard} | {row.group} | {', '.join(map('{:g}'.format, row.velocity_mm_s))} "
        f"| {'yes' if row.verified else 'no'} |"
        for row in boundaries().values()
    ]


def written() -> str:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- from the catalogue: gateway/config/features.py -->\n", "<!-- end of the catalogue -->"
    text = re.sub(f"{re.escape(begin)}.*?{end}", lambda _: begin + "\n".join(catalogue.table()) + f"\n{end}", text, flags=re.DOTALL)
    head, end = "| --- | --- | --- | --- | --- |\n", "<!-- end of the zones -->"
    return re.sub(f"{re.escape(head)}((?!---).)*?{end}", lambda _: head + "\n".join(rows()) + f"\n{end}", text, flags=re.DOTALL)


def test_the_documentation_has_the_catalogue_and_the_zones_word_for_word():
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(written(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written(), "run this test with UPDATE_GOLDEN=1"


def test_what_may_be_chosen_is_what_the_catalogue_has():
    assert list(CATALOGUE) == list(get_args(VibrationFeature))


def test_every_feature_is_computed_under_the_names_that_were_announced():
    analysis = Analysis(EVERYTHING, 51200, 25600.0, "", boundaries()["group2-rigid"], bearings_for(EVERYTHING))
    result = analysis.measure(array("f", [(i * 7919) % 101 / 101 for i in range(51200)]), 1480.0)
    assert analysis.left_out == ()
    names = [value.name for value in result.values]
    assert [name for name in points_of(EVERYTHING) if name != "iso_zone"] == names
    assert result.zone is not None
    units = points_of(EVERYTHING)
    texts = {value.name for value in result.values if value.text is not None}
    assert texts == {"bearing.front", "bearing.back"}
    assert {value.name: value.unit for value in result.values} == {
        name: "" if name in texts else units[name] or "m/s²" for name in names
    }
    assert set(result.bearings) == {"front", "back"}


@pytest.mark.parametrize("name", points_of(EVERYTHING))
def test_every_point_is_described(name):
    words = catalogue.described(name, 2.0, 7)
    assert words.standard
    assert words.sentence
    assert words.averaging in {"the whole window", "Hann, 7 x 2 s"} or words.averaging.startswith("synchronous")


def test_a_name_that_is_no_feature_is_not_described():
    with pytest.raises(KeyError):
        catalogue.described("brand_new", 1.0, 1)
