import asyncio
import json
import os
import socket
from pathlib import Path

import pytest
from rich.console import Console

from gateway.cli import _demo_board as board_
from gateway.cli import _demo_shop as shop_
from gateway.cli import _demo_table as table
from gateway.cli import demo, main
from gateway.config.spec import BrokerUrl, Config, Link, Machine, Uplink, Vibration
from gateway.control import DataFolder
from gateway.model import Event, Feature, Log, Quality, Reading, Reason, Sequenced, Severity, Stamp
from gateway.uplink.batch import encode

STAMP = Stamp(1_700_000_000_123_000_000, 0, "boot")


def reading(value, seq, *, point="oil_temp", epoch="e1", **more):
    record = Reading(machine="press-1", point=point, value=value, unit="°C", stamp=STAMP, **more)
    return Sequenced(Log.READING, epoch, seq, record)


def feature(value, seq, point="vibration.kurtosis"):
    record = Feature(machine="spindle-1", point=point, value=value, unit="1", stamp=STAMP, window_s=1.0)
    return Sequenced(Log.FEATURE, "e1", seq, record)


def feed(board, *items):
    for message in encode("muster", "hall-1", items):
        board.take(message.payload)


def config(tmp_path="", ports=(15502, 14840, 15025, 11883)):
    machines = {
        "press-1": Machine(
            "press-1", Link("modbus-tcp", f"127.0.0.1:{ports[0]}", None), None, 1.0, {"oil_temp": None, "strokes": None}
        ),
        "lathe-1": Machine("lathe-1", Link("opc.tcp", f"127.0.0.1:{ports[1]}/path", None), None, 1.0, {"program": None}),
        "spindle-1": Machine(
            "spindle-1", Link("replay", f"tcp://127.0.0.1:{ports[2]}", None), None, 1.0, {}, vibration=Vibration()
        ),
    }
    uplink = Uplink(broker=[BrokerUrl.parse(f"mqtt://127.0.0.1:{ports[3]}")])
    return Config("muster-metallbau", "hall-1", str(tmp_path), machines, {"cooperative": uplink})


def test_an_object_has_the_promised_keys():
    lines = []
    feed(
        board_.Board(lambda arrived: lines.append(json.loads(arrived.line()))),
        reading(41.5, 1),
        reading(None, 2, quality=Quality.BAD, reason=Reason.TIMEOUT),
    )
    good = {"machine": "press-1", "point": "oil_temp", "unit": "°C", "t": "2023-11-14T22:13:20.123Z"}
    assert lines == [
        {**good, "value": 41.5, "quality": "good"},
        {**good, "value": None, "quality": "bad", "reason": "no answer in time"},
    ]


def test_loss_and_doubles_are_counted_by_key():
    board = board_.Board()
    feed(board, reading(1.0, 5), reading(2.0, 6), feature(3.0, 1))
    assert (board.lost, board.doubled) == (0, 0)
    feed(board, reading(3.0, 9))
    assert (board.lost, board.doubled) == (2, 0)
    feed(board, reading(3.0, 9))
    assert (board.lost, board.doubled) == (2, 1)
    feed(board, reading(3.0, 1, epoch="e2"))
    assert (board.lost, board.doubled) == (2, 1), "a new epoch begins anew"


def test_totals_count_objects_machines_and_features():
    board = board_.Board()
    event = Event(
        machine="press-1", point="oil_temp", kind="limit", severity=Severity.WARNING, before="good", after="high", stamp=STAMP
    )
    feed(board, reading(1.0, 1), reading(2.0, 2), feature(3.0, 1), feature(0.6, 2, "vibration.rms"))
    feed(board, Sequenced(Log.URGENT, "e1", 1, event))
    total = board.total()
    assert {key: total[key] for key in ("objects", "records", "messages", "machines", "features", "lost", "doubled")} == {
        "objects": 4, "records": 5, "messages": 3, "machines": 2, "features": 2, "lost": 0, "doubled": 0,
    }  # fmt: skip
    assert total["bytes"] > 0
    assert total["duration_s"] >= 0


