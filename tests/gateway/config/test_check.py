# ruff: noqa: E501  (a row of a table, with the whole sentence, stands on one line)

import pytest

from gateway.config import ConfigError, load_config
from gateway.config.check import check
from gateway.config.quantity import Duration

HEAD = "site: muster\ngateway: hall-1\n"


def test_a_good_file_becomes_a_config(site, tmp_path):
    checked = site(
        f"""{HEAD}
connections:
  bus-a: {{url: "modbus-rtu:///dev/rs485-a?baud=9600", parity: N}}
machines:
  - {{name: m1, connect: bus-a, unit: 7, points: {{a: {{at: holding 40017, scale: 0.1}}}}}}
  - {{name: m2, connect: bus-a, unit: 8, every: 5s, points: {{a: {{at: holding 16}}}}}}
  - {{name: m3, connect: "modbus-rtu:///dev/rs485-a?parity=N&baud=9600", points: {{a: {{at: coil 1}}}}}}
  - {{name: m4, connect: "modbus-tcp://10.0.0.21?unit=3", timeout: 2s, points: {{a: {{at: input 30001}}}}}}
uplink: {{broker: [mqtts://hub]}}
uplinks: {{customer: {{broker: [mqtt://10.0.0.5]}}}}
""",
        share='shares: [{to: customer, machines: ["m?"], points: [a]}]',
    )
    assert checked.problems == ()
    config = checked.config
    assert (config.site, config.gateway, config.path) == ("muster", "hall-1", str(tmp_path / "site.yaml"))
    assert list(config.machines) == ["m1", "m2", "m3", "m4"]
    m1, m2, m3, m4 = config.machines.values()
    assert m1.link == m2.link == m3.link, "machines on an equal line share it, named or not"
    assert (m1.link.scheme, m1.link.address, m1.link.base) == ("modbus-rtu", "/dev/rs485-a", str(tmp_path))
    assert (m1.options.unit, m2.options.unit, m3.options.unit, m4.options.unit) == (7, 8, 1, 3)
    assert (m1.link.options.baud, m1.link.options.parity) == (9600, "N")
    assert m4.link != m1.link
    assert m4.link.options.timeout == 2
    assert (m1.every_s, m2.every_s) == (1.0, 5.0)
    assert m1.points["a"].scale == 0.1
    assert list(config.uplinks) == ["cooperative", "customer"]
    assert config.contract.rules[0].to == "customer"


def test_an_unchanged_file_gives_an_equal_config(site):
    text = HEAD + "machines: [{name: a, connect: 'modbus-tcp://h', points: {x: {at: holding 1}}}]"
    assert site(text).config == site(text).config
    assert site(text).config != site(text.replace("holding 1", "holding 2")).config


def test_without_share_file_nothing_leaves_and_without_uplink_it_is_good_too(site):
    config = site(HEAD).config
    assert config.contract.rules == ()
    assert config.uplinks == {}


