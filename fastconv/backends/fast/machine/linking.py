"""Helpers are compiled as far as kernels need it: to code that kernels link, and that is optimised there, as a whole.

Numba optimises every function by itself, makes machine code of it, and wraps it for Python and for C. A helper is only
ever a part of kernels. All that took a third of the time of compiling, and where helpers call helpers, which call
helpers, more than half.

This relies upon what Numba has inside: `_final_module`, `_shared_module`, `_optimize_final_module` and
`_finalize_final_module` of `JITCodeLibrary`, and that a compiler takes the library that its state has. So it is for
versions that have been tried (`KNOWN`) alone. Others compile helpers as any other function, which takes longer.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import binding
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder

KNOWN = ("0.62", "0.63", "0.64", "0.65", "0.66", "0.67", "0.68")
_ENVIRONMENT = "_ZN08NumbaEnv"  # begins the name of the global that Numba gives each function, and fills


class _Linked(JITCodeLibrary):  # type: ignore[misc]
    """Code of a function that others link; the engine gets its globals alone."""

    _final_module: Any

    def _optimize_final_module(self) -> None:
        """Leave that to who links it."""

    def _finalize_final_module(self) -> None:
        code = self._final_module
        for function in code.functions:
            if not function.is_declaration and function.linkage == binding.Linkage.external:
                function.linkage = "linkonce_odr"  # as Numba has it: once, and not at all where it is inlined
        self._shared_module = code
        names = [variable.name for variable in code.global_variables if variable.name.startswith(_ENVIRONMENT)]
        head = str(self._codegen._create_empty_module(self.name))
        self._final_module = binding.parse_assembly(
            "\n".join([head, *(f"@{name} = common global i8* null" for name in names)])
        )
        super()._finalize_final_module()


class LinkedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler, which keeps what it makes in a library of ours."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes: Numba's."""
        state = self.state
        state.library = _Linked(state.targetctx.codegen(), state.func_id.func_qualname)
        return [DefaultPassBuilder.define_nopython_pipeline(state)]


def linked() -> dict[str, Any]:
    """Options of `numba.njit` for a function that others link and nobody calls."""
    if numba.__version__.rpartition(".")[0] not in KNOWN:
        return {}
    return {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": LinkedCompiler}
