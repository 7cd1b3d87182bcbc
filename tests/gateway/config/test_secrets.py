from pathlib import Path

import pytest

from gateway import redaction
from gateway.config import secrets
from gateway.config.secrets import Secret, SecretMissing, environment_name, read_secret


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("GATEWAY_SECRET_MQTT", raising=False)
    monkeypatch.setattr(secrets, "SYSTEM_FOLDER", tmp_path / "etc")
    monkeypatch.setattr(redaction, "_secrets", type(redaction._secrets)())


@pytest.fixture
def put(tmp_path):
    def write(folder, value, mode=0o600):
        path = tmp_path / folder / "mqtt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value.encode() if isinstance(value, str) else value)
        path.chmod(mode)
        return path

    return write


def test_the_places_in_their_order(put, tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_SECRET_MQTT", "from-environment")
    assert read_secret("mqtt", tmp_path) == "from-environment"
    put("etc", "from-system")
    assert read_secret("mqtt", tmp_path) == "from-system"
    put("secrets", "from-site")
    assert read_secret("mqtt", tmp_path) == "from-site"
    put("credentials", "from-systemd", 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert read_secret("mqtt", tmp_path) == "from-systemd"


@pytest.mark.parametrize(
    ("written", "value"), [("a\n", "a"), ("a\n\n", "a\n"), ("a\r\n", "a"), (" a ", " a "), ("ä", "ä"), ("a", "a")]
)
def test_one_line_break_at_the_end_is_not_part_of_it(put, tmp_path, written, value):
    put("secrets", written)
    assert read_secret("mqtt", tmp_path) == value


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o620])
def test_a_file_that_others_may_read_is_refused_with_the_cure(put, tmp_path, mode):
    path = put("secrets", "canary", mode)
    with pytest.raises(SecretMissing) as caught:
        read_secret("mqtt", tmp_path)
    assert f"run: chmod 600 {path}" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_missing_secret_names_every_place_and_the_cure(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    with pytest.raises(SecretMissing) as caught:
        read_secret("mqtt", tmp_path)
    words = str(caught.value)
    for place in ("credentials/mqtt", "secrets/mqtt", "etc/mqtt", "$GATEWAY_SECRET_MQTT", f"chmod 600 {tmp_path}/secrets/mqtt"):
        assert place in words


@pytest.mark.parametrize("folder", ["credentials", "secrets", "etc"])
def test_a_folder_in_place_of_the_file_is_told(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    (tmp_path / folder / "mqtt").mkdir(parents=True)
    with pytest.raises(SecretMissing) as caught:
        read_secret("mqtt", tmp_path)
    assert caught.value.message == f"secret 'mqtt': {tmp_path}/{folder}/mqtt is a folder"
    assert caught.value.hint == "put a file there that holds the value and nothing else"


def test_a_folder_this_user_may_not_look_into_does_not_hide_the_places_after_it(tmp_path, monkeypatch):
    stat = Path.stat

    def refuse(path, **options):
        if path.is_relative_to(tmp_path / "etc"):
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(SecretMissing, match=r"etc/mqtt \(this user may not look there\)"):
        read_secret("mqtt", tmp_path)
    monkeypatch.setenv("GATEWAY_SECRET_MQTT", "from-environment")
    assert read_secret("mqtt", tmp_path) == "from-environment"


@pytest.mark.parametrize("value", ["", "\n", b"\xff\xfe", b"x" * 70_000])
def test_an_empty_or_odd_secret_is_refused(put, tmp_path, value):
    put("secrets", value)
    with pytest.raises(SecretMissing):
        read_secret("mqtt", tmp_path)


@pytest.mark.parametrize("name", ["../mqtt", "/etc/passwd", "", "a b", ".hidden", "a/b"])
def test_a_name_that_is_none_reaches_no_file(name, tmp_path):
    with pytest.raises(SecretMissing):
        read_secret(name, tmp_path)


def test_a_secret_is_masked_in_logs_and_in_its_repr(put, tmp_path):
    put("secrets", "canary-7f")
    value = read_secret("mqtt", tmp_path)
    assert value == "canary-7f"
    assert repr([value]) == "[***]"
    assert isinstance(value, Secret)
    assert redaction.redacted("broker said canary-7f") == "broker said ***"


def test_the_environment_variable_of_a_name():
    assert environment_name("customer-key.v2") == "GATEWAY_SECRET_CUSTOMER_KEY_V2"
