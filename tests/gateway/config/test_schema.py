import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from yaml import safe_load

from gateway import driver
from gateway.config.schema import schema

ROOT = Path(__file__).parents[3]
HEAD = {"site": "muster", "gateway": "hall-1"}


def made(kind):
    return schema(kind, driver._BUILT_IN)


def good(machine, kind="site"):
    return Draft7Validator(made(kind)).is_valid({**HEAD, "machines": [machine]})


@pytest.mark.parametrize("kind", ["site", "share", "profile"])
def test_the_schema_in_the_repository_is_the_one_of_the_structs(kind):
    committed = json.loads((ROOT / f"configs/schema/{kind}.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(made(kind))), f"run: gateway schema {kind} > configs/schema/{kind}.json"


@pytest.mark.parametrize("kind", ["site", "share", "profile"])
def test_it_is_a_schema(kind):
    Draft7Validator.check_schema(made(kind))


EXAMPLES = [ROOT / "configs/site.example.yaml", ROOT / "configs/demo/site.yaml", *sorted(ROOT.glob("drivers/*/example.yaml"))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_fit_it(path):
    assert [error.message for error in Draft7Validator(made("site")).iter_errors(safe_load(path.read_text()))] == []


@pytest.mark.parametrize("path", [ROOT / "configs/share.example.yaml", ROOT / "configs/demo/share.yaml"], ids=str)
def test_the_contracts_fit_it(path):
    assert [error.message for error in Draft7Validator(made("share")).iter_errors(safe_load(path.read_text()))] == []


def test_it_knows_the_options_and_points_of_every_driver():
    press = {"name": "p", "connect": "modbus-tcp://h", "unit": 7, "points": {"a": {"at": "holding 16", "type": "int16"}}}
    assert good(press)
    assert not good({**press, "unit": 700})
    assert not good({**press, "bogus": 1})
    assert not good({**press, "points": {"a": {"at": "holding 16", "type": "int61"}}})
    assert not good({**press, "points": {"a b": {"at": "holding 16"}}})
    assert not good({**press, "every": 1})
    assert good({**press, "every": "1s"})
    assert not good({"name": "p"})
    lathe = {"name": "l", "connect": "opc.tcp://h", "insecure": True, "points": {"a": {"path": "Objects/A"}}}
    assert good(lathe)
    assert not good({**lathe, "points": {"a": {"at": "holding 16"}}})
    assert not good({**lathe, "baud": 9600})


def test_a_machine_on_a_named_line_has_unit_options_only():
    meter = {"name": "m", "connect": "bus-a", "unit": 7, "points": {"a": {"at": "input 3"}}}
    assert good(meter)
    assert not good({**meter, "baud": 9600})


def test_patterns_are_understood_by_editors_too():
    text = json.dumps(made("site"))
    assert r"\-" not in text, "an escaped '-' is an error in JavaScript's unicode mode"
