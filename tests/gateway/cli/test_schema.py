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


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("sites", "there is no schema 'sites', did you mean 'site'?"),
        ("machine", "there is no schema 'machine'; known: site, share, profile"),
    ],
)
def test_a_schema_that_is_not_there_is_told_in_words(kind, words, capsys):
    assert main(["schema", kind]) == 2
    assert capsys.readouterr().err == f"gateway schema: {words}\n"


def test_the_name_of_the_file_is_good_too(capsys):
    assert main(["schema", "share.yaml"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema("share")))
