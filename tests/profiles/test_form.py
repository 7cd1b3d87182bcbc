"""The form of the shipped profiles: short, sourced, every point with a unit or states, sound on every kind of line."""

import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from yaml import safe_load

from gateway import driver
from gateway.config.catalogue import catalogue
from gateway.config.check import check
from gateway.config.schema import schema

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "configs/profiles"
PATHS = sorted(PROFILES.glob("*/*.yaml"))
MOST_LINES = 45
SITE = "site: muster\ngateway: hall-1\nmachines: [{name: m, connect: '%s', profile: %s}]\n"
ALIKE = {
    r"voltage(_l\d)*|mains_voltage": {"V"},
    r"current(_l\d)?|motor_current": {"A"},
    r"power(_l\d)?": {"W"},
    r"energy(_import|_export)?(_l\d)?": {"kWh"},
    r".*frequency|frequency_setpoint": {"Hz"},
    r".*temperature.*": {"°C"},
    r".*_speed": {"rpm"},
    r".*_hours": {"h"},
    r".*power_factor.*|.*kurtosis|.*crest": {"1"},
}
"""Names that mean the same on every device, and their unit: what is shared stays comparable."""


def names(paths):
    return [str(path.relative_to(PROFILES).with_suffix("")) for path in paths]


@pytest.fixture(scope="module")
def known():
    return {one.name: one for one in catalogue(ROOT / "configs") if one.path.is_relative_to(PROFILES)}


def test_the_catalogue_has_every_file(known):
    assert sorted(known) == names(PATHS)


@pytest.mark.parametrize("path", PATHS, ids=names(PATHS))
def test_it_fits_on_a_screen_and_in_the_schema(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 132
    assert lines[0] == "# yaml-language-server: $schema=../../schema/profile.json"
    errors = Draft7Validator(schema("profile", driver._BUILT_IN)).iter_errors(safe_load(text))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize("name", names(PATHS))
def test_it_says_where_it_comes_from_and_how_far_it_was_tested(known, name):
    one = known[name]
    assert one.good
    assert one.problems == ()
    assert len(one.spec.source) > 20
    assert one.spec.vendor
    assert one.spec.model
    assert one.spec.verified in {"image", "device"}
    assert all(len(quirk.why) > 20 for quirk in one.spec.quirks.values())


@pytest.mark.parametrize("name", names(PATHS))
def test_every_point_says_what_its_number_means(known, name):
    for key, point in known[name].points.items():
        told = point.unit or point.states or getattr(point, "bits", None)
        assert told or point.kind in {"bool", "string"}, f"{key} has neither unit nor states; '1' where it has no dimension"
        for pattern, units in ALIKE.items():
            if re.fullmatch(pattern, key) and point.kind != "bool":
                assert point.unit in units, f"{key} in {point.unit}, elsewhere in {units}"


@pytest.mark.parametrize(
    "connect", ["modbus-tcp://10.0.0.9?unit=3", "modbus-rtu:///dev/ttyUSB0?unit=3", "modbus-rtu://10.0.0.9:4001"]
)
@pytest.mark.parametrize("name", names(PATHS))
def test_a_site_with_it_has_no_problem_on_any_line(name, connect, tmp_path):
    (tmp_path / "site.yaml").write_text(SITE % (connect, name), encoding="utf-8")
    checked = check(tmp_path / "site.yaml")
    assert [problem.head for problem in checked.problems if "every" not in problem.message] == []
    assert checked.config.machines["m"].points
