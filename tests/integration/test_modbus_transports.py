"""Modbus ASCII and UDP against servers of pymodbus; TLS against libmodbus behind socat, and ours on Python's ssl."""

import ssl

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.errors import NoAnswer
from drivers.modbus.ledger import _LEDGERS
from drivers.modbus.tls import context_of
from gateway.clock import Clock
from gateway.driver import DeviceError, LinkError
from gateway.model import Reason
from tests.drivers.modbus.tables import bad, good, link, point, registers, table
from tests.peers import modbus, modbus_pymodbus, modbus_quirky, modbus_tls
from tests.peers.certificates import Authority
from tests.peers.modbus_quirky import Device

UNIT = 7


async def opened(scheme, place, timeout=1.0, **options):
    driver = PLUGIN.create(link(scheme, place, timeout, **options), Clock())
    await driver.open()
    return driver


def some():
    points = {f"r{wire}": point(f"holding wire {wire}") for wire in (0, 1, 5, 200)}
    points |= {"input": point("input wire 3"), "coil": point("coil wire 3"), "coil_off": point("coil wire 4")}
    return table(points | {"discrete": point("discrete wire 5")}, unit=UNIT)


EXPECTED = {"r0": 0, "r1": 1, "r5": 5, "r200": 200, "input": 10003, "coil": 1, "coil_off": 0, "discrete": 1}


# ── ASCII ──


async def test_ascii_on_a_serial_line():
    _LEDGERS.clear()
    async with modbus.pty_pair() as (ours, theirs), modbus_pymodbus.ascii_serial(theirs, UNIT):
        driver = await opened("modbus-ascii", ours, baud=9600, parity="N", data=8)
        for _ in range(3):
            assert good(await driver.read(some())) == EXPECTED
        assert driver.counters.garbage == driver.counters.foreign == 0
        with pytest.raises(DeviceError) as caught:
            await driver.read(registers(1, unit=9))
        assert "exception 4" in caught.value.message, "so pymodbus says of a unit that it does not have"
        assert good(await driver.read(some())) == EXPECTED
        await driver.close()


async def test_ascii_over_tcp():
    async with modbus_pymodbus.ascii_tcp(UNIT) as place:
        driver = await opened("modbus-ascii", place)
        assert good(await driver.read(some())) == EXPECTED
        scan = await driver.read(registers(modbus_pymodbus.REGISTERS - 2, modbus_pymodbus.REGISTERS + 1, unit=UNIT))
        assert bad(scan) == {f"r{modbus_pymodbus.REGISTERS + 1}": Reason.NO_SUCH_ADDRESS}
        await driver.close()


# ── UDP ──


async def test_udp():
    async with modbus_pymodbus.udp(UNIT) as place:
        driver = await opened("modbus-udp", place)
        for _ in range(3):
            assert good(await driver.read(some())) == EXPECTED
        await driver.close()


async def test_datagrams_that_are_lost_late_cut_or_foreign():
    """Our own device, since a loopback loses nothing."""
    device, before, turn = Device(), [b""], [0]

    def sent(right):
        turn[0] += 1
        late, before[0] = before[0], right
        if turn[0] % 4 == 0:
            return []
        wrong = right[:9] + bytes(len(right) - 9)
        return [late, right[:-3], b"\x00\x01" + wrong[2:], b"noise", right] if late else [right]

    async with modbus_quirky.on_udp(device, sent) as place:
        driver = await opened("modbus-udp", place, 0.05)
        lost = 0
        for _ in range(40):
            try:
                assert good(await driver.read(registers(1, 2, 3))) == {"r1": 1, "r2": 2, "r3": 3}
            except NoAnswer:
                lost += 1
        assert lost == 10
        assert driver.counters.garbage
        await driver.close()


# ── TLS ──


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def server_side(authority, *, hosts=("127.0.0.1",), expired=False, clients=None, highest=None):
    pair = authority.issue("device", hosts=hosts, expired=expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.file)
    if highest is not None:
        context.maximum_version = highest
    return context


