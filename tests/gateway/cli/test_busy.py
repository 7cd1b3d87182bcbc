"""What the running gateway holds is left alone: decided from what its control socket says."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.cli import _busy
from gateway.cli._busy import SERVICE_DATA, folders, held
from gateway.control import NotRunning
from tests.drivers.modbus.tables import link

LATEST = {"a": {"value": 1, "unit": "", "age_s": 1, "quality": "good", "reason": ""}}


@pytest.fixture
def running(monkeypatch):
    """Let a gateway run that has these machines: name=connection."""

    def run(**machines: str):
        def answer(folder: Path, op: str, points=(), **_):
            if folder != Path("/data"):
                raise NotRunning("none")
            shown = {name: {"connection": url} for name, url in machines.items()}
            return {"machines": shown | {name: shown[name] | {"latest": LATEST} for name in points}}

        monkeypatch.setattr(_busy, "request", answer)

    return run


def test_a_serial_port_has_one_reader(running, tmp_path):
    port = tmp_path / "ttyUSB0"
    port.touch()
    by_id = tmp_path / "usb-FTDI"
    by_id.symlink_to(port)
    running(meter=f"modbus-rtu://{by_id}", press="modbus-tcp://10.0.0.1:502")
    found = held([Path("/nowhere"), Path("/data")], link("modbus-rtu", str(port)))
    assert found.exclusive
    assert found.latest == {"meter": LATEST}
    assert found.sentence.startswith("the running gateway reads meter on this connection; a serial port has one reader only")


def test_another_protocol_on_the_same_port_is_the_same_port(running):
    running(meter="modbus-ascii:///dev/ttyUSB0")
    assert held([Path("/data")], link("modbus-rtu", "/dev/ttyUSB0")).exclusive


def test_one_connection_only(running):
    running(press="modbus-tcp://10.0.0.1:502")
    assert held([Path("/data")], link("modbus-tcp", "10.0.0.1:502", one_connection=True)).exclusive
    assert not held([Path("/data")], link("modbus-tcp", "10.0.0.1:502")).exclusive


@pytest.mark.parametrize("place", ["10.0.0.2:502", "10.0.0.1:503"])
def test_what_it_does_not_use_is_free(running, place):
    running(press="modbus-tcp://10.0.0.1:502")
    assert held([Path("/data")], link("modbus-tcp", place, one_connection=True)) is None
    assert held([Path("/data")], link("modbus-rtu", "/dev/ttyUSB0")) is None


def test_none_runs(running):
    running(press="modbus-tcp://10.0.0.1:502")
    assert held([Path("/other")], link("modbus-tcp", "10.0.0.1:502")) is None


def test_a_gateway_that_may_not_be_asked_is_told(monkeypatch):
    def denied(*_, **__):
        raise NotRunning("no permission for /x; run it with sudo") from PermissionError()

    monkeypatch.setattr(_busy, "request", denied)
    found = held([Path("/x")], link("modbus-rtu", "/dev/ttyUSB0"))
    assert not found.exclusive
    assert found.sentence == "a gateway may be running, but it could not be asked: no permission for /x; run it with sudo"


def test_the_gateway_of_the_service_is_asked_too_unless_a_folder_is_named(monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert folders(argparse.Namespace(data=None)) == [Path("var"), SERVICE_DATA]
    assert folders(argparse.Namespace(data=Path("/d"))) == [Path("/d")]
    unit = (Path(__file__).parents[3] / "systemd/retrofit-gateway.service").read_text()
    assert f"StateDirectory={SERVICE_DATA.name}\n" in unit
