"""Machines of one profile share its points; what a machine says about a point itself is its own."""

HEAD = "site: muster\ngateway: hall-1\nmachines:\n"
PROFILE = "name: Acme\nsource: manual, page 3\npoints:\n  a: {at: holding 1}\n  b: {at: holding 2, type: int16}\n"


def test_points_of_a_profile_are_one_object_for_all_machines_and_overridden_ones_are_not(site):
    machines = "".join(f"  - {{name: m{n}, connect: 'modbus-tcp://h{n}', profile: acme/x}}\n" for n in (1, 2))
    own = "  - {name: m3, connect: 'modbus-tcp://h3', profile: acme/x, points: {b: {scale: 0.1}}}\n"
    checked = site(HEAD + machines + own, profiles__acme__x=PROFILE)
    assert checked.problems == ()
    m1, m2, m3 = checked.config.machines.values()
    assert m1.points["a"] is m2.points["a"] is m3.points["a"]
    assert (m1.points["b"].scale, m2.points["b"].scale, m3.points["b"].scale) == (1.0, 1.0, 0.1)
    assert m3.points["b"].type == "int16"


def test_a_mistake_in_a_profile_is_told_although_several_machines_use_it(heads):
    machines = "".join(f"  - {{name: m{n}, connect: 'modbus-tcp://h{n}', profile: acme/x}}\n" for n in (1, 2))
    found = heads(HEAD + machines, profiles__acme__x=PROFILE.replace("int16", "int17"))
    assert len(found) == 1
    assert "int17" in found[0]