@pytest.mark.parametrize("highest", ["TLS1.2", "TLS1.3"])
async def test_tls_with_certificates_on_both_sides(authority, highest):
    """Peer: libmodbus behind socat."""
    client, other = authority.issue("gateway"), Authority(authority.file.parent, "Another CA").issue("stranger")
    device = authority.issue("device", hosts=("127.0.0.1",))
    async with modbus_tls.tls(device, authority.file, highest) as place:
        keys = {"ca": str(authority.file), "certificate": str(client.certificate), "key_file": str(client.key)}
        driver = await opened("modbus-tls", place, **keys)
        assert good(await driver.read(registers(*range(300)))) == {f"r{wire}": wire for wire in range(300)}
        assert driver.warnings == []
        client.key.chmod(0o644)
        await driver.close()
        driver = await opened("modbus-tls", place, **keys)
        assert "chmod 600" in driver.warnings[0]
        await driver.close()
        for given, words in (
            ({"ca": keys["ca"]}, "client certificate"),
            (keys | {"certificate": str(other.certificate), "key_file": str(other.key)}, "authority of the client certificate"),
        ):
            with pytest.raises(LinkError, match=words):
                await read_once(place, **given)


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_device_that_hangs_up_for_want_of_a_certificate(authority, highest):
    """Peer: Python's ssl, which sends no alert."""
    async with modbus_quirky.on_tcp(Device(), ssl=server_side(authority, clients=authority, highest=highest)) as place:
        with pytest.raises(LinkError, match="it may want a client certificate"):
            await read_once(place, ca=str(authority.file))


async def test_tls_that_is_no_longer_safe_is_refused(authority):
    """Peer: libmodbus behind socat, which is told to speak TLS 1.1 only."""
    device = authority.issue("device", hosts=("127.0.0.1",))
    weak = ",openssl-min-proto-version=TLS1.1,ciphers=DEFAULT@SECLEVEL=0"
    async with modbus_tls.tls(device, highest="TLS1.1", more=weak) as place:
        for keys in ({"ca": str(authority.file)}, {"insecure": True}):
            context, _ = context_of(link("modbus-tls", place, **keys))
            assert context.minimum_version is ssl.TLSVersion.TLSv1_2
            with pytest.raises(LinkError, match="speaks no TLS that is still safe"):
                await read_once(place, **keys)


async def read_once(place, **keys):
    driver = await opened("modbus-tls", place, **keys)
    try:
        return await driver.read(registers(1))
    finally:
        await driver.close()


@pytest.mark.parametrize(
    ("device", "keys", "message"),
    [
        ({}, {}, "comes from an authority that is not known here; name its file in 'ca'"),
        ({"hosts": ("10.9.8.7",)}, {"ca": "ca"}, "is for another address"),
        ({"expired": True}, {"ca": "ca"}, "has expired"),
    ],
)
async def test_a_device_that_cannot_be_verified_is_refused(authority, device, keys, message):
    async with modbus_quirky.on_tcp(Device(), ssl=server_side(authority, **device)) as place:
        with pytest.raises(LinkError) as caught:
            await opened("modbus-tls", place, **dict.fromkeys(keys, str(authority.file)))
        assert message in str(caught.value)
        driver = await opened("modbus-tls", place, insecure=True)
        assert good(await driver.read(registers(1))) == {"r1": 1}
        assert "is not checked" in driver.warnings[0]
        await driver.close()


async def test_tls_where_none_is_spoken():
    async with modbus_quirky.on_tcp(Device()) as place:
        with pytest.raises(LinkError):
            await opened("modbus-tls", place, connect_timeout=0.3)


@pytest.mark.parametrize("key", ["ca", "certificate"])
async def test_a_file_that_cannot_be_used_is_named(authority, tmp_path, key):
    (tmp_path / "junk.pem").write_text("no certificate")
    pair = authority.issue("gateway")
    for name, words in (("junk.pem", "cannot be used"), ("missing.pem", "cannot be read")):
        keys = {key: str(tmp_path / name)} | ({"key_file": str(pair.key)} if key == "certificate" else {})
        with pytest.raises(LinkError, match=words) as caught:
            await opened("modbus-tls", "127.0.0.1:9", **keys)
        assert name in caught.value.message
