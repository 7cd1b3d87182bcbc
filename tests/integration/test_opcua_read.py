"""Reading a real OPC UA server: every type, status, address."""

import asyncio
import contextlib
import math
import time

import pytest

from gateway.driver import Driver, LinkError, Subscribes
from gateway.model import Quality, Reason
from tests.integration.opcua_client import connected, make_driver, make_point, make_table, told, values
from tests.peers.opcua import FOREIGN, KINDS, URI, opcua_peer

pytestmark = pytest.mark.timeout(120)

EXPECTED = {
    "Temp": 21.5,
    "Float": 0.25,
    "SByte": -5.0,
    "Int16": -12345.0,
    "UInt32": 4294967295.0,
    "Int64": 2**63 - 1,
    "UInt64": 77.0,
    "Boolean": 1.0,
    "String": "grün & schön",
    "Bytes": b"\x00\x01\xfe\xff",
    "DateTime": "2024-02-29T12:30:15.250000Z",
    "Guid": "72962b91-fa75-4ae6-8d28-b404dc7daf63",
    "Text": "Presse",
    "Name": "0:Presse",
    "Mode": 2.0,
    "Curve": [1.5, 2.5, 3.5],
}


@pytest.fixture(scope="module", params=KINDS)
def peer(request, tmp_path_factory):
    with opcua_peer(request.param, tmp_path_factory.mktemp("peer"), before=2) as running:
        yield running


async def test_every_type_by_path_and_by_node_id(peer):
    paths = {name: f"Objects/Press/{name}" for name in [*EXPECTED, "Nothing", "Infinite"]}
    nodes = {f"{name}_id": f"nsu={URI};s=Press.{name}" for name in EXPECTED}
    more = {"numeric": f"nsu={URI};i=100001", "time": "i=2258", "by_index": f"ns={peer.index};s=Press.Temp"}
    async with connected(peer.address) as driver:
        assert isinstance(driver, Driver)
        assert isinstance(driver, Subscribes)
        before = time.time_ns()
        scan = await driver.read(make_table(paths | nodes | more))
        assert scan.rows is None
        found = values(scan)
        assert {name: found.pop(name) for name in EXPECTED} == EXPECTED
        assert {name: found.pop(f"{name}_id") for name in EXPECTED} == EXPECTED
        assert found.pop("time").startswith("20")
        assert found == {"numeric": 7.25, "by_index": 21.5}
        assert told(scan)["Nothing"][1:] == (Quality.BAD, Reason.NO_DATA)
        assert told(scan)["Infinite"][1:] == (Quality.BAD, Reason.OUT_OF_RANGE)
        # a number stands in the column, and only there
        assert scan.values[0] == 21.5
        assert 0 not in scan.objects
        assert math.isnan(scan.values[list(paths).index("String")])
        assert abs(scan.stamps[0] - before) < 60e9
        assert before <= scan.stamp.wall_ns <= time.time_ns()
        assert len([w for w in driver.warnings if "can shift" in w]) == 1


async def test_scale_and_offset_apply_to_numbers_only(peer):
    points = {
        name: make_point(f"Objects/Press/{name}", scale=2.0, offset=-1.0) for name in ("Temp", "UInt64", "Curve", "String", "Int64")
    }
    async with connected(peer.address) as driver:
        found = values(await driver.read(make_table(points)))
    assert found == {"Temp": 42.0, "UInt64": 153.0, "Curve": [2.0, 4.0, 6.0], "String": "grün & schön", "Int64": 2.0**64}


async def test_status_codes_become_quality_and_reason(peer):
    table = make_table({"t": "Objects/Press/Temp"})
    async with connected(peer.address) as driver:
        for status, expected in {
            "BadSensorFailure": (Quality.BAD, Reason.NO_SENSOR),
            "BadNoCommunication": (Quality.BAD, Reason.NO_PATH),
            "BadInternalError": (Quality.BAD, Reason.DEVICE_FAILURE),
            "UncertainLastUsableValue": (Quality.UNCERTAIN, Reason.STALE),
            "UncertainSensorNotAccurate": (Quality.UNCERTAIN, Reason.DEVICE_UNCERTAIN),
            "Good": (Quality.GOOD, Reason.NONE),
        }.items():
            peer.command(status={"Temp": status})
            value, *told_quality = told(await driver.read(table))["t"]
            assert tuple(told_quality) == expected
            assert math.isnan(value) if expected[0] is Quality.BAD else value == 21.5


