"""The example in the driver's folder is right."""

from pathlib import Path

from drivers import alsa
from gateway.config.check import check


def test_the_example_has_no_problem():
    checked = check(Path(alsa.__file__).with_name("example.yaml"))
    assert not checked.problems
    assert checked.config
    assert {machine.link.scheme for machine in checked.config.machines.values()} == set(alsa.PLUGIN.schemes)
