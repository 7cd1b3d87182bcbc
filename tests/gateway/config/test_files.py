import importlib.util

import pytest

SITE = """site: s
gateway: g
machines:
  - {name: spindle, connect: "replay:bearing.wav?unit=g", vibration: {}}
  - {name: spare, connect: "replay:bearing.wav?unit=g&speed=fast", vibration: {}}
  - name: lathe
    connect: opc.tcp://10.0.0.30
    security: Basic256Sha256
    certificate: pki/gateway.pem
    key_file: pki/gateway.key
    points: {a: {node: "i=2258"}}
uplinks:
  hub:
    broker: [mqtts://hub]
    tls: {ca: ca.pem}
"""
FILES = ("bearing.wav", "pki/gateway.pem", "pki/gateway.key", "ca.pem")


def test_files_that_are_not_there_are_warnings_at_their_place_once_each(site):
    checked = site(SITE)
    assert checked.config is not None
    assert [(problem.level, problem.line, problem.message.split(" on this computer; ")[0]) for problem in checked.problems] == [
        ("warning", 4, "the recording 'bearing.wav' does not exist"),
        ("warning", 7, "the certificate 'pki/gateway.pem' does not exist"),
        ("warning", 7, "the private key 'pki/gateway.key' does not exist"),
        ("warning", 15, "the certificate authority 'ca.pem' does not exist"),
    ]
    assert all("; " in problem.message for problem in checked.problems)


def test_files_that_are_there_say_nothing(site, tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert site(SITE).problems == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "the recording 'bearing.wav' is a folder on this computer; name the file in it"),
        (lambda path: path.with_name("bearings.wav").touch(), "did you mean 'bearings.wav'? Else copy it there"),
        (lambda path: path.symlink_to("gone.wav"), "does not exist (a link that leads nowhere)"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(site, tmp_path, make, message):
    make(tmp_path / "bearing.wav")
    assert message in site(SITE).problems[0].message


COMPRESSED = "site: s\ngateway: g\nuplink:\n  broker: [mqtts://hub]\n  compress: zstd\n"


def test_a_library_that_is_not_there_is_a_warning_with_what_to_install(site, monkeypatch):
    assert site(COMPRESSED).problems == ()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (problem,) = site(COMPRESSED).problems
    assert (problem.level, problem.line) == ("warning", 5)
    assert "'compress: zstd' needs the package 'zstandard'" in problem.message
    assert "pip install 'retrofit-gateway[zstd]'" in problem.message
