from pathlib import Path

import pytest

from gateway.config.check import check

ROOT = Path(__file__).parents[3]
SITES = [ROOT / "configs/site.example.yaml", ROOT / "configs/demo/site.yaml", *sorted(ROOT.glob("drivers/*/example.yaml"))]


@pytest.mark.parametrize("path", SITES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_we_ship_has_no_problem(path):
    checked = check(path)
    assert [problem.head for problem in checked.problems if problem.level == "error"] == []


def test_the_example_shows_every_driver_and_releases_to_every_recipient():
    checked = check(ROOT / "configs/site.example.yaml")
    assert all("does not exist on this computer" in problem.message for problem in checked.problems)  # recordings, certificates
    assert {machine.link.scheme for machine in checked.config.machines.values()} == {
        "alsa",
        "iio",
        "modbus-tcp",
        "modbus-rtu",
        "modbus-tls",
        "opc.tcp",
        "replay",
    }
    assert {rule.to for rule in checked.config.contract.rules} == set(checked.config.uplinks)


@pytest.mark.parametrize("name", ["site", "share"])
def test_the_examples_name_their_schema_for_editors(name):
    first = (ROOT / f"configs/{name}.example.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=./schema/{name}.json"
    assert (ROOT / f"configs/schema/{name}.json").is_file()
