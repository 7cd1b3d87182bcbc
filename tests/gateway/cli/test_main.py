import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__, cli
from gateway.cli import VERBS, main

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_module_and_the_help_says_what_it_says(verb):
    module = importlib.import_module(f"gateway.cli.{verb}")
    assert VERBS[verb] == module.SUMMARY
    assert callable(module.add_arguments)
    assert callable(module.run)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_json_and_a_help_with_its_own_name(verb, capsys):
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: gateway {verb}")
    assert "--json" in shown


def test_every_module_of_a_verb_is_listed():
    modules = {path.stem for path in (ROOT / "gateway/cli").glob("*.py") if not path.stem.startswith("_")}
    assert modules <= set(VERBS)


def test_the_help_names_every_verb(capsys):
    for arguments in (["--help"], ["-h"], ["help"]):
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        assert all(f"  {verb}" in shown and summary in shown for verb, summary in VERBS.items())


def test_without_a_verb_it_is_a_usage_error(capsys):
    assert main([]) == 2
    assert "usage: gateway" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version(option, capsys):
    assert main([option]) == 0
    assert capsys.readouterr().out == f"gateway {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "gateway: unknown command 'chek', did you mean 'gateway check'?\n"),
        (["--verison"], "gateway: unknown option '--verison'"),
        (["frobnicate"], "gateway: unknown command 'frobnicate'; known: run, demo, check"),
    ],
)
def test_a_mistyped_verb_is_a_usage_error(arguments, message, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("arguments", [["check"], ["check", "--bogus", "x"]])
def test_wrong_arguments_are_a_usage_error(arguments, capsys):
    assert main(arguments) == 2
    assert f"usage: gateway {arguments[0]}" in capsys.readouterr().err


def test_only_the_module_of_the_verb_is_imported():
    script = (
        "import sys; from gateway.cli import main; main(['schema', 'share'])\n"
        "print(sorted(m for m in sys.modules if m.startswith('gateway.cli.')), 'gateway.app' in sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stderr == "['gateway.cli.schema'] False\n"


def test_it_runs_as_a_module():
    run = subprocess.run([sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout == f"gateway {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["chek"], ["check", "--help"], ["check", "Prüfstand.yaml"]])
def test_a_pipe_without_unicode_is_no_traceback(arguments, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "Traceback" not in run.stderr
    assert run.returncode in {0, 2}
    assert run.stdout or run.stderr


def test_ctrl_c_ends_quietly_with_130():
    script = (
        "import sys, signal; from gateway import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "class Waits: pass\n"
        "Waits.SUMMARY = ''; Waits.add_arguments = staticmethod(lambda parser: None)\n"
        "Waits.run = staticmethod(lambda args: (print('waiting', flush=True), signal.pause()))\n"
        "sys.modules['gateway.cli.status'] = Waits\n"
        "sys.exit(cli.main(['status']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        assert run.stdout.readline() == "waiting\n"
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=20)
    assert (run.returncode, err) == (130, "")


def test_a_reader_that_goes_away_is_no_traceback():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        run = subprocess.run([sys.executable, "-m", "gateway", "schema"], stdout=out, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert (run.returncode, run.stderr) == (141, "")


def test_the_exit_code_of_a_verb_is_that_of_the_program(monkeypatch):
    module = type("Verb", (), {"SUMMARY": "x", "add_arguments": staticmethod(lambda p: None), "run": staticmethod(lambda a: 3)})
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)
    assert main(["status"]) == 3
