import json

import pytest

from gateway.cli import main
from gateway.config.schema import schema


@pytest.mark.parametrize(("arguments", "kind"), [([], "site"), (["site"], "site"), (["share"], "share"), (["profile"], "profile")])
def test_it_prints_the_schema(arguments, kind, capsys):
    assert main(["schema", *arguments]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads(json.dumps(schema(kind)))
    assert out.count("\n") > 10
    assert main(["schema", *arguments, "--json"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
