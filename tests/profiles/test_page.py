"""docs/profiles.md tells what is shipped, and its example works."""

import json
import re
from pathlib import Path

import pytest

from gateway.config.catalogue import catalogue
from tests.peers.modbus_image import serving
from tests.profiles.test_image import machine as machine_with
from tests.profiles.test_image import values

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/profiles.md").read_text(encoding="utf-8")


def row(one):
    return f"| `{one.name}` | {one.spec.name} | {len(one.points)} | {one.spec.verified} | {one.spec.source} |"


def test_the_table_is_that_of_the_files():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows == [row(one) for one in catalogue(ROOT / "configs")]


async def test_its_example_is_a_profile_and_reads_the_image_beside_it(tmp_path):
    (example,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "schema/profile.json" in block)
    (image,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    (tmp_path / "profiles/acme").mkdir(parents=True)
    (tmp_path / "profiles/acme/p3.yaml").write_text(example, encoding="utf-8")
    async with serving(image) as served:
        machine = machine_with(tmp_path, "acme/p3", served.port)
        found = await values(machine)
    assert found == pytest.approx(image["expected"])
    assert machine.options.max_gap == 0
