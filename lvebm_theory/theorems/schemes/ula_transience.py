r"""ULA has no stationary law where the gradient grows faster than linearly.

    |grad U(x)| / |x| -> infinity  =>  for every h > 0 the chain is transient, and an ensemble of
    particles leaves every bounded set in finite time with positive probability per particle.

Derivation. Outside |x| > r_h, where h |grad U(x)| >= 3|x|, the drift overshoots:
|x - h grad U(x)| >= 2|x|, and the noise cannot bring a doubling sequence back except with summable
probability. The noise reaches that region from anywhere with positive probability, so some
particle of a large ensemble diverges. A solver must notice, stop, and hand back its last finite
state.
"""

from ...theorem import Assumption, Reference, Relation, Theorem

theorem = Theorem(
    name="ula-transience",
    title="ULA diverges on superlinear gradients, and the solver says so",
    statement=(
        r"\frac{|\nabla U(x)|}{|x|}\to\infty\ \Rightarrow\ "
        r"\mathbb P\bigl(|X_k|\to\infty\bigr)>0\quad\text{for ULA at every }h>0"
    ),
    reference=Reference(
        key="roberts-tweedie-1996", place="section 3.2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(
        Assumption(
            text="grad U grows faster than linearly",
            holds=lambda q: q["smoothness"].lower == float("inf"),
        ),
    ),
    formula=lambda **_: 1.0,
)
