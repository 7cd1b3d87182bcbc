from gateway.config import profile as module
from gateway.config.data import data_folder

PROFILE = """name: ACME Meter 3
source: made up for this test
order: CDAB
timeout: 3s
points:
  power: {at: input 30001, type: float32, unit: W, limits: {low: 1, high: 9}}
  energy: {at: input 30003, type: float32, unit: kWh}
"""
SITE = """site: muster
gateway: hall-1
machines:
  - name: m
    connect: modbus-tcp://h?unit=3
    profile: acme/meter-3
"""


def test_a_profile_brings_points_and_options(site):
    machine = site(SITE, profiles__acme__meter_3="", **{"profiles__acme__meter-3": PROFILE}).config.machines["m"]
    assert list(machine.points) == ["power", "energy"]
    assert (machine.options.order, machine.options.unit, machine.link.options.timeout) == ("CDAB", 3, 3.0)


def test_what_stands_in_the_machine_wins_key_by_key(site):
    text = SITE + "    order: ABCD\n    points:\n      power: {deadband: 5, limits: {high: 5}}\n      current: {at: input 30011}\n"
    machine = site(text, **{"profiles__acme__meter-3": PROFILE}).config.machines["m"]
    power = machine.points["power"]
    assert (power.deadband, power.unit, power.kind) == (5, "W", "float32")
    assert (power.limits.low, power.limits.high) == (None, 5), "a key is replaced as a whole"
    assert list(machine.points) == ["power", "energy", "current"]
    assert machine.options.order == "ABCD"


def test_an_error_in_a_profile_names_its_file_and_line_once(heads):
    text = SITE + SITE.split("machines:\n")[1].replace("name: m", "name: n").replace("unit=3", "unit=4")
    broken = PROFILE.replace("float32, unit: kWh", "flot32, unti: kWh")
    found = heads(text, **{"profiles__acme__meter-3": broken})
    assert [head.split(": ")[0] for head in found] == ["profiles/acme/meter-3.yaml:7:35", "profiles/acme/meter-3.yaml:7:43"]


def test_a_profile_that_is_no_yaml_stops_the_machine(site):
    for broken in ("name: [", "- a", "", "name: x\nsource: y\nbogus: 1\n"):
        checked = site(SITE, **{"profiles__acme__meter-3": broken})
        assert checked.config is None
        assert [p.file for p in checked.problems] == ["profiles/acme/meter-3.yaml"] * len(checked.problems)


def test_an_unknown_profile_is_told_with_the_nearest(heads):
    (head,) = heads(SITE.replace("meter-3", "metre-3"), **{"profiles__acme__meter-3": PROFILE})
    assert head.startswith("site.yaml:6:14: there is no profile 'acme/metre-3', did you mean 'acme/meter-3'?")


def test_a_profile_cannot_lie_outside_its_folder(heads, tmp_path):
    (tmp_path.parent / "outside.yaml").write_text(PROFILE)
    for name in ("../outside", "../../outside", "/etc/passwd", "acme", "acme/..", "a/b/c"):
        (head,) = heads(SITE.replace("acme/meter-3", name))
        assert "is not the name of a profile; write vendor/model" in head


def test_link_options_of_a_profile_do_not_bind_a_shared_line(site):
    text = """site: muster
gateway: hall-1
connections: {bus: {url: "modbus-rtu:///dev/a"}}
machines: [{name: m, connect: bus, profile: acme/meter-3}]
"""
    machine = site(text, **{"profiles__acme__meter-3": PROFILE}).config.machines["m"]
    assert (machine.link.options.timeout, machine.options.order) == (1.0, "CDAB")


def test_packaged_profiles_are_found_and_those_beside_the_site_come_first(site, tmp_path, monkeypatch):
    packaged = tmp_path / "configs"
    (packaged / "profiles/acme").mkdir(parents=True)
    (packaged / "profiles/acme/meter-3.yaml").write_text(PROFILE.replace("CDAB", "BADC"))
    monkeypatch.setattr(module, "data_folder", lambda: packaged)
    assert site(SITE).config.machines["m"].options.order == "BADC"
    assert site(SITE, **{"profiles__acme__meter-3": PROFILE}).config.machines["m"].options.order == "CDAB"


def test_every_packaged_profile_has_the_form_of_a_profile():
    from gateway.config.build import BAD, build, fields_of
    from gateway.config.found import Found
    from gateway.config.load import load

    for path in (data_folder() / "profiles").glob("*/*.yaml"):
        found = Found()
        root = load(path).root
        known = fields_of(module.ProfileSpec)
        own = root.part({key: entry for key, entry in root.entries.items() if key in known})
        assert build(module.ProfileSpec, own, found) is not BAD, found.problems


def test_a_quirk_is_an_option_with_its_reason_and_a_machine_may_know_better(site, heads):
    text = PROFILE.replace("order: CDAB\n", "") + "quirks: {order: {value: CDAB, why: the maker swaps words}}\n"
    assert site(SITE, **{"profiles__acme__meter-3": text}).config.machines["m"].options.order == "CDAB"
    assert site(SITE + "    order: BADC\n").config.machines["m"].options.order == "BADC"
    (head,) = heads(SITE, **{"profiles__acme__meter-3": text.replace("CDAB", "CDBA")})
    assert head.startswith("profiles/acme/meter-3.yaml:7:25: ")
    assert "'CDBA' is not one of ABCD" in head


def test_what_a_scan_and_a_reader_need_does_not_change_a_machine(site):
    more = "vendor: ACME\nserial: {baud: 19200, parity: E}\nidentify: {vendor: ACME*}\nverified: image\nnotes: [hello]\n"
    machine = site(SITE, **{"profiles__acme__meter-3": PROFILE}).config.machines["m"]
    assert site(SITE, **{"profiles__acme__meter-3": PROFILE + more}).config.machines["m"] == machine


def test_a_profile_of_another_driver_is_told_once(heads):
    found = heads(SITE.replace("modbus-tcp://h?unit=3", "opc.tcp://h?insecure=true"), **{"profiles__acme__meter-3": PROFILE})
    (told,) = (head for head in found if "warning" not in head)
    assert told == "site.yaml:6:14: this profile is for the driver 'modbus', and opc.tcp is served by 'opcua'"