async def test_what_cannot_be_found_is_bad_alone_and_told_with_what_is_there(peer):
    twin = peer.index + 1
    points = {
        "good": "Objects/Press/Temp",
        "typo": "Objects/Press/Tmep",
        "lost": "Objects/Presse/Temp",
        "object": "Objects/Press/Sensors",
        "double": "Objects/Press/Sensors/Twin",
        "one": f"Objects/Press/Sensors/{twin}:Twin",
        "other": "Objects/1:Press",
        "slash": "Objects/Press/Sensors/a&/b",
        "uri": "nsu=urn:peer:pres;s=Press.Temp",
        "index": "ns=99;s=Press.Temp",
        "node": f"nsu={URI};s=Nix",
        "hidden": f"nsu={URI};s=Hidden",
    }
    async with connected(peer.address) as driver:
        scan = await driver.read(make_table(points))
        assert values(scan) == {"good": 21.5, "one": 2.0, "slash": 5.0}
        bad = {name: reason for name, (_, quality, reason) in told(scan).items() if quality is Quality.BAD}
        assert bad.pop("hidden") is Reason.REFUSED
        assert set(bad.values()) == {Reason.NO_SUCH_ADDRESS}
        told_points = dict(
            warning.removeprefix("press.").split(": ", 1) for warning in driver.warnings if warning.startswith("press.")
        )
    assert told_points["typo"] == "no 'Tmep' in Objects/Press; did you mean 'Temp'?"
    assert told_points["lost"] == "no 'Presse' in Objects; did you mean 'Press'?"
    assert told_points["object"] == "Objects/Press/Sensors is an object, not a value; it has Twin, a/b"
    assert told_points["double"] == (
        f"there are 2 'Twin' in Objects/Press/Sensors; write '{peer.index}:Twin' or '{twin}:Twin', or name the node id"
    )
    assert told_points["other"] == f"no '1:Press' in Objects; did you mean '{peer.index}:Press'?"
    assert told_points["uri"] == "the server has no namespace 'urn:peer:pres'; did you mean 'urn:peer:press'?"
    assert told_points["index"].startswith("the server has no namespace with index 99, only 0 to")
    assert told_points["node"] == "the server does not know this node"
    assert told_points["hidden"] in {"the server does not let anybody read this", "the server does not let this gateway read this"}


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_namespace_is_found_by_its_uri_where_its_index_has_shifted(kind, tmp_path):
    table = make_table({"uri": f"nsu={URI};s=Press.Temp", "path": "Objects/Press/Temp"})
    indices = []
    for before in (0, 3):
        with opcua_peer(kind, tmp_path, before=before) as peer:
            indices.append(peer.index)
            async with connected(peer.address) as driver:
                assert values(await driver.read(table)) == {"uri": 21.5, "path": 21.5}
    assert indices[1] == indices[0] + 3


@pytest.mark.parametrize("kind", FOREIGN)
async def test_more_points_than_the_server_takes_at_once(kind, tmp_path):
    """node-opcua says it takes 400 points in one request, 300 in a subscription."""
    with opcua_peer(kind, tmp_path, load=1000) as peer:
        async with connected(peer.address) as driver:
            await read_and_subscribe_many(driver)


async def read_and_subscribe_many(driver):
    points = {f"v{i}": f"Objects/Load/V{i}" if i % 2 else f"nsu={URI};i={200000 + i}" for i in range(1000)}
    scan = await driver.read(make_table(points))
    assert set(scan.quality) == {Quality.GOOD}
    assert all(round(value % 1 * 10000) == i for i, value in enumerate(scan.values))
    async with contextlib.aclosing(driver.subscribe(make_table(points))) as scans:
        assert len(values(await anext(scans))) == 1000


async def last(scans):
    async for _ in scans:
        pass


async def test_nothing_is_left_running(peer):
    before = asyncio.all_tasks()
    for _ in range(3):
        driver = make_driver(peer.address)
        await driver.open()
        stream = driver.subscribe(make_table({"t": "Objects/Press/Temp"}))
        await anext(stream)
        await driver.close()
        await driver.close()
        with pytest.raises(LinkError):
            await last(stream)
    assert asyncio.all_tasks() == before
