"""docs/profiles.md tells what is shipped, and its example works."""

import re
from pathlib import Path

from gateway.config.catalogue import catalogue
from gateway.config.check import check

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/profiles.md").read_text(encoding="utf-8")


def row(one):
    return f"| `{one.name}` | {one.spec.name} | {len(one.points)} | {one.spec.verified} | {one.spec.source} |"


def test_the_table_is_that_of_the_files():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows == [row(one) for one in catalogue(ROOT / "configs")]


def test_its_example_is_a_profile_without_a_problem(tmp_path):
    (example,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "schema/profile.json" in block)
    (tmp_path / "profiles/acme").mkdir(parents=True)
    (tmp_path / "profiles/acme/p3.yaml").write_text(example, encoding="utf-8")
    site = "site: s\ngateway: g\nmachines: [{name: m, connect: 'modbus-tcp://h', profile: acme/p3}]\n"
    (tmp_path / "site.yaml").write_text(site, encoding="utf-8")
    checked = check(tmp_path / "site.yaml")
    assert [problem.head for problem in checked.problems] == []
    assert checked.config.machines["m"].options.max_gap == 0
