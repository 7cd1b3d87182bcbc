"""Serial ports by stable names. Peer: a folder that looks like /dev/serial, and what pyserial finds is given."""

from types import SimpleNamespace

import pytest

from drivers.modbus import PLUGIN, ports
from gateway.clock import Clock
from gateway.driver import LinkError
from tests.drivers.modbus.tables import link


@pytest.fixture
def serial(tmp_path, monkeypatch):
    """A computer with two adapters; only the first has a serial number."""
    folder = tmp_path / "serial"
    for kind in ("by-id", "by-path"):
        (folder / kind).mkdir(parents=True)
    for name in ("ttyUSB0", "ttyUSB1"):
        (tmp_path / name).touch()
    (folder / "by-id" / "usb-FTDI_A10K-if00").symlink_to(tmp_path / "ttyUSB0")
    (folder / "by-path" / "pci-1").symlink_to(tmp_path / "ttyUSB0")
    (folder / "by-path" / "pci-2").symlink_to(tmp_path / "ttyUSB1")
    monkeypatch.setattr(ports, "SERIAL", folder)
    return tmp_path


def plugged(monkeypatch, *devices):
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [SimpleNamespace(device=str(d)) for d in devices])


def test_by_id_comes_before_by_path(serial):
    assert ports.stable_names() == {
        str(serial / "ttyUSB0"): str(serial / "serial/by-id/usb-FTDI_A10K-if00"),
        str(serial / "ttyUSB1"): str(serial / "serial/by-path/pci-2"),
    }


def test_a_name_that_may_change_is_told(serial, monkeypatch):
    monkeypatch.setattr(ports, "stable_names", lambda folder=None: {"/dev/ttyUSB0": "/dev/serial/by-id/usb-FTDI"})
    warning = ports.unstable("/dev/ttyUSB0", "modbus-rtu")
    assert warning.endswith("write modbus-rtu:///dev/serial/by-id/usb-FTDI")
    assert ports.unstable("/dev/ttyUSB7", "modbus-rtu") == "", "it has no other name"
    assert ports.unstable("/dev/ttyS0", "modbus-rtu") == "", "built-in ports keep their name"
    assert ports.unstable("/dev/serial/by-id/usb-FTDI", "modbus-rtu") == ""
    driver = PLUGIN.create(link("modbus-rtu", "/dev/ttyUSB0"), Clock())
    assert driver.warnings == [warning]


async def test_a_port_that_is_gone_says_what_to_write_instead(serial, monkeypatch):
    async def failed(address, scheme="modbus-ascii"):
        with pytest.raises(LinkError, match="does not exist") as caught:
            await PLUGIN.create(link(scheme, address), Clock()).open()
        return caught.value.hint

    plugged(monkeypatch)
    assert "no serial port is present; plug the adapter in" in await failed("/dev/ttyUSB99")
    plugged(monkeypatch, serial / "ttyUSB0")
    stable = serial / "serial/by-id/usb-FTDI_A10K-if00"
    assert f"if that is the adapter, write modbus-ascii://{stable}" in await failed("/dev/serial/by-id/usb-other")
    plugged(monkeypatch, serial / "ttyUSB0", serial / "ttyUSB1", "/dev/ttyS9")
    hint = await failed("/dev/ttyUSB99")
    assert hint.startswith(f"present: /dev/ttyS9, {stable}, {serial}/serial/by-path/pci-2")
