"""From the machine to the broker with the real gateway, a real broker and a real Modbus server: what the product promises."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.uplink.flat import flat
from tests.integration.running import RunningGateway, gateway
from tests.peers.broker import Inbox, mosquitto, subscriber
from tests.peers.modbus import Server, start_tcp
from tests.peers.modbus import tcp as modbus_tcp
from tests.waiting import until

SHARE_ALL = "shares:\n  - {to: cooperative, machines: ['*'], points: ['*']}\n"


def press(name: str, port: int, *, points: int = 10, every: str = "100ms") -> str:
    rows = "".join(f"      p{n}: {{at: holding {n}, type: uint16, report: always}}\n" for n in range(points))
    head = f"  - name: {name}\n    connect: modbus-tcp://127.0.0.1:{port}?unit=1&timeout=500ms\n    every: {every}\n"
    return f"{head}    points:\n{rows}"


def site(machines: str, broker: str = "", batch: str = "500ms") -> str:
    uplink = f"uplink: {{broker: ['{broker}'], batch: {batch}}}\n" if broker else ""
    return f"site: muster\ngateway: hall-1\nmachines:\n{machines}{uplink}"


def rows(inbox: Inbox) -> list[dict[str, Any]]:
    return [row for payload in inbox.payloads for row in flat(payload)]


def listening(pid: int) -> list[str]:
    """Return the lines of proc_net_tcp(5) in state LISTEN whose socket belongs to the process."""
    names = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    inodes = {name.removeprefix("socket:[").removesuffix("]") for name in names if name.startswith("socket:[")}
    lines = [line for kind in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]]
    return [line for line in lines if line.split()[3] == "0A" and line.split()[9] in inodes]


def check_complete(got: Iterable[dict[str, Any]], *, epochs: int = 1) -> int:
    """Nothing lost, nothing doubled, order kept per point; return how many distinct records there are.

    At least once: a message whose acknowledgement was lost comes again, under the same keys and with the same content; after a
    crash also what was acknowledged in the last seconds, and a time that was repaired is then repaired anew, to within µs.
    """
    by_key: dict[tuple[str, str, int], tuple[Any, ...]] = {}
    last: dict[tuple[str, str], str] = {}
    seqs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in got:
        key = (row["log"], row["epoch"], row["seq"])
        content = tuple(row[name] for name in ("machine", "point", "t", "value"))
        if key in by_key:
            *same, before, value = by_key[key]
            assert (*same, value) == (content[0], content[1], content[3]), f"{key} was used for two records"
            apart = datetime.fromisoformat(content[2]) - datetime.fromisoformat(before)
            assert abs(apart) < timedelta(milliseconds=1), f"{key} was used for two records"
            continue
        by_key[key] = content
        seqs[key[:2]].append(key[2])
        place = (row["machine"], row["point"])
        assert last.get(place, "") <= row["t"], f"{place} went back in time"
        last[place] = row["t"]
    assert len(set(by_key.values())) == len(by_key), "one record stands under two keys"
    assert len({epoch for _, epoch in seqs}) == epochs
    for log, numbers in seqs.items():
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), f"{log} has a gap"
    return len(by_key)


async def drained(running: RunningGateway) -> bool:
    status = await asyncio.to_thread(running.status)
    recipient = status["recipients"]["cooperative"]
    return bool(recipient["uplink"]["connected"]) and recipient["outbox"]["waiting"] == 0


async def until_drained(running: RunningGateway, timeout: float = 100) -> None:
    deadline = time.monotonic() + timeout
    while not await drained(running):
        assert time.monotonic() < deadline, f"the outbox does not empty: {running.status()['recipients']}"
        await asyncio.sleep(0.1)


@pytest.mark.timeout(180)
async def test_broker_killed_for_30_s_under_load_nothing_lost_nothing_doubled_order_kept(tmp_path: Path) -> None:
    async with mosquitto(keep=True) as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        machines = press("press-1", server.port) + press("press-2", server.port, every="200ms")
        with gateway(tmp_path, site(machines, broker.url), SHARE_ALL) as running:
            await running.start()
            await until(lambda: len(rows(inbox)) > 300)
            await broker.stop(signal.SIGTERM)
            down = time.monotonic()
            await until(lambda: time.monotonic() - down > 30, 40, "the broker is away for 30 s")
            waiting = running.status()["recipients"]["cooperative"]["outbox"]["waiting"]
            assert waiting > 30 * 150 * 0.8, "what is measured while the broker is away is kept"
            await broker.start()
            await until_drained(running)
            assert running.machine("press-1")["missed"] == 0, "polling does not notice"
            assert running.stop() == 0
            assert running.events("uplink_lost")
        await until(lambda: check_complete(rows(inbox)) > waiting, 20)


@pytest.mark.timeout(180)
async def test_gateway_killed_in_the_middle_nothing_lost_nothing_doubled(tmp_path: Path) -> None:
    async with mosquitto(keep=True) as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        with gateway(tmp_path, site(press("press-1", server.port), broker.url), SHARE_ALL) as running:
            for n in range(1, 5):
                await running.start()
                seen = len(rows(inbox))
                await until(lambda seen=seen: len(rows(inbox)) > seen + 100)
                if n == 3:
                    await broker.stop(signal.SIGTERM)
                    await until(lambda: running.status()["recipients"]["cooperative"]["outbox"]["waiting"] > 200)
                running.kill()
                if n == 3:
                    await broker.start()
            await running.start()
            assert "not clean" in running.status()["last_stop"]
            await until_drained(running)
            assert running.stop() == 0
        waited = time.monotonic()
        await until(lambda: time.monotonic() - waited > 1)
        assert check_complete(rows(inbox)) > 100


@pytest.mark.timeout(90)
async def test_a_device_absent_at_start_dies_and_returns_while_the_other_never_notices(tmp_path: Path) -> None:
    async with mosquitto() as broker, modbus_tcp() as steady, modbus_tcp() as server, subscriber(broker.url) as inbox:
        await server.stop()
        machines = press("old", server.port) + press("steady", steady.port, every="500ms")
        with gateway(tmp_path, site(machines, broker.url), SHARE_ALL) as running:

            def last(machine: str) -> dict[str, Any] | None:
                mine = [row for row in rows(inbox) if row["machine"] == machine]
                return mine[-1] if mine else None

            def quality(machine: str) -> str:
                row = last(machine)
                return row["quality"] if row else ""

            await running.start()
            await until(lambda: quality("old") == "bad", 20)
            row = last("old")
            assert row is not None
            assert row["value"] is None
            assert row["reason"] == "refused"
            assert str(server.port) in running.machine("old")["error"]
            assert running.machine("old")["hint"]
            for _ in range(2):
                back: Server = await start_tcp(server.port)
                await until(lambda: quality("old") == "good", 10, "good again within 10 s of its return")
                await back.stop()
                await until(lambda: quality("old") == "bad", 10)
            status = running.machine("steady")
            assert (status["missed"], status["errors"]) == (0, 0)
            assert {row["quality"] for row in rows(inbox) if row["machine"] == "steady"} == {"good"}
            assert len(running.events("machine_recovered")) == 2


@pytest.mark.timeout(90)
async def test_a_change_of_one_machine_under_load_costs_the_others_not_one_scan(tmp_path: Path) -> None:
    async with mosquitto(keep=True) as broker, modbus_tcp() as server, modbus_tcp() as other, subscriber(broker.url) as inbox:

        def text(every: str) -> str:
            steady = press("neighbour", server.port, every="500ms") + press("far", other.port, every="500ms")
            return site(press("changed", server.port, every=every) + steady, broker.url)

        with gateway(tmp_path, text("100ms"), SHARE_ALL) as running:
            await running.start()
            await until(lambda: len(rows(inbox)) > 200)
            for n in range(6):
                running.site.write_text(text("50ms" if n % 2 else "300ms"))
                if n < 3:
                    answer = await asyncio.to_thread(running.apply)
                    assert answer["restarted"] == ["changed"]
                    assert answer["kept"] == ["neighbour", "far"]
                    assert answer["recipients"] == []
                else:
                    assert running.process is not None
                    running.process.send_signal(signal.SIGHUP)
                    await until(lambda n=n: len(running.events("configuration_applied")) > n)
                seen = len(rows(inbox))
                await until(lambda seen=seen: len(rows(inbox)) > seen + 150)
            status = running.status()["machines"]
            assert status["neighbour"]["missed"] == status["far"]["missed"] == 0
            running.stop()
        await until(lambda: check_complete(rows(inbox)))
        for name in ("neighbour", "far"):
            times = [row["t"] for row in rows(inbox) if (row["machine"], row["point"]) == (name, "p0")]
            seconds = [_seconds(t) for t in times]
            steps = [b - a for a, b in pairwise(seconds)]
            assert max(steps) < 0.99, f"{name} lost a scan"


@pytest.mark.timeout(90)
async def test_a_change_of_the_uplink_under_load_loses_not_one_record(tmp_path: Path) -> None:
    """Counted from the machine: every scan has as many readings at the broker as the machine has points."""
    async with mosquitto(keep=True) as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        with gateway(tmp_path, site(press("press-1", server.port), broker.url), SHARE_ALL) as running:
            await running.start()
            for n, batch in enumerate(("200ms", "300ms", "400ms", "500ms")):
                seen = len(rows(inbox))
                await until(lambda seen=seen: len(rows(inbox)) > seen + 100)
                running.site.write_text(site(press("press-1", server.port), broker.url, batch=batch))
                answer = await asyncio.to_thread(running.apply)
                assert answer["kept"] == ["press-1"], n
                assert answer["recipients"] == ["uplink cooperative: connected anew"]
            scans = running.machine("press-1")["scans"]
            await until(lambda: running.machine("press-1")["scans"] > scans + 5)
            scans = running.machine("press-1")["scans"]
            running.stop()
        await until(lambda: check_complete(rows(inbox)) >= 10 * scans, 20, "every reading of every scan arrives")


def _seconds(t: str) -> float:
    hours, minutes, seconds = re.fullmatch(r".*T(\d+):(\d+):([\d.]+)Z", t).groups()  # type: ignore[union-attr]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


async def test_a_broken_configuration_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async with modbus_tcp() as server:
        with gateway(tmp_path, site(press("press-1", server.port))) as running:
            await running.start()
            await until(lambda: running.machine("press-1")["scans"] > 3)
            running.site.write_text(site(press("press-1", server.port)).replace("uint16", "uint61"))
            answer = await asyncio.to_thread(running.apply)
            assert "site.yaml:" in answer["problems"]
            assert "did you mean 'uint64'" in answer["problems"]
            scans = running.machine("press-1")["scans"]
            await until(lambda: running.machine("press-1")["scans"] > scans + 3)


@pytest.mark.timeout(90)
async def test_what_is_not_released_is_nowhere_in_the_bytes_at_the_broker(tmp_path: Path) -> None:
    """Canaries: a machine, a point, a unit and values that the contract does not name."""
    async with mosquitto(keep=True) as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        machines = (
            f"  - name: press-1\n    connect: modbus-tcp://127.0.0.1:{server.port}?unit=1\n    every: 100ms\n    points:\n"
            "      released: {at: holding 1, type: uint16, report: always}\n"
            "      canary-point: {at: holding 2, type: uint16, scale: 0, offset: 271828.5, unit: canary-unit, report: always,"
            " limits: {high: 1}}\n"
            f"  - name: canary-machine\n    connect: modbus-tcp://127.0.0.1:{server.port}?unit=1\n    every: 100ms\n    points:\n"
            "      released: {at: holding 3, type: uint16, scale: 0.001, offset: 314159.5, report: always}\n"
        ).replace("scale: 0, offset", "scale: 0.001, offset")
        share = "shares:\n  - {to: cooperative, machines: [press-1], points: [released]}\n"
        with gateway(tmp_path, site(machines, broker.url, batch="200ms"), share) as running:
            await running.start()
            await until(lambda: len(rows(inbox)) > 50)
            assert running.machine("canary-machine")["scans"] > 10, "it is measured, and stays here"
            everything = b"".join(topic.encode() + payload for topic, payload in inbox.messages)
            stored = b"".join(path.read_bytes() for path in (tmp_path / "var" / "outbox").rglob("*") if path.is_file())
            for canary in (b"canary", b"271828", b"314159"):
                assert canary not in everything
                assert canary not in stored
            assert {(row["machine"], row["point"]) for row in rows(inbox)} == {("press-1", "released")}
            await broker.stop(signal.SIGTERM)
            scans = running.machine("press-1")["scans"]
            await until(lambda: running.machine("press-1")["scans"] > scans + 20)
            (tmp_path / "share.yaml").unlink()
            await asyncio.to_thread(running.apply)
            seen = len(rows(inbox))
            await broker.start()
            await until_drained(running)
            await until(lambda: any(row["kind"] == "tombstone" for row in rows(inbox)))
            assert {row["kind"] for row in rows(inbox)[seen:]} == {"tombstone"}, "what waited is withdrawn, too, and told as a loss"
            seen = len(rows(inbox))
            scans = running.machine("press-1")["scans"]
            await until(lambda: running.machine("press-1")["scans"] > scans + 20)
            assert len(rows(inbox)) == seen, "without share.yaml nothing leaves"


async def test_without_uplink_and_share_the_gateway_works_and_opens_no_port(tmp_path: Path) -> None:
    async with modbus_tcp() as server:
        with gateway(tmp_path, site(press("press-1", server.port))) as running:
            await running.start()
            await until(lambda: running.machine("press-1")["latest"].get("p3", {}).get("quality") == "good")
            assert running.status()["recipients"] == {}
            assert not listening(running.pid)
            assert running.stop() == 0


async def test_a_limit_that_is_crossed_goes_out_at_once(tmp_path: Path) -> None:
    async with mosquitto() as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        machines = (
            f"  - name: press-1\n    connect: modbus-tcp://127.0.0.1:{server.port}?unit=1\n    every: 100ms\n    points:\n"
            "      hot: {at: holding 7, type: uint16, offset: 1000, limits: {high: 100}}\n"
        )
        with gateway(tmp_path, site(machines, broker.url, batch="1h"), SHARE_ALL) as running:
            await running.start()
            await until(lambda: any(row["kind"] == "event" for row in rows(inbox)), 10, "the event does not wait for the batch")
            event = next(row for row in rows(inbox) if row["kind"] == "event")
            assert (event["machine"], event["point"], event["severity"], event["before"], event["after"]) == (
                "press-1",
                "hot",
                "alarm",
                "normal",
                "high",
            )


async def test_no_secret_is_ever_printed(tmp_path: Path) -> None:
    password = "hunter2-correct-horse"
    async with mosquitto(users={"muster": "another"}) as broker, modbus_tcp() as server:
        machines = press("press-1", server.port)
        uplink = f"uplink: {{broker: ['{broker.url}'], credentials: {{secret: mqtt}}, batch: 200ms}}\n"
        text = f"site: muster\ngateway: hall-1\nmachines:\n{machines}{uplink}"
        with gateway(tmp_path, text, SHARE_ALL, env={"GATEWAY_SECRET_MQTT": password}) as running:
            await running.start()
            await until(lambda: running.status()["recipients"]["cooperative"]["uplink"]["last_error"])
            status = running.status()
            assert "the broker refuses user 'muster'" in status["recipients"]["cooperative"]["uplink"]["last_error"]
            assert password not in str(status)
            running.apply(tmp_path / f"{password}.yaml")  # so that a line of the log has it on its way: the name of no file
            (rejected,) = running.events("configuration_rejected")
            assert rejected["path"] == str(tmp_path / "***.yaml")
            assert running.stop() == 0
            assert password not in running.log_text()
            files = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
            assert not any(password.encode() in path.read_bytes() for path in files)


async def test_a_second_gateway_on_the_same_data_folder_is_refused(tmp_path: Path) -> None:
    async with modbus_tcp() as server:
        with gateway(tmp_path, site(press("press-1", server.port))) as first:
            await first.start()
            second = RunningGateway(first.site, first.data)
            second.log_path = tmp_path / "second.log"
            await second.start(ready=False)
            assert second.process is not None
            assert await asyncio.to_thread(second.process.wait, 20) == 2
            assert "another gateway already runs" in second.log_text()
            assert first.answers()


async def test_a_missing_serial_port_names_the_port_the_group_and_the_command(tmp_path: Path) -> None:
    machines = (
        "  - name: meter-1\n    connect: modbus-rtu:///dev/ttyUSB77?baud=19200&parity=E\n    unit: 7\n"
        "    points:\n      power: {at: holding 1, type: float32}\n"
    )
    with gateway(tmp_path, site(machines)) as running:
        await running.start()
        await until(lambda: running.machine("meter-1")["state"] == "bad")
        words = running.machine("meter-1")["error"] + running.machine("meter-1")["hint"]
        for part in ("/dev/ttyUSB77", "dialout", "usermod -aG dialout"):
            assert part in words
