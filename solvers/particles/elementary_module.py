"""The vectorisable elementary functions as a module that generated loops import."""

from __future__ import annotations

import ast

from lvebm_theory.formula.generated import load

from .. import elementary
from ..noise.backends import INLINED, Real, numba_text
from ..source_text import body_of, decorated, made_once, with_typed_literals


@made_once
def elementary_functions(real: Real) -> str:
    """An import of fma, select, exp, log, log1p, sin, cos, tanh and log_positive for this type.

    It must stand below whatever else binds these names.
    """
    suffix = "64" if real == "float64" else "32"
    of_this_type = [
        ast.unparse(node)
        for node in ast.parse(body_of(elementary)).body
        if isinstance(node, ast.FunctionDef) and node.name.endswith(suffix)
    ]
    functions = decorated("\n\n".join(of_this_type), INLINED)
    if real == "float32":
        functions = with_typed_literals(functions, "np.float32")
    module = load(numba_text(real) + "\n\n" + functions).__name__
    called = {name: name for name in ("exp", "exp_below", "log1p", "sin", "cos", "tanh")}
    called |= {"natural_log": "log", "log": "log_positive"}
    bound = ", ".join(f"{name}_{suffix} as {known}" for name, known in called.items())
    return f"from {module} import fma, select, {bound}\n"
