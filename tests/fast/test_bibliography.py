"""The bibliography is read whole, and damage in it is seen."""

import pytest

from lvebm_theory.bibliography import bibliography, cite, parse_bibtex
from lvebm_theory.errors import ArgumentError
from lvebm_theory.theorem import Reference

ENTRY = "@article{someone-2000,\n  author = {Some, One},\n  title = {T},\n  year = {2000}\n}\n"


def test_every_entry_can_be_shown():
    for entry in bibliography().values():
        assert entry.fields["year"] in entry.short
        assert entry.fields["title"] in entry.full
        assert not set("{}\\") & set(entry.full), entry.key


def test_accents_become_unicode():
    assert "Savaré" in bibliography()["ambrosio-gigli-savare-2008"].full


def test_a_citation_names_authors_year_place_and_erratum():
    reference = Reference(key="otto-villani-2000", place="Theorem 1", erratum="a sign")
    assert cite(reference) == "Otto and Villani (2000), Theorem 1 (erratum: a sign)"
    with pytest.raises(ArgumentError, match="nobody-1900"):
        cite(Reference(key="nobody-1900", place="Theorem 1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY + ENTRY, "twice"),
        (ENTRY.replace("  year = {2000}\n", ""), "lacks year"),
        (ENTRY.replace("{T}", "{T"), "not understood"),
        (ENTRY.replace("{T}", "{T{}"), "unbalanced"),
        (ENTRY[:-2], "ends inside"),
        ("nonsense\n", "not understood"),
    ],
)
def test_damage_is_an_error(text, message):
    with pytest.raises(ArgumentError, match=message):
        parse_bibtex(text)