def test_the_bearing_line_tells_when_it_gets_worse():
    board = board_.Board()
    assert table.bearing(board, "spindle-1") == ""
    feed(board, *(feature(3.0 + i / 100, i + 1) for i in range(3)))
    assert table.bearing(board, "spindle-1") == "spindle-1: kurtosis still calm (3.0); the envelope tells its fault first"
    feed(board, *(feature(4.1, i) for i in range(4, 8)))
    assert table.bearing(board, "spindle-1") == "the bearing of spindle-1 is getting worse: kurtosis 3.0 → 4.1"


def drawn(board, status, encoding="utf-8"):
    import io

    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(file=raw, width=80, height=24, highlight=False, force_terminal=False)
    console.print(table.Screen(config(), board, Path("var/demo"), console).draw(status, os.getpid()))
    raw.flush()
    return raw.buffer.getvalue().decode(encoding)


def status():
    def latest(value, unit="", quality="good", reason=""):
        return {"value": value, "unit": unit, "age_s": 2.4, "quality": quality, "reason": reason}

    machine = {"state": "good", "error": "", "hint": ""}
    return {
        "machines": {
            "press-1": machine
            | {"latest": {"oil_temp": latest(41.53, "°C"), "strokes": latest(148203), "oil_temp.slope": latest(4.2, "K/min")}},
            "lathe-1": {
                "state": "bad",
                "error": "nobody answers",
                "hint": "",
                "latest": {"program": latest(None, "", "bad", "not connected")},
            },
            "spindle-1": machine
            | {"latest": {f"vibration.{f}": latest(3.01, "1") for f in ("kurtosis", "rms", "velocity_rms", "brand_new")}},
        }
    }


def test_the_screen_fits_80x24_and_shows_everything():
    board = board_.Board()
    feed(board, reading(41.53, 1), *(feature(3.0, i) for i in range(1, 30)))
    text = drawn(board, status())
    lines = text.rstrip("\n").split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for expected in (
        "muster-metallbau / hall-1", "41.53 °C", "148203", "oil_temp.slope", "nobody answers", "not connected",
        "velocity_rms", "brand_new", "2 messages, 30 records", "lost 0, doubled 0", "spindle-1: kurtosis still calm (3.0)",
    ):  # fmt: skip
        assert expected in text
    oil = next(line for line in lines if "41.53" in line)
    strokes = next(line for line in lines if "148203" in line)
    assert "↑" in oil[:40]
    assert "↑" not in strokes[:40], "nothing of it arrived at the broker"


def test_the_screen_before_anything_is_known():
    text = drawn(board_.Board(), None)
    assert "program" in text
    assert "0 messages" in text


def test_a_terminal_without_utf8_gets_plain_signs():
    board = board_.Board()
    feed(board, *(feature(3.0, i) for i in range(1, 30)))
    text = drawn(board, status(), "ascii")
    assert "published" in text
    assert not set("●↑▁─→") & set(text)


def test_a_plain_line_names_machines_and_counts():
    board = board_.Board()
    feed(board, reading(1.0, 1))
    line = table.plain(config(), board, status(), 65.0)
    assert line.startswith("01:05 press-1 good, lathe-1 bad, spindle-1 good; published 1 messages, 1 records")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (1834.27, "1834"),
        (0.01234567, "0.01235"),
        (41.5, "41.5"),
        (148203, "148203"),
        ("auto", "auto"),
    ],
)
def test_values_are_short(value, text):
    assert table.shown(value) == text


def test_parts_come_from_the_configuration():
    assert {(p.module, p.port) for p in shop_.parts(config())} == {
        ("press", 15502), ("lathe", 14840), ("spindle", 15025), ("broker", 11883),
    }  # fmt: skip


def test_a_machine_that_is_not_simulated_is_refused():
    other = config()
    other.machines["x"] = Machine("x", Link("modbus-tcp", "10.0.0.21:502", None), None, 1.0, {})
    with pytest.raises(shop_.DemoError, match=r"cannot simulate x at modbus-tcp://10\.0\.0\.21:502") as caught:
        shop_.parts(other)
    assert caught.value.code == 2


