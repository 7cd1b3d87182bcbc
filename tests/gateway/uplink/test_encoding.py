"""Which resolution belongs to which point, reading or feature."""

from gateway.config.quantity import Resolution
from gateway.config.spec import Link, Machine, PointSpec, Temperature, Vibration
from gateway.uplink.encoding import Encoding, Resolutions

TENTH, HALF = Resolution(0.1, False), Resolution(0.005, True)


def machine(name, **parts):
    return Machine(name, Link("sim", "", None), None, 1.0, **{"points": {}, **parts})


def test_points_have_their_own_and_features_that_of_their_kind():
    press = machine(
        "press",
        points={"oil": PointSpec(resolution=TENTH), "mode": PointSpec(), "wear.slope": PointSpec()},
        vibration=Vibration(resolution=HALF),
        temperature=Temperature(resolution=TENTH),
    )
    resolutions = Resolutions.of({"press": press, "lathe": machine("lathe", vibration=Vibration())})
    assert resolutions("press", "oil") == TENTH
    assert resolutions("press", "mode") is None
    assert resolutions("press", "vibration.rms") == HALF
    assert resolutions("press", "oil.slope") == TENTH
    assert resolutions("lathe", "oil") is resolutions("lathe", "vibration.rms") is resolutions("nobody", "oil") is None


def test_equal_resolutions_compare_equal_so_that_nothing_is_connected_anew():
    one, two = ({"m": machine("m", points={"p": PointSpec(resolution=Resolution(0.1, relative))})} for relative in (False, True))
    assert Resolutions.of(one) == Resolutions.of(dict(one))
    assert Resolutions.of(one) != Resolutions.of(two)
    assert Encoding() == Encoding("json", None, Resolutions())
