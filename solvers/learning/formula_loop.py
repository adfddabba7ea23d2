"""The text of the loop over updates: both phases, g, the step of theta, records; all compiled."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import sympy

from lvebm_theory.formula import printing
from lvebm_theory.formula.generated import load

from ..noise.backends import INLINED, Bits, Real, filler
from ..particles.elementary_module import elementary_functions
from ..particles.inline import header_of
from ..source_text import body_of, decorated, made_once, with_typed_literals
from . import projection_steps
from .formula_kernel import ARGUMENTS, PhaseText, indented
from .update import Stage

if TYPE_CHECKING:
    from lvebm_theory.formula.expression import Formula

#: why a loop stopped
FINE, NOT_FINITE, OUTSIDE_FAMILY, NOT_NORMALISABLE = 0, 1, 2, 3

_MODULE = '''import math

import numpy as np
from numba import njit
from numpy import uint64 as u64

{fills}

{header}
real = np.{real}
{elementary}

{projections}

BLOCK_q, BLOCK_p = {latent_block}, {pool_block}


@njit(cache=True, nogil=True, error_model="numpy")
def normalisable(theta, triangle, factor):
    """Whether the Hessian of a quadratic joint energy is positive definite: Cholesky's pivots."""
    p, g = theta, triangle
{hessian}
    k = 0
    for i in range({dim}):
        for j in range(i, {dim}):
            factor[j, i] = triangle[k]
            k += 1
    for j in range({dim}):
        for k in range(j):
            for i in range(j, {dim}):
                factor[i, j] -= factor[i, k] * factor[j, k]
        if not factor[j, j] > 0.0:
            return False
        root = math.sqrt(factor[j, j])
        for i in range(j, {dim}):
            factor[i, j] /= root
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def settle(theta, learned, positive, index, numbers, triangle, factor):
    """Project theta; the verdict on where it lies."""
    for k in learned:
        if not math.isfinite(theta[k]):
            return {not_finite}
    project_{projection}(theta, index, numbers)
    for k in positive:
        if not theta[k] > 0.0:
            return {outside_family}
    if {judged} and not normalisable(theta, triangle, factor):
        return {not_normalisable}
    return {fine}


@njit(cache=True, nogil=True, error_model="numpy")
def run(
    first, last, stages,
    {latent_arguments},
    {pool_arguments},
    inner, inverse_temperature, theta_real,
    averages, g, theta, rates, tau, gradient_normals,
    learned, positive, index, numbers, triangle, factor,
    every, theta_record, g_record, counted, moment_count, moment_shift, moment_mean, moment_square,
):
    """Updates first to last - 1 in place; (verdict, updates that were good, rows of records).

    Row u - first of ``rates``, ``gradient_normals`` and ``chosen`` belongs to update u; a single
    row of normals serves every update. Theta's moments run over updates from ``counted`` on.

    A single update can be made in pieces: some blocks with no ``stages``, and then all stages
    with no blocks.
    """
{constants}
    records = 0
    batch = chosen_q.shape[0] // max(1, last - first)
    for update in range(first, last):
        normals_from = min(update - first, gradient_normals.shape[0] - 1)
        chosen_from_q = (update - first) * batch
        for i in range({thetas}):
            theta_real[i] = theta[i]
{loads}
        first_step = update * inner
{latent_blocks}
{pool_blocks}
        rate = rates[update - first]
{outer}
        if verdict != {fine}:
            return verdict, update, records
        if (update + 1) % every == 0:
            # entry by entry: an assignment of arrays compiles the text of its error message
            for i in range({thetas}):
                theta_record[records, i] = theta[i]
                g_record[records, i] = g[i]
            records += 1
        if update >= counted:
            moment_count[0] += 1.0
            for i in learned:
                moment_shift[i] = theta[i] - moment_mean[i]
                moment_mean[i] += moment_shift[i] / moment_count[0]
            for i in learned:
                for k in learned:
                    moment_square[i, k] += moment_shift[i] * (theta[k] - moment_mean[k])
    return {fine}, last, records
