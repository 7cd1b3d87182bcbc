"""The gateway against many devices on Debian's libmodbus (C) whose values change: peer tests/peers/modbus_load.c."""

from tests.integration.running import gateway
from tests.peers.modbus_load import load
from tests.waiting import until

PROFILE = "name: Load\nsource: tests/peers/modbus_load.c\npoints:\n"


async def test_devices_of_one_profile_are_read_in_few_requests_and_their_changes_are_seen(tmp_path):
    points = "".join(f"  p{wire}: {{at: holding wire {wire}}}\n" for wire in range(300))
    (tmp_path / "profiles" / "bench").mkdir(parents=True)
    (tmp_path / "profiles" / "bench" / "load.yaml").write_text(PROFILE + points)
    with load(4, 300, 50) as devices:
        machines = "".join(
            f"  - {{name: m{n}, connect: 'modbus-tcp://127.0.0.1:{port}', every: 200ms, profile: bench/load}}\n"
            for n, port in enumerate(devices.ports)
        )
        site = f"site: bench\ngateway: g\nmachines:\n{machines}"
        with gateway(tmp_path, site) as running:
            await running.start()
            (started,) = running.events("gateway_started")
            assert started["loop"] == running.status()["loop"]
            await until(lambda: all(m["scans"] >= 5 for m in running.status()["machines"].values()), 20, "every machine is read")
            machine = running.machine("m3")
            assert machine["line"]["requests"] <= 3 * (machine["scans"] + 1), "300 registers are three requests"
            first = {name: latest["value"] for name, latest in machine["latest"].items()}
            assert len(first) == 300
            assert not any("latest" in m for m in running.status(["m9"])["machines"].values()), "only what is asked for is made"
            await until(
                lambda: any(latest["value"] != first[name] for name, latest in running.machine("m3")["latest"].items()),
                20,
                "a change is seen",
            )