MACHINE = HEAD + "machines:\n  - {{name: m, {}}}\n"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("points: {}", "missing key 'connect': URL of the device, with options as parameters, or the name of a connection above, for example modbus-tcp://10.0.0.21:502?unit=1"),
        ("connect: 'modbus-tcp://h', every: 0s", "'every' must be longer than 0s"),
        ("connect: 'modbus-tcp://h', every: 5ms", "'every' must be at least 10ms; what changes faster is no point but a waveform"),
        ("connect: 'replay:a.wav?unit=g', vibration: {every: 5ms}", "'every' must be at least 10ms; what changes faster is no point but a waveform"),
        ("connect: 'modbus-tcp://h', vibration: {}, points: {a: {at: coil 1}}", "modbus-tcp brings no waveform to compute vibration features from; leave 'vibration' out, or say where it stands with 'waveform'"),
        ("connect: 'xyz://h'", "unknown driver 'xyz'; known: alsa, iio, modbus-ascii, modbus-rtu, modbus-tcp, modbus-tls, modbus-udp, opc.tcp, replay"),
        ("connect: 'opcua.tcp://h', insecure: true", "unknown driver 'opcua.tcp', did you mean 'opc.tcp'? known: alsa, iio, modbus-ascii, modbus-rtu, modbus-tcp, modbus-tls, modbus-udp, opc.tcp, replay"),
        ("connect: 'localhost:502'", "'localhost:502' is not a URL of a device; did you mean 'modbus-tcp://localhost:502'?"),
        ("connect: '10.0.0.30:4840'", "'10.0.0.30:4840' is not a URL of a device; did you mean 'opc.tcp://10.0.0.30:4840'?"),
        ("connect: /dev/ttyUSB0", "'/dev/ttyUSB0' is not a URL of a device; did you mean 'modbus-rtu:///dev/ttyUSB0'?"),
        ("connect: bus-a", "'bus-a' is neither a URL nor a connection; write a URL such as modbus-tcp://10.0.0.21:502?unit=1, or define the connection under 'connections:'"),
        ("connect: 'modbus-tcp://h?unit=1', unit: 2", "'unit' also stands in the URL, with another value (1 there, 2 here); keep one"),
        ("connect: 'modbus-tcp://h?unit=1&unit=1'", "option 'unit' stands twice in this URL; keep one"),
        ("connect: 'modbus-tcp://h?unit'", "option 'unit' has no value; write unit=…"),
        ("connect: 'modbus-tcp://h?unit=1&'", "an option is missing here, between '?' or '&' and the next '&' or the end"),
        ("connect: 'modbus-tcp://h?unit=x'", "expected a whole number, found text 'x'"),
        ("connect: 'modbus-tcp://h?order=abcd'", "'abcd' is not one of ABCD, CDAB, BADC, DCBA, big, word-swap, byte-swap, little; did you mean 'ABCD'?"),
        ("connect: 'modbus-tcp://h?unti=1'", "modbus-tcp has no option 'unti', did you mean 'unit'?"),
        ("connect: 'modbus-tcp://h?every=5s'", "'every' is a key of the machine, not an option in its URL; write 'every:' beside 'connect:'"),
        ("connect: 'modbus-tcp://h?timeout=%zz%ff'", "'timeout=%zz%ff' is not text after decoding its %xx; leave the % signs out, or write %25 for a percent sign"),
        ("connect: 'modbus-tcp://h', unti: 1", "unknown key 'unti', did you mean 'unit'?"),
        ("connect: 'modbus-tcp://h', pionts: {}", "unknown key 'pionts', did you mean 'points'?"),
        ("connect: 'replay:a.f32?rate=1kHz'", "missing key 'unit': unit of the samples after scale, 'm/s²' or 'g'; add it to the URL or as a key beside 'connect:'"),
        ("connect: 'replay:a.wav?unit=g', vibration: {}, points: {x: {}}", "a replay has no points to poll; its features appear by themselves as vibration.*"),
        ("connect: 'modbus-tcp://h', temperature: {points: [y]}, points: {x: {at: coil 1}}", "machine 'm' has no point 'y'; known: x"),
        ("connect: 'modbus-tcp://h', temperature: {points: [t]}, points: {t: {at: input 1}, t.slope: {at: input 2}, u.slope: {at: input 3}}", "the name 't.slope' belongs to the slope of 't' (see 'temperature:'); choose another"),
        ("connect: 'modbus-tcp://h', temperature: {}, points: {t: {at: input 1, unit: °C}, t.slope: {at: input 2}, p: {at: input 3, unit: bar}, p.slope: {at: input 4}}", "the name 't.slope' belongs to the slope of 't' (see 'temperature:'); choose another"),
        ("connect: 'modbus-tcp://h', temperature: {ambient: hal}, points: {t: {at: input 1, unit: °C}, hall: {at: input 2, unit: °C}}", "machine 'm' has no point 'hal', did you mean 'hall'?"),
        ("connect: 'modbus-tcp://h', temperature: {ambient: p}, points: {t: {at: input 1, unit: °C}, p: {at: input 2, unit: bar}}", "'p' is in bar; what is around the machine is measured in °C, K or °F"),
        ("connect: 'modbus-tcp://h', temperature: {ambient: t, points: [t]}, points: {t: {at: input 1, unit: °C}}", "'ambient' 't' stands under points, too; it cannot rise over itself"),
        ("connect: 'modbus-tcp://h', temperature: {limit: {tt: 80}}, points: {t: {at: input 1, unit: °C}}", "machine 'm' has no point 'tt', did you mean 't'?"),
        ("connect: 'modbus-tcp://h', temperature: {points: [t], limit: {u: 80}}, points: {t: {at: input 1}, u: {at: input 2}}", "'limit' has 'u', which is not one of the points: t"),
        ("connect: 'modbus-tcp://h', temperature: {change: 0}, points: {t: {at: input 1}}", "0 is out of range: more than 0"),
        ("connect: 'modbus-tcp://h', temperature: {limit: 80}, points: {t: {at: input 1, unit: °C}, t.time_to_limit: {at: input 2}}", "the name 't.time_to_limit' belongs to the time to limit of 't' (see 'temperature:'); choose another"),
        ("connect: 'modbus-tcp://h', points: {vibration.rms: {at: coil 1}}", "names that begin with 'vibration.' belong to features; choose another"),
        ("connect: 'replay:a.wav?unit=g', vibration: {capture: {before: 2min}}", "'before' must be at most 1min, as it is held in memory"),
        ("connect: 'replay:a.wav?unit=g', vibration: {capture: {before: 0s, after: 0s}}", "nothing is captured with 'before' and 'after' of 0s; to switch it off write keep: 0"),
        ("connect: 'replay:a.wav?unit=g', vibration: {}, alarms: {vibration.velocity_rms: {alarm: iso}}", "which zones? Add 'iso:' to 'vibration:', for example iso: group2-rigid"),
        ("connect: 'replay:a.wav?unit=g', vibration: {iso: group2-rigid}, alarms: {vibration.rms: {alarm: iso}}", "ISO's zones are for velocities such as vibration.velocity_rms, not for 'vibration.rms'; write a number"),
        ("connect: 'replay:a.wav?unit=g', vibration: {iso: group2-rigid}, alarms: {vibration.velocity_rms: {warning: baseline}}", "nothing learns what is usual; add 'baseline:' to the machine, for example baseline: {}"),
        ("connect: 'replay:a.wav?unit=g', vibration: {iso: group2-rigid}, alarms: {vibration.iso_zone: {alarm: 3}}", "'vibration.iso_zone' is a word, not a number, and has no limits"),
        ("connect: 'modbus-tcp://h', points: {oil_temp: {at: input 1}}, alarms: {oiltemp: {alarm: 80}}", "machine 'm' has no point or feature 'oiltemp', did you mean 'oil_temp'?"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {}}", "an alarm needs a limit: 'warning', 'alarm', 'low_warning' or 'low_alarm'"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {warning: 80, alarm: 70}}", "alarm (70) must be above warning (80)"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {low_alarm: 30, low_warning: 20}}", "low_warning (20) must be above low_alarm (30)"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {low_alarm: 10, alarm: 20, hysteresis: 10}}", "'hysteresis' must be less than what lies between 10 and 20; a value could never come back"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {alarm: 20, delay: 10}}", "'10' has no unit; did you mean '10s'?"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {alarm: 20, delay: 2h}}", "'delay' must be at most 1h; what lasts longer is a trend"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {alarm: 20, stale: 0s}}", "'stale' lies between 1s and 7d"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {alrm: 20}}", "unknown key 'alrm', did you mean 'alarm'?"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, state: {by: t, run: 2}, alarms: {t: {alarm: 20, only_in: [running]}}", "'running' is not one of off, idle, run, fault"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, alarms: {t: {alarm: 20, only_in: [run]}}", "machine 'm' does not tell its state, so 'only_in' cannot be judged; add 'state: {by: POINT, run: VALUE}' to the machine, or a point named 'state' with 'states'"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}, state: {at: input 2, states: {0: \"off\", 1: auto}}}, alarms: {t: {alarm: 20, only_in: [run]}}", "the point 'state' of machine 'm' is never 'run'; it has off, auto"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1}}, state: {by: t, run: 2}, alarms: {state: {alarm: 20}}", "'state' is a word, not a number, and has no limits; alarm on what tells the state"),
        ("connect: 'modbus-tcp://h', points: {t: {at: input 1, type: string, length: 2}}, alarms: {t: {alarm: 20}}", "'t' is a text, which has no limits; only numbers have"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_machine_is_told(heads, entry, message):
    text = MACHINE.format(entry)
    lines = [line.split(": ", 1)[1] for line in heads(text) if ": warning: " not in line]
    assert lines == [message]


def test_an_alarm_by_the_zones_of_iso_has_their_numbers(site):
    entry = "connect: 'replay:a.wav?unit=g', vibration: {iso: group2-rigid}, alarms: {vibration.velocity_rms: {warning: iso, alarm: iso}}"
    machine = site(MACHINE.format(entry)).config.machines["m"]
    alarm, zones = machine.alarms["vibration.velocity_rms"], machine.zones.velocity_mm_s
    assert (alarm.warning, alarm.alarm) == zones[1:] == (2.8, 4.5)


def test_the_place_of_an_option_in_a_url_is_exact(site):
    url = "modbus-tcp://h?unit=1&timeout=xs&bogus=2"
    for quote in ("", "'", '"'):
        text = HEAD + f"machines:\n  - name: m\n    connect: {quote}{url}{quote}\n    points: {{a: {{at: coil 1}}}}\n"
        line = text.splitlines()[4]
        places = {(p.line, p.column) for p in site(text).problems}
        assert places == {(5, line.index("xs&") + 1), (5, line.index("bogus") + 1)}


def test_url_values_are_read_as_the_option_wants_them(site):
    text = (
        HEAD
        + "machines:\n  - {name: m, connect: 'replay:a%20b.csv?unit=m%2Fs%C2%B2&loop=false&column=7&scale=2&speed=fast', vibration: {}}\n"
    )
    link = site(text).config.machines["m"].link
    options = link.options
    assert (options.unit, options.loop, options.column, options.scale, options.speed) == ("m/s²", False, "7", 2.0, "fast")
    assert link.address == "a%20b.csv", "only options are percent-decoded; a path is taken as it stands"


def test_a_replay_url_needs_no_slashes(site):
    text = HEAD + "machines:\n  - {name: m, connect: 'replay:tcp://127.0.0.1:15025?rate=25.6kHz&unit=g', vibration: {}}\n"
    link = site(text).config.machines["m"].link
    assert (link.scheme, link.address, link.options.rate) == ("replay", "tcp://127.0.0.1:15025", 25600)


def test_the_same_option_with_the_same_value_in_both_places_is_fine(site):
    assert site(
        MACHINE.format("connect: 'modbus-tcp://h?unit=2&timeout=2s', unit: 2, timeout: 2s, points: {a: {at: coil 1}}")
    ).config


BUS = (
    HEAD
    + "connections:\n  bus: {{url: 'modbus-rtu:///dev/a'{}}}\nmachines:\n  - {{name: m, connect: {}, points: {{a: {{at: coil 1}}}}}}\n"
)


@pytest.mark.parametrize(
    ("line", "machine", "message"),
    [
        ("", "bus, baud: 9600", "'baud' belongs to the connection 'bus' (line 4), which several machines share; write it there"),
        (", unit: 5", "bus", "'unit' belongs to the machines on this connection; write 'unit:' there"),
        (", bauds: 5", "bus", "unknown key 'bauds', did you mean 'baud'?"),
        ("", "buss", "there is no connection 'buss', did you mean 'bus'?"),
        ("", "'bus?unit=3'", "options do not stand behind the name of a connection; write connect: bus and the options as keys beside it"),
        ("", "bus, unti: 3", "unknown key 'unti', did you mean 'unit'?"),
    ],
)  # fmt: skip
def test_a_mistake_about_a_shared_line_is_told_once(heads, line, machine, message):
    assert [head.split(": ", 1)[1] for head in heads(BUS.format(line, machine))] == [message]


def test_a_connection_that_nobody_uses_and_a_machine_without_points_are_warnings(site):
    checked = site(HEAD + "connections: {bus: {url: 'modbus-rtu:///dev/a'}}\nmachines: [{name: m, connect: 'modbus-tcp://h'}]")
    assert [(p.line, p.level) for p in checked.problems] == [(3, "warning"), (4, "warning")]
    assert checked.config is not None


def test_a_name_twice_is_told_with_the_first_line(heads):
    text = HEAD + "machines:\n" + "  - {name: m, connect: 'modbus-tcp://h', points: {a: {at: coil 1}}}\n" * 2
    assert heads(text) == ["site.yaml:5:12: the name 'm' is taken by the machine at line 4; every machine needs its own"]


def test_live_is_no_name_for_a_recipient(heads):
    words = "the name 'live' is reserved: it would give the client id of the live lane; choose another, for example 'live-1'"
    assert heads(HEAD + "uplinks: {live: {broker: [mqtts://hub]}}") == [f"site.yaml:3:11: {words}"]
    assert heads(HEAD + "uplinks: {live-1: {broker: [mqtts://hub]}}") == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just text", "[]"])
def test_a_file_that_is_no_site_is_told(heads, text):
    (head,) = heads(text)
    assert "site: NAME" in head


def test_load_config_raises_everything_as_one_text(site):
    site("site: 1\ngatway: x\n")
    with pytest.raises(ConfigError) as caught:
        load_config("site.yaml")
    assert "site.yaml:1:7: expected text, found the number 1" in str(caught.value)
    assert "site.yaml:2:1: unknown key 'gatway', did you mean 'gateway'?\n    gatway: x\n    ^" in str(caught.value)


def test_a_missing_file_is_a_problem_without_a_line():
    assert check("/nowhere/site.yaml").problems[0].head == "/nowhere/site.yaml: there is no such file"


def test_an_empty_duration_default_is_written_like_a_user_would():
    assert [Duration(seconds).written for seconds in (0, 0.1, 1, 90, 600, 86400 * 30)] == [
        "0s",
        "100ms",
        "1s",
        "90s",
        "10min",
        "30d",
    ]


def test_a_list_of_machines_with_none_in_it_is_a_warning(site):
    (problem,) = site(f"{HEAD}machines: []\n").problems
    assert (problem.level, problem.line) == ("warning", 3)
    assert problem.message.startswith("no machine stands here, so nothing is read; add one: machines: [{name: press-1, ")


def test_a_time_that_is_thought_of_in_days_is_guessed_in_days(heads):
    (head,) = heads(HEAD + "uplink: {broker: [mqtts://hub], keep: {at_most: 3}}\n")
    assert head.endswith("'3' has no unit; did you mean '3d'?")