'''

_OUTER = """verdict = {fine}
for stage in stages:
    if stage == {average_latents}:
{latent_mean}
    elif stage == {average_pool}:
{pool_mean}
    elif stage == {combine}:
        for k in learned:
            g[k] = averages[1, k] - averages[0, k]
    elif stage == {ascend}:
        spread = math.sqrt(2.0 * rate * tau)
        for k in learned:
            theta[k] += rate * g[k]
            if spread > 0.0:
                theta[k] += spread * gradient_normals[normals_from, k]
        verdict = settle(theta, learned, positive, index, numbers, triangle, factor)"""

# what rounding lost is carried along (Neumaier); an infinite sum leaves nan, which is then found
_MEAN = """for k in range(learned.shape[0]):
    total, lost = 0.0, 0.0
    for block in range(blocks_{tag}):
        value = partial_{tag}[block, k]
        new = total + value
        if abs(total) >= abs(value):
            lost += (total - new) + value
        else:
            lost += (value - new) + total
        total = new
    averages[{row}, learned[k]] = (total + lost) / count_{tag}"""


def _outer_lines() -> list[str]:
    return _OUTER.format(
        fine=FINE,
        average_latents=int(Stage.AVERAGE_LATENTS),
        average_pool=int(Stage.AVERAGE_POOL),
        combine=int(Stage.COMBINE),
        ascend=int(Stage.ASCEND),
        latent_mean=indented(_MEAN.format(tag="q", row=0).splitlines(), 2),
        pool_mean=indented(_MEAN.format(tag="p", row=1).splitlines(), 2),
    ).splitlines()


def _arguments(tag: str) -> str:
    return ", ".join(f"{name}_{tag}" for name in ARGUMENTS)


def hessian_lines(joint: Formula) -> list[str] | None:
    """Statements g[k] = entry, upper triangle; None unless E is quadratic in (x, z)."""
    coordinates = joint.coordinates
    if not joint.expression.is_polynomial(*coordinates):
        return None
    if sympy.Poly(joint.expression, *coordinates).total_degree() > 2:
        return None
    entries = [sympy.expand(e) for e in joint.expressions("hessian")]
    lines, results = printing.body(joint.program(entries, "loop"), printing.NUMBA)
    return [*lines, *(f"g[{k}] = {result}" for k, result in enumerate(results))]


def _judged(joint: Formula, learned: tuple[int, ...]) -> bool:
    """Whether normalisability is read off a Hessian that learning moves."""
    moving = {joint.parameter_symbols[k] for k in learned}
    return hessian_lines(joint) is not None and any(
        sympy.expand(entry).free_symbols & moving for entry in joint.expressions("hessian")
    )


@made_once
def loop(
    joint: Formula,
    latents: PhaseText,
    pool: PhaseText,
    learned: tuple[int, ...],
    projection: str,
    real: Real,
    bits: Bits,
) -> ModuleType:
    """The compiled loop over updates.

    ``run`` does everything, ``settle`` judges and projects a theta that came otherwise.
    """
    tags = {"q": latents, "p": pool}
    thetas = len(joint.parameter_symbols)
    loads = [f"p_{k} = theta_real[{k}]" for k in range(thetas)]
    tagged = {tag: text.tagged(tag) for tag, text in tags.items()}
    header = decorated(header_of(joint.source("numba", real)), INLINED)
    if real == "float32":
        header = with_typed_literals(header, "np.float32")
    text = _MODULE.format(
        fills="\n".join(
            f"from {filler(bits, real, t.block).__name__} import {name} as {name}_{tag}"
            for tag, t in tags.items()
            for name in ("fill_normals", "fill_uniforms")
        ),
        header=header,
        real=real,
        elementary=elementary_functions(real),
        projections=decorated(body_of(projection_steps), INLINED).replace("def ", "def project_"),
        projection=projection,
        latent_block=latents.block,
        pool_block=pool.block,
        hessian=indented(hessian_lines(joint) or [], 1),
        judged=_judged(joint, learned),
        dim=joint.dim,
        thetas=thetas,
        outer=indented(_outer_lines(), 2),
        latent_arguments=_arguments("q"),
        pool_arguments=_arguments("p"),
        constants=indented([*tagged["q"][0], *tagged["p"][0]], 1),
        loads=indented(loads, 2),
        latent_blocks=indented(tagged["q"][1], 2),
        pool_blocks=indented(tagged["p"][1], 2),
        fine=FINE,
        not_finite=NOT_FINITE,
        outside_family=OUTSIDE_FAMILY,
        not_normalisable=NOT_NORMALISABLE,
    )
    return load(text)
