"""Rules of the house, checked by walking the packages: nothing here lists a theorem or a claim."""

import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lvebm_theory.bibliography import bibliography
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems import all_theorems
from verification.claim import Claim

ROOT = Path(__file__).parents[2]
PACKAGES = ("lvebm_theory", "solvers", "verification")


def walk(package):
    module = importlib.import_module(package)
    yield package
    for found in pkgutil.walk_packages(module.__path__, prefix=package + "."):
        yield found.name


def claims():
    found = {}
    for name in walk("verification.claims"):
        claim = getattr(importlib.import_module(name), "claim", None)
        if isinstance(claim, Claim):
            assert claim.name not in found, f"two claims are called {claim.name}"
            found[claim.name] = claim
    return found


THEOREMS = all_theorems()
CLAIMS = claims()
KEBAB = r"[a-z0-9]+(-[a-z0-9]+)*"

theorems = pytest.mark.parametrize("theorem", THEOREMS.values(), ids=THEOREMS.keys())
each_claim = pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())


@theorems
def test_a_theorem_names_what_proves_it(theorem):
    assert re.fullmatch(KEBAB, theorem.name)
    assert theorem.title
    assert theorem.statement
    assert "$" not in theorem.statement
    assert theorem.reference.key in bibliography()
    assert theorem.reference.place
    assert set(theorem.inspired_by) <= bibliography().keys()
    # the main paper's own theorems could not be read: it inspires, it does not prove
    assert theorem.reference.key != "tang-2025"


@theorems
def test_a_theorem_that_was_derived_carries_its_derivation(theorem):
    if "derived" in theorem.reference.place or "derivation" in theorem.reference.place:
        homes = [
            module
            for name in walk("lvebm_theory.theorems")
            if theorem in vars(module := importlib.import_module(name)).values()
        ]
        words = ("derivation", "equality", "closed form", "order two")
        texts = [(module.__doc__ or "").lower() for module in homes]
        assert any(word in text for word in words for text in texts)


def test_every_statement_is_laid_out_as_mathematics():
    latex2mathml = pytest.importorskip("latex2mathml.converter")
    for theorem in THEOREMS.values():
        assert latex2mathml.convert(theorem.statement).startswith("<math")


@theorems
def test_a_theorem_has_a_claim_or_a_reason(theorem):
    claimed = {t.name for claim in CLAIMS.values() for t in claim.theorems}
    assert (theorem.name in claimed) != bool(theorem.untested)


@each_claim
def test_a_claim_speaks_of_theorems_that_exist(claim):
    assert re.fullmatch(KEBAB, claim.name)
    assert claim.title
    assert claim.theorems
    for theorem in claim.theorems:
        assert THEOREMS[theorem.name] is theorem


@each_claim
def test_a_claim_has_two_controls_and_plans_each_of_them(claim):
    assert len(claim.controls) >= 2
    assert all(sentence.strip() for sentence in claim.controls.values())
    planned = {
        case.control
        for setting in claim.settings()
        for case in claim.cases(setting, "numba")
        if case.control is not None
    }
    assert planned == set(claim.controls)


@each_claim
def test_settings_and_cases_are_unique_cheap_and_deterministic(claim):
    settings = claim.settings()
    names = [setting.name for setting in settings]
    assert len(set(names)) == len(names) > 0
    for setting in settings:
        assert list(setting.times) == sorted(set(setting.times))
        for backend in ("numba", "torch"):
            cases = list(claim.cases(setting, backend))
            assert len(set(cases)) == len(cases)
            assert cases == list(claim.cases(setting, backend))
            if not setting.with_controls:
                assert all(case.control is None for case in cases)
        assert any(case.control is None for case in cases)


@each_claim
def test_a_claim_with_an_equality_theorem_plans_it(claim):
    planned = {
        case.relation
        for setting in claim.settings()
        for case in claim.cases(setting, "numba")
        if case.control is None
    }
    for theorem in claim.theorems:
        sharp = theorem.relation in (Relation.EQUAL, Relation.RATE)
        assert not sharp or planned & {Relation.EQUAL, Relation.RATE}
    assert claim.theorems[0].relation in planned


@each_claim
def test_a_users_energy_is_planned_at_the_times_asked(claim):
    from lvebm_theory.errors import AssumptionError

    if claim.adapt is None:
        return
    parse = pytest.importorskip("lvebm_theory.parse")
    energy = parse.parse_potential("x**4/4 - x**2 + 0.3*x")
    try:
        setting = claim.adapt(energy, InitialLaw.normal(1.2, 0.25), (0.05, 0.2, 1.0, 3.0))
    except AssumptionError:
        return
    assert setting.of_user
    cases = claim.cases(setting, "numba")
    assert cases
    assert all(case.control is None for case in cases) or setting.with_controls
    times = {case.time for case in cases} - {None}
    assert times <= {0.05, 0.2, 1.0, 3.0}


def test_listing_claims_loads_no_solver():
    code = (
        "import sys\n"
        "from verification.discovery import claims\n"
        "for claim in claims().values():\n"
        "    for setting in claim.settings():\n"
        "        claim.cases(setting, 'numba')\n"
        "heavy = {'numba', 'torch', 'matplotlib', 'ot', 'xarray'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_every_public_name_has_a_docstring():
    missing = []
    for package in PACKAGES:
        for name in walk(package):
            module = importlib.import_module(name)
            missing += [name] if not (module.__doc__ or "").strip() else []
            for label, value in vars(module).items():
                if label.startswith("_") or not (
                    inspect.isclass(value) or inspect.isfunction(value)
                ):
                    continue
                if getattr(value, "__module__", None) != name:
                    continue
                if not (value.__doc__ or "").strip():
                    missing.append(f"{name}.{label}")
                missing += _without_docstring(f"{name}.{label}", value)
    assert not missing, "\n".join(missing)


def _without_docstring(label, value):
    if not inspect.isclass(value):
        return []
    return [
        f"{label}.{name}"
        for name, member in vars(value).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, property))
        and not (member.__doc__ or "").strip()
    ]


def test_imports_flow_one_way():
    lint = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if lint is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