def test_a_port_in_use_names_the_port_and_the_cure():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(shop_.DemoError, match=rf"port {port} is in use.*--site") as caught:
            shop_.check_ports([shop_.Part("press", port)])
    assert caught.value.code == 3


def test_only_a_folder_of_the_demo_is_wiped(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(shop_.DemoError, match="not wiped") as caught, demo.prepared(mine):
        pass
    assert caught.value.code == 2
    assert (mine / "thesis.txt").exists()

    folder = tmp_path / "var" / "demo"
    with demo.prepared(folder):
        (folder / "outbox" / "cooperative").mkdir(parents=True)
        (folder / "outbox" / "cooperative" / "cursor").write_text("old")
        (folder / "press.log").write_text("old")
    with demo.prepared(folder):
        assert [path.name for path in folder.iterdir()] == [demo.MARK]


def test_the_folder_of_a_running_demo_is_not_wiped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "check_ports", lambda wanted: None)  # another shop, on other ports
    folder = tmp_path / "demo"
    with demo.prepared(folder):
        (folder / "history.db").write_text("precious")
        assert main(["demo", "--data", str(folder)]) == 3
        assert capsys.readouterr().err == f"gateway demo: a demo already runs on {folder}; name another folder with --data DIR\n"
        assert (folder / "history.db").read_text() == "precious"
    gateway = DataFolder(folder)  # a gateway alone, e.g. one whose demo was killed
    try:
        with pytest.raises(demo.DemoError, match="already runs"), demo.prepared(folder):
            pass
        assert (folder / "history.db").exists()
    finally:
        gateway.close()
    with demo.prepared(folder):
        assert not (folder / "history.db").exists()


def test_a_shop_that_is_not_there_is_a_usage_error(tmp_path, capsys):
    assert main(["demo", "--site", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err == f"gateway demo: {tmp_path}/none.yaml does not exist\n"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "it said nothing"),
        ("Traceback …\nOSError: no\n\n", "OSError: no"),
        ('{"event": "started"}\n{"event": "stuck", "level": "error", "loops": "poll", "time": "1"}\n', "stuck: loops poll"),
        ("[1]\n", "[1]"),
    ],
)
def test_last_words_are_words(tmp_path, log, words):
    path = tmp_path / "x.log"
    path.write_text(log)
    assert shop_.last_words(path) == words


async def test_a_part_that_dies_is_named_with_its_reason(tmp_path):
    shop = shop_.Shop(tmp_path)
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(shop_.DemoError, match=rf"the press ended with exit code 3: press: port {port} is in use"):
                await shop.start([shop_.Part("press", port), shop_.Part("spindle", 0)])
    finally:
        await shop.stop()


def alive(pid):
    return Path(f"/proc/{pid}").exists()


async def test_stopping_leaves_no_process(tmp_path):
    shop = shop_.Shop(tmp_path)
    await shop.start([shop_.Part("press", 0), shop_.Part("spindle", 0)])
    watch = asyncio.create_task(shop.watch())
    pids = [process.pid for process in shop._processes.values()]
    assert len(pids) == 2
    shop._processes["spindle"].kill()
    with pytest.raises(shop_.DemoError, match="the spindle was ended by signal 9"):
        await asyncio.wait_for(watch, 20)
    await shop.stop()
    assert not any(alive(pid) for pid in pids)


def test_without_the_extra_the_command_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    import argparse

    args = argparse.Namespace(json=False, duration=None, data=tmp_path, site=demo.SITE)
    assert demo.run(args) == 3
    assert "pip install 'retrofit-gateway[demo]'" in capsys.readouterr().err


def test_a_bad_duration_is_a_usage_error(capsys):
    import argparse

    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    assert parser.parse_args(["--duration", "20s"]).duration == 20.0
    for wrong in ("20", "0s", "soon"):
        with pytest.raises(SystemExit) as caught:
            parser.parse_args(["--duration", wrong])
        assert caught.value.code == 2
    assert "did you mean '20s'?" in capsys.readouterr().err


def test_the_configuration_lies_where_the_command_looks():
    assert demo.SITE.is_file()
    assert demo.SITE.with_name("share.yaml").is_file()
