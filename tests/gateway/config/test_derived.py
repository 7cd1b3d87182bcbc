# ruff: noqa: E501  (a row of a table, with the whole sentence, stands on one line)
"""What is derived from points and features: every name is checked where it stands, with what was probably meant."""

import pytest

from gateway.condition import announced

HEAD = "site: s\ngateway: g\nmachines:\n"
POINTS = (
    "    points:\n"
    "      current: {at: input 1, unit: A}\n"
    "      lamp: {at: discrete 1}\n"
    "      parts: {at: input 3}\n"
    "      mode: {at: input 4, states: {0: 'off', 1: setup, 2: auto}}\n"
    "      label: {at: input 10, type: string, length: 4}\n"
)
PRESS = HEAD + "  - name: press\n    connect: 'modbus-tcp://h'\n" + POINTS + "    KEYS\n"
FAN = HEAD + "  - name: fan\n    connect: 'replay:a.wav?unit=g'\n    vibration: {features: [rms, velocity_rms]}\n    KEYS\n"


def found(site, text):
    return [problem.message for problem in site(text).problems]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (PRESS, "state: {by: current, idle: 0.5, run: 2, hysteresis: 10%, dwell: 5s}"),
        (PRESS, "state: {by: current, run: 2, fault: lamp, cycles: parts, hours: 18250h}"),
        (PRESS, "state: {by: mode, states: {off: [off], idle: [setup], run: [auto]}}"),
        (FAN, "state: {by: vibration.velocity_rms, run: 0.7}"),
    ],
)
def test_a_state_by_a_point_or_a_feature_is_good(site, text, state):
    checked = site(text.replace("KEYS", state))
    assert [problem.message for problem in checked.problems] == []
    assert next(iter(checked.config.machines.values())).state is not None


