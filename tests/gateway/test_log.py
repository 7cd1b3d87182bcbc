"""Logs: JSON or plain, one event per line, libraries routed, and never a secret."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import warnings

import pytest

from gateway import log as gateway_log
from gateway import redaction
from gateway.log import EVENTS, get, redact, setup

SECRET = 's3cr3t/"pass\\wörd'


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was():
    root = logging.getLogger()
    before = (root.level, list(root.handlers), sys.excepthook)
    redaction._secrets.clear()
    yield
    redaction._secrets.clear()
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    sys.excepthook = before[2]
    logging.captureWarnings(False)
    gateway_log._configure(gateway_log._render_json, "info")


def lines(capsys) -> list[dict]:
    """Return what came out on stderr, one object per line; stdout belongs to a command's answer and must be empty."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_an_event_is_one_json_line_with_time_level_and_event_first(capsys):
    setup()
    get("poll", machine="press-1").warning("machine_unavailable", reason="no answer\nin time", hint=None, count=3)
    (line,) = lines(capsys)
    assert list(line)[:3] == ["time", "level", "event"]
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "machine_unavailable",
        "room": "poll",
        "machine": "press-1",
        "reason": "no answer\nin time",
        "hint": None,
        "count": 3,
    }


def test_the_level_filters_and_setup_can_be_called_again(capsys):
    log = get("poll")
    setup(level="warning")
    log.info("machine_recovered")
    assert lines(capsys) == []
    setup(level="debug")
    log.debug("machine_recovered")
    assert [line["level"] for line in lines(capsys)] == ["debug"]


def test_an_unknown_level_names_the_known_ones():
    with pytest.raises(ValueError, match="unknown log level 'loud'; known: debug, info, warning, error"):
        setup(level="loud")


def test_plain_lines_for_people_carry_event_and_fields(capsys):
    setup(json=False)
    get("uplink").error("uplink_refused", reason="not authorised")
    err = capsys.readouterr().err
    assert "uplink_refused" in err
    assert "not authorised" in err
    assert not err.startswith("{")
    assert "\x1b" not in err, "colours only on a terminal"


def test_before_setup_lines_go_to_stderr_and_never_into_the_answer_of_a_command(capsys):
    get("config").warning("configuration_rejected")
    assert [line["event"] for line in lines(capsys)] == ["configuration_rejected"]


def test_an_exception_stands_in_the_line_as_text(capsys):
    setup()
    try:
        raise RuntimeError("the bus is gone")
    except RuntimeError:
        get("poll").exception("driver_fault")
    (line,) = lines(capsys)
    assert "RuntimeError: the bus is gone" in line["exception"]
    assert "Traceback" in line["exception"]


def test_journald_gets_the_priority_and_no_second_time(tmp_path):
    # stderr must be the very file that JOURNAL_STREAM names, so a child with its own stderr is asked
    code = (
        "import os; s = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{s.st_dev}:{s.st_ino}'\n"
        "from gateway.log import get, setup; setup()\n"
        "get('poll').error('machine_unavailable'); get('poll').info('machine_recovered')"
    )
    err = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.splitlines()
    assert [line[:3] for line in err] == ["<3>", "<6>"]
    assert list(json.loads(err[0][3:])) == ["level", "event", "room"]


def test_rich_is_not_loaded_by_logging():
    code = "import gateway.log, sys; gateway.log.setup(); print('rich' in sys.modules, 'structlog' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True"]


# ── secrets ──


def everything_that_prints(secret: str) -> None:
    """Try to get a secret printed by every way a line can carry it."""
    log = get("uplink")
    log.warning("uplink_refused", reason=f"user x with {secret} refused")
    log.warning("uplink_refused", reason=[secret, {"deep": (secret, {secret})}], **{"field" + secret: 1})
    log.warning("uplink_refused", reason=secret.encode(), url=f"mqtts://u:{redaction.quote(secret, safe='')}@hub")
    log.warning("uplink_refused", reason=RuntimeError(secret), answer=json.dumps({"pw": secret}), said=repr(secret))
    log.warning("uplink_refused", reason=type("Odd", (), {"__repr__": lambda _: f"<Odd {secret}>"})())
    try:
        raise ConnectionError(f"bad password {secret!r} for {secret}")
    except ConnectionError:
        log.exception("driver_fault")
        logging.getLogger("aiomqtt").exception("failed with %s", secret)
    logging.getLogger("pymodbus.logging").error("sent %r", secret.encode())
    warnings.warn(f"deprecated {secret}", UserWarning, stacklevel=1)
    try:
        raise KeyError(secret)
    except KeyError as error:
        sys.excepthook(KeyError, error, error.__traceback__)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("secret", [SECRET, "hunter22", "with space and €uro"])
