"""findings.json: its schema holds for real runs, refuses what is wrong, and is documented."""

import copy
import json
import re
from pathlib import Path

import pytest

from verification.finding import Finding

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "verification" / "findings.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

TOP = ["digest", "schema", "version", "seed", "budget", "alpha", "energy", "constants", "findings"]
KEYS = [
    *("claim", "setting", "time", "quantity", "relation", "measured", "statistical"),
    *("numerical", "confidence", "bound", "resolution", "slack", "verdict", "control"),
    *("sensitivity", "witness", "seconds", "provenance"),
]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["required"] == TOP
    assert SCHEMA["$defs"]["finding"]["required"] == KEYS


@pytest.mark.parametrize("run", ["everything", "agreeing"])
def test_a_run_keeps_to_the_schema(run, request):
    content = request.getfixturevalue(run).content
    VALIDATOR.validate(content)
    assert list(content) == TOP
    assert all(list(row) == KEYS for row in content["findings"])
    for row in content["findings"]:
        assert Finding.from_json(row).to_json() == row


@pytest.mark.parametrize("key", TOP)
def test_no_key_may_be_missing(agreeing, key):
    content = agreeing.content
    del content[key]
    assert not VALIDATOR.is_valid(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict", "PASSED"),
        ("verdict", "SOLVER_FAILED"),  # then nothing may have been compared
        ("measured", None),
        ("statistical", -1e-9),
        ("confidence", 0.0),
        ("relation", "LESS"),
        ("witness", "guess"),
        ("sensitivity", 0.02),
        ("time", "1.0"),
        ("claim", "KL decay"),
        ("extra", 1),
    ],
)
def test_a_wrong_finding_is_refused(agreeing, key, value):
    content = copy.deepcopy(agreeing.content)
    content["findings"][0][key] = value
    assert not VALIDATOR.is_valid(content)


def test_constants_have_known_names_and_bounds(agreeing):
    row = {"value": 1.0, "lower": 0.9, "upper": None, "how": "COMPUTED", "source": "a test"}
    content = agreeing.content
    content["constants"] = {"gap": row}
    VALIDATOR.validate(content)
    for wrong in ({"gaps": row}, {"gap": {**row, "how": "GUESSED"}}, {"gap": {"value": 1.0}}):
        content["constants"] = wrong
        assert not VALIDATOR.is_valid(content)


def test_every_key_is_documented():
    text = (ROOT / "docs" / "findings.md").read_text()
    coded = set(re.findall(r"`([a-z_]+)`", text))
    provenance = SCHEMA["$defs"]["provenance"]["properties"]
    constants = SCHEMA["$defs"]["constants"]["properties"]
    missing = {*TOP, *KEYS, *provenance, *constants} - coded
    assert not missing


def test_provenance_has_no_undocumented_keys(everything, agreeing):
    known = set(SCHEMA["$defs"]["provenance"]["properties"])
    for finding in [*everything.findings, *agreeing.findings]:
        assert set(finding.provenance) <= known
