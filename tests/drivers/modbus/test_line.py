"""What failed about a line, in words."""

import re

import pytest

from drivers.modbus.line import Line
from drivers.modbus.spec import ModbusLink
from gateway.config.spec import Link
from gateway.driver import LinkError


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
async def test_a_name_that_cannot_be_asked_for_is_told_in_words(host):
    line = Line(Link("modbus-tcp", f"{host}:502", ModbusLink()), lambda chunk: None, lambda error: None)
    with pytest.raises(LinkError, match=re.escape(f"'{host}' is not a host name; check the spelling, or write the IP address")):
        await line.open()
