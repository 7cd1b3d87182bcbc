"""Every shipped profile against a register image made from its source list; the peer is the simulator of pymodbus."""

import asyncio
from pathlib import Path

import pytest

from drivers.modbus import PLUGIN
from gateway.clock import Clock
from gateway.config.check import check
from gateway.model import PointTable, Quality
from tests.peers.modbus_image import held, image, serving

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "configs/profiles"
NAMES = sorted(str(path.relative_to(PROFILES).with_suffix("")) for path in PROFILES.glob("*/*.yaml"))
SITE = "site: muster\ngateway: hall-1\nmachines: [{name: m, connect: 'modbus-tcp://127.0.0.1:%d', profile: %s}]\n"


def picture(name):
    return image(Path(__file__).parent / f"{name}.json")


def expected(name):
    return picture(name)["expected"]


def machine(folder, name, port=502):
    (folder / "site.yaml").write_text(SITE % (port, name), encoding="utf-8")
    checked = check(folder / "site.yaml")
    assert [problem.head for problem in checked.problems] == []
    return checked.config.machines["m"]


async def values(machine):
    """Read a machine once through the real driver; returns its values by name, all of them good."""
    points = machine.points
    units = tuple(point.unit for point in points.values())
    table = PointTable(machine.name, tuple(points), units, tuple(points.values()), machine.options, machine.every_s)
    driver = PLUGIN.create(machine.link, Clock())
    await driver.open()
    try:
        scan = await asyncio.wait_for(driver.read(table), 10)
    finally:
        await driver.close()
    bad = {name: scan.reason[i] for i, name in enumerate(points) if scan.quality[i] != Quality.GOOD}
    assert bad == {}
    return {name: scan.objects.get(i, scan.values[i]) for i, name in enumerate(points)}


@pytest.mark.parametrize("name", NAMES)
async def test_it_reads_the_image_made_from_its_source(name, tmp_path):
    async with serving(picture(name)) as served:
        found = await values(machine(tmp_path, name, served.port))
    exact = (str, list)
    wanted = {key: value if isinstance(value, exact) else pytest.approx(value, rel=1e-12) for key, value in expected(name).items()}
    assert found == wanted
    assert served.refused == 0, "it asks for registers that the device does not have"


@pytest.mark.parametrize("name", NAMES)
def test_the_image_says_what_it_was_made_from_and_tells_points_apart(name):
    picture_ = picture(name)
    assert len(picture_["made from"]) > 20
    assert sum(len(held(picture_, table)) for table in ("coil", "discrete", "holding", "input"))
    numbers = [value for value in picture_["expected"].values() if isinstance(value, float)]
    assert len(set(numbers)) == len(numbers), "two points with the same value would not be told apart"


def test_there_is_an_image_for_every_profile_and_no_other():
    folder = Path(__file__).parent
    assert sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.glob("*/*.json")) == NAMES
    assert len(NAMES) >= 12


async def test_a_point_within_the_data_of_an_io_link_port_is_read_from_where_the_master_allows_it(tmp_path):
    shown = picture("ifm/al1940")
    shown["holding"]["2001"] += " 1111 2222"
    site = (SITE % (0, "ifm/al1940")).replace("}]", ", points: {own: {at: holding wire 2004, unit: '1'}}}]")
    async with serving(shown) as served:
        (tmp_path / "site.yaml").write_text(site.replace(":0'", f":{served.port}'"), encoding="utf-8")
        found = await values(check(tmp_path / "site.yaml").config.machines["m"])
    assert found["own"] == 0x2222
    assert served.refused == 0


async def test_two_registers_exchanged_in_a_profile_would_be_found(tmp_path):
    text = (PROFILES / "danfoss/fc51.yaml").read_text(encoding="utf-8")
    exchanged = text.replace("416130", "4161xx").replace("416140", "416130").replace("4161xx", "416140")
    (tmp_path / "profiles/danfoss").mkdir(parents=True)
    (tmp_path / "profiles/danfoss/fc51.yaml").write_text(exchanged, encoding="utf-8")
    async with serving(picture("danfoss/fc51")) as served:
        found = await values(machine(tmp_path, "danfoss/fc51", served.port))
    wrong = {key for key, value in expected("danfoss/fc51").items() if found[key] != pytest.approx(value)}
    assert wrong == {"output_frequency", "motor_current"}