def test_a_registered_secret_is_in_no_line(capsys, as_json, secret):
    setup(json=as_json)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        redact(secret)
        everything_that_prints(secret)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("***") >= 10
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], redaction.quote(secret, safe="")):
        assert form not in err


def test_without_registration_the_same_ways_do_print_it(capsys):
    """The test above bites: every way really carries the text."""
    setup()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        everything_that_prints("hunter22")
    assert capsys.readouterr().err.count("hunter22") >= 10


@pytest.mark.parametrize("key", ["password", "mqtt_password", "Secret", "access_token", "credentials", "key", "client_key", "pin"])
def test_a_field_named_like_a_secret_is_masked(capsys, key):
    setup()
    get("uplink").info("uplink_connected", **{key: "letmein"}, nested={key: "letmein"})
    assert "letmein" not in capsys.readouterr().err


def test_a_field_that_only_looks_similar_is_kept(capsys):
    setup()
    get("uplink").info("uplink_connected", keys=3, monkey="yes", spinning=True, key=None)
    (line,) = lines(capsys)
    assert (line["keys"], line["monkey"], line["spinning"], line["key"]) == (3, "yes", True, None)


def test_a_private_key_is_masked_line_by_line(capsys):
    setup()
    pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\nCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n"
    redact(pem)
    get("uplink").warning("uplink_refused", reason="bad line CCqGSM49AwEHBG0wawIBAQQg", other="-----BEGIN CERTIFICATE-----")
    (line,) = lines(capsys)
    assert line["reason"] == "bad line ***"
    assert line["other"] == "-----BEGIN CERTIFICATE-----"


def test_a_very_short_secret_does_not_blank_out_the_log(capsys):
    setup()
    redact("17")
    get("uplink").warning("uplink_refused", reason="17", count=17, sentence="1700 records")
    (line,) = lines(capsys)
    assert (line["reason"], line["count"], line["sentence"]) == ("***", "***", "1700 records")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_that_is_a_word_of_ours_leaves_the_line_whole(capsys, as_json):
    setup(json=as_json)
    redact("event")
    get("uplink").warning("uplink_refused", reason="the event password")
    err = capsys.readouterr().err
    assert "uplink_refused" in err
    assert "the *** password" in err


def test_what_cannot_be_shown_never_raises(capsys):
    setup()
    loop: list = []
    loop.append(loop)
    odd = type("Odd", (), {"__repr__": lambda _: 1 / 0})()
    get("poll").warning("driver_fault", odd=odd, loop=loop, huge=2**80, nan=float("nan"), name="\udcff", raw=b"\xff", kind=EVENTS)
    (line,) = lines(capsys)
    assert line["odd"] == "<Odd>"
    assert line["huge"] == str(2**80)
    assert line["nan"] is None
    assert line["name"] == "\\udcff"


def test_a_closed_stderr_stops_nothing(monkeypatch):
    setup()
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        monkeypatch.setattr(sys, "stderr", broken)
        get("poll").warning("machine_unavailable")
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):  # the rest of the buffer, at close
            broken.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), broken.fileno())


# ── libraries ──


def test_libraries_are_heard_from_warning_on_and_in_one_form(capsys):
    setup()
    for name in ("asyncua.common", "pymodbus.logging", "mqtt", "paho.mqtt.client"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble in %s", name)
    said = lines(capsys)
    assert [line["library"] for line in said] == ["asyncua.common", "pymodbus.logging", "mqtt", "paho.mqtt.client"]
    assert {line["event"] for line in said} == {"library"}
    assert said[0]["message"] == "trouble in asyncua.common"


def test_a_library_that_repeats_itself_is_counted_instead(capsys):
    moment = [0.0]
    handler = gateway_log._FromLibrary(now=lambda: moment[0])
    record = logging.LogRecord("pymodbus", logging.ERROR, "f", 1, "no response from %s", ("press-1",), None)
    for _ in range(1000):
        handler.emit(record)
    assert len(lines(capsys)) == 1
    moment[0] = 601.0
    handler.emit(record)
    (line,) = lines(capsys)
    assert line["repeated"] == 999


def test_many_different_messages_do_not_grow_the_memory(capsys):
    handler = gateway_log._FromLibrary()
    for number in range(5000):
        handler.emit(logging.LogRecord("asyncua", logging.WARNING, "f", 1, f"request {number}", (), None))
    assert len(handler._said) <= 500
    assert len(lines(capsys)) == 5000


def test_a_message_that_cannot_be_formatted_is_told_as_it_is(capsys):
    setup()
    logging.getLogger("asyncua").warning("%d values", "many")
    assert lines(capsys)[0]["message"] == "%d values"


async def test_an_error_in_a_forgotten_task_comes_out(capsys):
    setup()
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": ValueError("x")}
    )
    assert lines(capsys)[0]["library"] == "asyncio"
