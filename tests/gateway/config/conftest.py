import pytest

from gateway.config.check import check


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Write a site file (and others by name) and return what the check says about it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").touch()  # a recording that sites may name

    def run(text, **others):
        for name, content in {"site": text, **others}.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return check("site.yaml")

    return run


@pytest.fixture
def heads(site):
    """Return the findings as lines `file:line:col: message`."""
    return lambda text, **others: [problem.head for problem in site(text, **others).problems]
