"""The systemd unit: accepted by systemd, hardened, and our code really lives within its system call filter."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import sandbox

FOLDER = Path(__file__).parents[1] / "systemd"
UNIT = FOLDER / "retrofit-gateway.service"
ROOT = FOLDER.parent


@pytest.fixture(scope="module", autouse=True)
def _systemd_analyze():
    assert shutil.which("systemd-analyze"), "systemd-analyze is missing: apt-get install systemd (make test does)"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True, text=True, check=False)


def setting(key: str) -> str | None:
    return dict(sandbox.settings(UNIT)).get(key)


@pytest.fixture(params=["", "chrony.conf", "iio.conf", "alsa.conf"])
def installed(request, tmp_path):
    """The unit as it lies on a machine: its program is there, with and without each drop-in."""
    text = UNIT.read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
    stand_in = shutil.which("true")
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace(f"ExecStart={program}", f"ExecStart={stand_in}"))
    if request.param:
        (tmp_path / f"{UNIT.name}.d").mkdir()
        shutil.copy(FOLDER / request.param, tmp_path / f"{UNIT.name}.d")
    return unit


def test_systemd_accepts_the_unit_without_a_word(installed):
    result = analyze("verify", "--man=no", installed)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_verify_bites(installed):
    installed.write_text(installed.read_text().replace("WatchdogSec=30s", "WatchdogSec=soon\nWachdogSec=30s"))
    assert "WachdogSec" in analyze("verify", "--man=no", installed).stderr


def test_the_unit_is_rated_ok_with_room_to_spare():
    result = analyze("security", "--offline=yes", "--threshold=13", UNIT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("drop_in", ["iio.conf", "alsa.conf"])
def test_a_drop_in_for_sensors_keeps_the_rating(tmp_path, drop_in):
    together = tmp_path / UNIT.name
    together.write_text(UNIT.read_text().replace("[Install]", (FOLDER / drop_in).read_text() + "\n[Install]"))
    result = analyze("security", "--offline=yes", "--threshold=13", together)
    assert result.returncode == 0, result.stdout


def test_the_rating_bites(tmp_path):
    weak = tmp_path / UNIT.name
    weak.write_text(UNIT.read_text().replace("PrivateUsers=yes\n", ""))
    assert analyze("security", "--offline=yes", "--threshold=13", weak).returncode != 0


def test_no_address_filter_shuts_out_a_broker():
    keys = {key for key, _ in sandbox.settings(UNIT)}
    assert not keys & {"IPAddressDeny", "IPAddressAllow", "PrivateNetwork", "RestrictNetworkInterfaces"}
    assert {"AF_INET", "AF_INET6", "AF_UNIX"} <= set(setting("RestrictAddressFamilies").split())


def test_it_starts_what_the_readme_installs_and_never_gives_up():
    assert setting("ExecStart") == "/opt/retrofit-gateway/bin/gateway run /etc/retrofit-gateway/site.yaml"
    assert setting("Type") == "notify"
    assert setting("WatchdogSec") == "30s"
    assert (setting("Restart"), setting("StartLimitIntervalSec")) == ("always", "0")
    assert setting("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert (setting("DynamicUser"), setting("StateDirectory"), setting("ConfigurationDirectory")) == (
        "yes",
        "retrofit-gateway",
        "retrofit-gateway",
    )


def test_it_needs_no_group_that_only_some_systems_have():
    """A group that does not exist keeps the whole service from starting; dialout is there on every Debian."""
    assert setting("Group") == "dialout"
    assert setting("SupplementaryGroups") is None
    assert 'GROUP="dialout"' in (FOLDER / "70-retrofit-gateway.rules").read_text()


def test_the_rule_lets_the_group_write_what_root_may_write_of_a_sensor(tmp_path):
    line = next(line for line in (FOLDER / "70-retrofit-gateway.rules").read_text().splitlines() if "RUN+=" in line)
    command = (
        re.search(r'RUN\+="([^"]*)"', line)[1].replace("/sys%p", str(tmp_path / "device")).replace("dialout", str(os.getgid()))
    )
    (tmp_path / "device/scan_elements").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    files = {"sampling_frequency": 0o644, "scan_elements/in_accel_x_en": 0o644, "name": 0o444}
    for file in [elsewhere, *(tmp_path / "device" / name for name in files)]:
        file.touch()
        file.chmod(files.get(str(file.relative_to(tmp_path / "device")) if file != elsewhere else "", 0o644))
    (tmp_path / "device/subsystem").symlink_to(elsewhere)
    subprocess.run(command.split(), check=True)
    modes = {name: oct((tmp_path / "device" / name).stat().st_mode & 0o777) for name in files}
    assert modes == {"sampling_frequency": "0o664", "scan_elements/in_accel_x_en": "0o664", "name": "0o444"}
    assert oct(elsewhere.stat().st_mode & 0o777) == "0o644"


@pytest.mark.parametrize("device", ["ttyUSB", "ttyACM", "ttyAMA", "ttyS", "i2c", "spi", "iio"])
def test_serial_ports_and_sensors_are_allowed_by_kind_so_that_hot_plug_works(device):
    assert ("DeviceAllow", f"char-{device} rw") in sandbox.settings(UNIT)


def test_only_known_keys_are_set_so_that_debian_12_warns_of_nothing():
    """Keys that came after systemd 252 are ignored there with a warning; a guard that works on a newer systemd, too."""
    newer = {
        "RestartSteps",
        "RestartMaxDelaySec",
        "ImportCredential",
        "MemoryKSM",
        "RootEphemeral",
        "PrivatePIDs",
        "ProtectControlGroupsEx",
    }
    assert not newer & {key for key, _ in sandbox.settings(UNIT)}
    assert setting("Type") != "notify-reload"


def run_in_sandbox(*command: str, unit: Path = UNIT) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tests.sandbox", str(unit), *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_the_sandbox_is_one():
    code = """
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
def refused(code): return code == -1 and ctypes.get_errno() == 1
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    print("no code at run time")
print(refused(libc.ptrace(0, 0, 0, 0)), refused(libc.chroot(b'/')), refused(libc.adjtimex(ctypes.create_string_buffer(512))))
"""
    result = run_in_sandbox(sys.executable, "-c", code)
    assert result.stdout.split("\n")[:2] == ["no code at run time", "True True True"], result.stderr


def test_every_library_and_kernel_works_within_the_filter():
    code = """