@pytest.mark.parametrize(
    ("text", "state", "message"),
    [
        (PRESS, "state: {by: curent, run: 2}", "machine 'press' has no point 'curent', did you mean 'current'?"),
        (FAN, "state: {by: vibration.velocity, run: 2}", "machine 'fan' has no point or feature 'vibration.velocity', did you mean 'vibration.velocity_rms'?"),
        (FAN, "state: {by: vibration.peak, run: 2}", "machine 'fan' has no point or feature 'vibration.peak'; known: vibration.rms, vibration.velocity_rms"),
        (PRESS, "state: {by: current, run: 2, fault: lmap}", "machine 'press' has no point 'lmap', did you mean 'lamp'?"),
        (PRESS, "state: {by: current, run: 2, cycles: part}", "machine 'press' has no point 'part', did you mean 'parts'?"),
        (PRESS, "state: {by: current}", "a state needs 'run', the value from which on the machine runs, or 'states' for a point with names"),
        (PRESS, "state: {run: 2}", "missing key 'by'"),
        (PRESS, "state: {by: current, idle: 3, run: 2}", "idle (3) must be below run (2)"),
        (PRESS, "state: {by: current, idle: 1.9, run: 2}", "'hysteresis' reaches from 'run' down to 'idle', so that idle would never be told; make it smaller"),
        (PRESS, "state: {by: current, run: 2, hysteresis: 10}", None),
        (PRESS, "state: {by: current, idle: 0.5, run: 2, hysteresis: 10}", "'hysteresis' reaches from 'run' down to 'idle'"),
        (PRESS, "state: {by: current, run: 2, hysteresis: '10'}", "expected a hysteresis such as '10%'"),
        (PRESS, "state: {by: mode, run: 2}", "'mode' has names for its values (off, setup, auto); say which of them mean what with 'states: {run: [auto]}'"),
        (PRESS, "state: {by: current, states: {run: [auto]}}", "'current' has no names for its values; give it 'states', or write a number with 'run'"),
        (PRESS, "state: {by: mode, states: {run: [atuo], idle: [setup], off: [off]}}", "this point has no name 'atuo' for a value, did you mean 'auto'?"),
        (PRESS, "state: {by: mode, states: {run: [auto], idle: [setup]}}", "nothing is said of 'off', in which the state is unknown"),
        (PRESS, "state: {by: mode, states: {run: [auto], idle: [auto], off: [off, setup]}}", "'states' has 'auto' under idle and under run; keep one"),
        (PRESS, "state: {by: mode, states: {idle: [setup]}}", "'states' needs 'run': the names that mean that the machine runs"),
        (PRESS, "state: {by: mode, run: 2, states: {run: [auto]}}", "'run' is a threshold, and 'states' maps names; keep one of the two"),
        (PRESS, "state: {by: label, run: 2}", "'label' is a text, which no threshold can be held against"),
        (PRESS, "state: {by: current, run: 2, cycles: mode}", "'mode' has names for its values and counts nothing; name a counter"),
        (PRESS.replace("parts:", "hours:"), "state: {by: current, run: 2}", "the name 'hours' belongs to the state of the machine (see 'state:'); choose another"),
        (PRESS, "state: {by: current, run: 2, dwel: 5s}", "unknown key 'dwel', did you mean 'dwell'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_state_is_told_with_its_cure(site, text, state, message):
    messages = found(site, text.replace("KEYS", state))
    if message is None:
        assert messages == []
        return
    assert any(one.startswith(message) for one in messages), messages


def test_each_mistake_is_told_once_and_at_its_place(site):
    problems = site(PRESS.replace("KEYS", "state: {by: curent, run: 2}")).problems
    assert [(problem.line, problem.column) for problem in problems] == [(12, 17)]


def test_derived_points_may_be_shared(site):
    share = "shares:\n  - {to: cooperative, machines: [press], points: [state, hours, starts]}\n"
    text = PRESS.replace("KEYS", "state: {by: current, run: 2}") + "uplink: {broker: [mqtts://hub.example]}\n"
    assert [problem.message for problem in site(text, share=share).problems] == []


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (FAN, "state: {by: vibration.velocity_rms, run: 0.7}\n    baseline: {}"),
        (FAN, "state: {by: vibration.velocity_rms, run: 0.7}\n    baseline: {features: [vibration.rms], learn: 7d, follow: true}"),
        (FAN, "state: {by: vibration.velocity_rms, run: 0.7}\n    trend: {limits: {vibration.velocity_rms: 7.1}, over: 90d}"),
        (PRESS, "state: {by: current, run: 2}\n    trend: {features: [current], limits: {current: 9}}"),
    ],
)
def test_a_baseline_and_a_trend_are_good_and_their_points_are_those_that_are_announced(site, text, keys):
    share = "shares:\n  - {to: cooperative, machines: ['*'], points: [state]}\n"
    text = text.replace("KEYS", keys) + "uplink: {broker: [mqtts://hub.example]}\n"
    checked = site(text, share=share)
    assert [problem.message for problem in checked.problems] == []
    machine = next(iter(checked.config.machines.values()))
    names = ", ".join(announced(machine))
    each = f"shares:\n  - {{to: cooperative, machines: ['*'], points: [{names}]}}\n"
    assert [problem.message for problem in site(text, share=each).problems] == []


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (FAN, "baseline: {}", "'baseline' without 'state' takes all of the time for time in run; say with 'state:' when the machine runs"),
        (FAN, "baseline: {features: [vibration.rsm]}", "machine 'fan' has no feature 'vibration.rsm', did you mean 'vibration.rms'?"),
        (FAN, "baseline: {speed: rpm}", "machine 'fan' has no point 'rpm'"),
        (FAN, "baseline: {learn: 300}", "'300' has no unit; did you mean '300 windows', or '300d'?"),
        (FAN, "baseline: {learn: 5 windows}", "a baseline learns from 30 to 100000 windows, not from 5"),
        (FAN, "baseline: {speed_class: 10}", "expected a width from 1% to 100% of the speed, such as '10%', found 10"),
        (PRESS, "baseline: {}", "machine 'press' has no features to learn; it needs 'vibration:'"),
        (PRESS, "trend: {}", "there is nothing to follow: name a point or feature with 'features: [...]'"),
        (FAN, "trend: {features: [vibration.velocity]}", "machine 'fan' has no point or feature 'vibration.velocity', did you mean 'vibration.velocity_rms'?"),
        (FAN, "trend: {limits: {vibration.velocity_rm: 7}}", "machine 'fan' has no point or feature 'vibration.velocity_rm', did you mean 'vibration.velocity_rms'?"),
        (FAN, "trend: {features: [vibration.rms], limits: {vibration.velocity_rms: 7}}", "'limits' names 'vibration.velocity_rms', which is not among 'features'"),
        (FAN, "trend: {over: 7d}", "a trend looks back over 14d to 400d, not over 7d"),
        (PRESS.replace("parts:", "current.trend:"), "trend: {features: [current]}", "the name 'current.trend' belongs to the trend (see 'trend:'); choose another"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_baseline_or_a_trend_is_told_with_its_cure(site, text, keys, message):
    messages = found(site, text.replace("KEYS", keys))
    assert any(one.startswith(message) for one in messages), messages


METER = PRESS.replace("      lamp:", "      energy: {at: input 5, type: float32, unit: kWh}\n      lamp:")


@pytest.mark.parametrize("keys", ["kpis: {}", "kpis: {energy: energy, planned: 'Mo-Fr 06:00-22:00', downtime: 5min}"])
def test_figures_of_the_month_are_good_and_may_be_shared(site, keys):
    share = "shares:\n  - {to: cooperative, machines: [press], points: [kpi.availability, kpi.hours.last_month]}\n"
    text = METER.replace("KEYS", f"state: {{by: current, run: 2}}\n    {keys}") + "uplink: {broker: [mqtts://hub.example]}\n"
    assert [problem.message for problem in site(text, share=share).problems] == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("kpis: {energy: energi}", "machine 'press' has no point 'energi', did you mean 'energy'?"),
        ("kpis: {energy: current}", "'current' is in A, and a meter counts energy; name a point in kWh, Wh, MWh, GJ, MJ, kJ, J"),
        ("kpis: {energy: parts}", "'parts' has no unit, and a meter counts energy"),
        ("kpis: {}", "'kpis' rest on the state of the machine; say with 'state:' when it runs"),
        ("kpis: {planned: always}", "'always' is no planned time; write it like 'Mo-Fr 06:00-22:00'"),
        ("kpis: {planned: 'Mo-Fr 06:00-26:00'}", "'26:00' is no time of day"),
        ("kpis: {every: 1s}", "'every' must be at least 10s"),
    ],
)
def test_what_is_wrong_with_the_figures_is_told_with_its_cure(site, keys, message):
    messages = found(site, METER.replace("KEYS", keys))
    assert any(one.startswith(message) for one in messages), messages


TWO = FAN + "  - name: press\n    connect: 'modbus-tcp://h'\n" + POINTS


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("state: {by: press/current, run: 2}", None),
        ("state: {by: pres/current, run: 2}", "there is no machine 'pres', did you mean 'press'? whose point could tell the state"),
        ("state: {by: press/curent, run: 2}", "machine 'press' has no point 'curent' to tell the state, did you mean 'current'?"),
        ("state: {by: press/label, run: 2}", "'label' of machine 'press' is a text, which no threshold can be held against"),
        (
            "state: {by: press/mode, states: {run: [auto]}}",
            "'by' names a point of another machine, of which only the number is told",
        ),
    ],
)
def test_the_state_of_a_sensor_may_be_told_by_a_point_of_another_machine(site, state, message):
    messages = found(site, TWO.replace("KEYS", state))
    assert messages == [] if message is None else any(one.startswith(message) for one in messages), messages
