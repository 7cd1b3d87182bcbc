"""What a plugin says of its drivers is what its drivers can do; the check relies on it, the poller looks at the driver."""

import pytest

from drivers.alsa import PLUGIN as ALSA
from drivers.alsa.spec import AlsaLink
from drivers.iio import PLUGIN as IIO
from drivers.iio.spec import IioLink
from drivers.modbus import PLUGIN as MODBUS
from drivers.modbus.spec import ModbusLink
from drivers.opcua import PLUGIN as OPCUA
from drivers.opcua.spec import OpcuaLink
from drivers.replay import PLUGIN as REPLAY
from drivers.replay.spec import ReplayLink
from gateway.clock import Clock
from gateway.config.quantity import Rate
from gateway.config.spec import Link
from gateway.driver import Streams


@pytest.mark.parametrize(
    ("plugin", "link"),
    [
        (MODBUS, Link("modbus-tcp", "127.0.0.1:502", ModbusLink())),
        (OPCUA, Link("opc.tcp", "127.0.0.1:4840", OpcuaLink(insecure=True))),
        (ALSA, Link("alsa", "hw:1,0", AlsaLink(rate=Rate(48_000)))),
        (IIO, Link("iio", "adxl355", IioLink(rate=Rate(1000)))),
        (REPLAY, Link("replay", "a.wav", ReplayLink(unit="g"))),
    ],
)
async def test_a_plugin_says_whether_its_drivers_bring_a_waveform(plugin, link):
    assert plugin.streams == isinstance(plugin.create(link, Clock()), Streams)


def test_a_plugin_says_what_kind_of_line_an_address_is():
    assert MODBUS.medium("modbus-rtu", "/dev/ttyUSB0") == "serial"
    assert MODBUS.medium("modbus-rtu", "10.0.0.40:4001") == MODBUS.medium("modbus-tcp", "10.0.0.21:502") == "tcp"
    assert REPLAY.medium("replay", "/data/a.wav") == "", "two machines may play one file in two ways"
    assert OPCUA.medium("opc.tcp", "h:4840") == "", "a server takes several sessions"