import asyncio, ctypes, importlib, pkgutil, sqlite3, ssl
import aiomqtt, asyncua, msgspec, pymodbus.client, serial, structlog, yaml
import cython_ext
for module in pkgutil.iter_modules(cython_ext.__path__):
    importlib.import_module("cython_ext." + module.name)
from gateway.clock import Clock
store = sqlite3.connect(":memory:"); store.execute("create table t(x)")
ssl.create_default_context()
Clock().stamp()
async def main():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    await asyncio.open_connection(*server.sockets[0].getsockname())
    await asyncio.to_thread(int)
    server.close()
asyncio.run(main())
print("works")
"""
    result = run_in_sandbox(sys.executable, "-W", "ignore", "-c", code)
    assert result.stdout == "works\n", result.stderr


def test_a_sound_card_is_recorded_within_the_filter():
    command = ["arecord", "-q", "-D", "null", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "8000", "-d", "1"]
    result = run_in_sandbox("sh", "-c", f"{' '.join(command)} | wc -c")
    assert result.stdout == "16000\n", result.stderr


@pytest.mark.parametrize(("age_s", "quality"), [(10.0, "synced"), (40_000.0, "uncertain"), (None, "uncertain")])
def test_the_clock_is_judged_by_timesyncd_where_the_kernel_may_not_be_asked(tmp_path, age_s, quality):
    said = tmp_path / "synchronized"
    if age_s is not None:
        said.touch()
        moment = said.stat().st_mtime - age_s
        os.utime(said, (moment, moment))
    code = (
        f"import gateway.clock as c, pathlib; c._TIMESYNCD_SAYS = pathlib.Path({str(said)!r}); print(c.kernel_time_quality().value)"
    )
    result = run_in_sandbox(sys.executable, "-c", code)
    assert result.stdout == f"{quality}\n", result.stderr


def test_the_drop_in_for_chrony_lets_the_kernel_be_asked_and_no_more():
    alone = sandbox.allowed_calls(sandbox.settings(UNIT))
    together = sandbox.allowed_calls([*sandbox.settings(UNIT), *sandbox.settings(FOLDER / "chrony.conf")])
    assert together - alone == {"adjtimex", "clock_adjtime"}
