import pytest

from gateway.config import profile as module
from gateway.config.catalogue import catalogue, plugin_named

GOOD = "name: ACME Meter 3\nsource: made up\npoints:\n  power: {at: input 30001, type: float32, unit: W}\n"


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Write profiles and return what the catalogue says of them."""
    monkeypatch.setattr(module, "data_folder", lambda: tmp_path / "packaged")

    def run(**texts):
        for name, text in texts.items():
            path = tmp_path / "profiles" / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return {one.name: one for one in catalogue(tmp_path)}

    return run


def test_it_reads_points_with_the_driver(known):
    one = known(acme__meter=GOOD)["acme/meter"]
    assert one.good
    assert one.points["power"].kind == "float32"
    assert one.spec.verified == "untested"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("float32", "flot32"), "did you mean 'float32'?"),
        (GOOD + "driver: modbuss\n", "there is no driver 'modbuss', did you mean 'modbus'?"),
        (GOOD + "max_gapp: 1\n", "did you mean 'max_gap'?"),
        (GOOD + "verified: imago\n", "did you mean 'image'?"),
        (GOOD + "identify: {register: input 0x0b}\n", "a type number needs both 'register' (where) and 'values' (which)"),
        (GOOD + "quirks: {max_gap: 0}\n", "expected"),
        (GOOD + "quirks: {max_gap: {value: 0}}\n", "why"),
        (GOOD + "max_gap: 1\nquirks: {max_gap: {value: 0, why: holes}}\n", "'max_gap' also stands under 'quirks'"),
        (GOOD + "quirks: {bogus: {value: 0, why: holes}}\n", "unknown key 'bogus'"),
        ("- a\n", "a profile is a mapping"),
    ],
)
def test_what_is_wrong_is_told_and_the_others_are_there(known, text, told):
    found = known(acme__meter=text, acme__other=GOOD)
    assert not found["acme/meter"].good
    messages = [problem.head for problem in found["acme/meter"].problems]
    assert any(told in message for message in messages), messages
    assert found["acme/other"].good


def test_one_beside_the_site_comes_before_a_packaged_one(known, tmp_path):
    packaged = tmp_path / "packaged/profiles/acme"
    packaged.mkdir(parents=True)
    (packaged / "meter.yaml").write_text(GOOD.replace("Meter 3", "Meter 2"), encoding="utf-8")
    (packaged / "second.yaml").write_text(GOOD, encoding="utf-8")
    found = known(acme__meter=GOOD)
    assert sorted(found) == ["acme/meter", "acme/second"]
    assert found["acme/meter"].spec.name == "ACME Meter 3"


def test_the_driver_of_a_name():
    assert plugin_named("modbus").name == "modbus"
    assert plugin_named("nothing") is None
