"""A driver that another package brings is checked by the structs it brings."""
# ruff: noqa: E501  (a row of a table stands on one line)

from typing import Annotated

import pytest
from msgspec import Meta

from gateway.config import url as module
from gateway.config.spec import PointSpec, SecretRef, Spec
from gateway.driver import Finding, Plugin


class FakeLink(Spec, frozen=True, kw_only=True):
    path: str = ""
    speed: Annotated[float, Meta(gt=0)] = 1.0
    login: SecretRef | None = None


class FakeUnit(Spec, frozen=True, kw_only=True):
    rack: Annotated[int, Meta(ge=0, description="rack of the controller")]


class FakePoint(PointSpec, frozen=True, kw_only=True):
    tag: str


def check_address(scheme, address):
    if not address:
        raise ValueError("the host is missing; write fake://HOST")
    return address.lower()


def check(link, unit, points):
    for name, point in points.items():
        if point.tag == "odd":
            yield Finding("this tag is odd", point=name, key="tag", level="warning")
        if point.tag == "bad":
            yield Finding("this tag is bad", point=name, key="scale")
    if unit.rack == 13:
        yield Finding("rack 13 is reserved", key="rack")


PLUGIN = Plugin(
    name="fake", schemes=("fake",), link=FakeLink, unit=FakeUnit, point=FakePoint,
    create=lambda link, clock: None, check_address=check_address, check=check,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.setattr(module, "known_schemes", lambda: ("fake", "modbus-tcp"))
    monkeypatch.setattr(module, "find", lambda scheme: PLUGIN)


def machine(entry):
    return f"site: a\ngateway: b\nmachines:\n  - {{name: m, {entry}}}\n"


def test_its_options_and_points_become_its_structs(site):
    entry = "connect: 'fake://HOST?path=007&speed=2&rack=3', login: {secret: plc}, points: {x: {tag: t, unit: bar}}"
    found = site(machine(entry)).config.machines["m"]
    assert (found.link.scheme, found.link.address) == ("fake", "host")
    assert found.link.options == FakeLink(path="007", speed=2.0, login=SecretRef(secret="plc")), "a text stays one"
    assert found.options == FakeUnit(rack=3)
    assert found.points == {"x": FakePoint(tag="t", unit="bar")}


@pytest.mark.parametrize(
    ("entry", "sentences"),
    [
        ("connect: 'fake:?rack=1', points: {x: {tag: t}}", ["the host is missing; write fake://HOST"]),
        ("connect: 'fake://h', points: {x: {tag: t}}", ["missing key 'rack': rack of the controller; add it to the URL or as a key beside 'connect:'"]),
        ("connect: 'fake://h', rack: 13, points: {x: {tag: t}}", ["rack 13 is reserved"]),
        ("connect: 'fake://h?rack=1', points: {x: {tag: odd}}", ["warning: this tag is odd"]),
        ("connect: 'fake://h?rack=1', points: {x: {tag: bad}}", ["this tag is bad"]),
        ("connect: 'fake://h?rack=13', points: {x: {tag: bad}, y: {}}", ["this tag is bad", "missing key 'tag'"]),
        ("connect: 'fake://h?rack=1', login: hunter2-x, points: {x: {tag: t}}", ["secrets never stand in YAML: write {secret: NAME} and put the value into the file secrets/NAME (chmod 600)"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_them_is_told(heads, entry, sentences):
    assert [head.split(": ", 1)[1] for head in heads(machine(entry))] == sentences


def test_a_driver_that_cannot_be_loaded_is_told(heads, monkeypatch):
    def broken(scheme):
        raise ImportError("libfake.so is missing")

    monkeypatch.setattr(module, "find", broken)
    (head,) = heads(machine("connect: 'fake://h', rack: 1, points: {x: {tag: t}}"))
    assert "the driver 'fake' cannot be loaded (ImportError: libfake.so is missing); install its package again" in head
