"""``import lvebm_theory`` stays cheap and loads none of the heavy packages."""

import subprocess
import sys

SCRIPT = """
import sys, time
import numpy, scipy
begun = time.process_time()
import lvebm_theory
spent = time.process_time() - begun
heavy = {"torch", "numba", "sympy", "matplotlib", "flint", "ot", "xarray"}
print(spent, *sorted(heavy & set(sys.modules)))
from lvebm_theory import Theorem, InitialLaw, energy, joint_energy, catalogue, load_energy
from lvebm_theory import formula
@energy(dim=1, a=1.0)
def mine(x, a):
    return a * formula.cos(x[0])
mine(a=2.0).parameter_vector()
print(0, *sorted(heavy & set(sys.modules)))
"""


def test_importing_the_theory_is_cheap():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    at_import, after_use = (line.split() for line in done.stdout.splitlines())
    assert at_import[1:] == []
    assert after_use[1:] == []  # defining an energy traces nothing
    assert float(at_import[0]) < 0.25
