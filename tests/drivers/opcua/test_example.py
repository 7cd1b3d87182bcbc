"""The example in the driver's folder is right."""

from pathlib import Path

from drivers import opcua
from gateway.config.check import check


def test_the_example_has_no_problem():
    checked = check(Path(opcua.__file__).with_name("example.yaml"))
    assert all("does not exist on this computer" in problem.message for problem in checked.problems)  # its certificates
    assert checked.config
    assert {machine.link.scheme for machine in checked.config.machines.values()} == set(opcua.PLUGIN.schemes)
