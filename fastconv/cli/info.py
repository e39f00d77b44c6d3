"""``fastconv info``: what this machine is to fastconv, versions, processor, threads, cache, BLAS."""

from __future__ import annotations

import json as json_format
import os
import platform
from dataclasses import asdict
from importlib import import_module
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from fastconv._version import __version__
from fastconv.backends import available_backends, get_backend
from fastconv.backends.cores import available_cores
from fastconv.backends.settings import get_num_threads, get_options, thread_limit
from fastconv.cli.console import console
from fastconv.cli.output import Debug
from fastconv.evidence.environment import blas_libraries, cpu_name, version_of
from fastconv.report import format_bytes
from fastconv.validation.memory import memory_limit

_PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "matplotlib",
    "scikit-learn",
    "torch",
    "typer",
    "rich",
    "threadpoolctl",
    "py-cpuinfo",
)
_VARIABLES = (
    "FASTCONV_",
    "NUMBA_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "TBB_",
    "MKL_",
    "OPENBLAS_",
)  # that change what is said here
_X86 = ("sse4.2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512fp16", "amx-tile")
_ARM = ("neon", "fullfp16", "dotprod", "i8mm", "sve", "sve2")


def info(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False, debug: Debug = False) -> None:
    """Print versions, processor, threads, cache folder, BLAS and variables that change them: what a report needs."""
    facts = describe()
    if json:
        typer.echo(json_format.dumps(facts, indent=2))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, value in facts.items():
        grid.add_row(name.replace("_", " "), _show(name, value))
    console().print(grid)


def _show(name: str, value: Any) -> str:
    if name == "memory_limit" and value is not None:
        return format_bytes(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_show(key, item)}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "none"
    return "unknown" if value is None else str(value)


def describe() -> dict[str, Any]:
    """Return what a report of a bug or of a time should carry; imports Numba where it is installed."""
    target, features = _host()
    return {
        "fastconv": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name in _PACKAGES if (version := version_of(name)) is not None},
        "platform": platform.platform(),
        "processor": _processor(),
        "instruction_set": target,
        "features": features,
        "cores": available_cores(),
        "threads": get_num_threads(),
        "thread_limit": thread_limit(),
        "threading_layer": _threading_layer(),
        "cache_folder": _cache_folder(),
        "blas": _blas(),
        "memory_limit": memory_limit(),
        "backend": get_backend(),
        "backends": list(available_backends()),
        "options": asdict(get_options()),
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)},
    }


def _processor() -> str:
    try:
        brand = import_module("cpuinfo").get_cpu_info().get("brand_raw")
    except ImportError:
        brand = None
    return str(brand) if brand else cpu_name()


def _host() -> tuple[str | None, list[str]]:
    """Name of the instruction set that LLVM compiles for, and those of its features that matter here."""
    try:
        binding = import_module("llvmlite.binding")
    except ImportError:
        return None, []
    host = binding.get_host_cpu_features()
    return binding.get_host_cpu_name(), [feature for feature in (*_X86, *_ARM) if host.get(feature)]


def _threading_layer() -> str | None:
    """Name of Numba's threading layer, which this starts."""
    try:
        return str(import_module("fastconv.backends.fast.machine.launch").threading_layer())
    except ImportError:
        return None


def _cache_folder() -> str | None:
    """Folder where Numba keeps the compiled kernels; None without Numba, or where no folder is writable."""
    try:
        jit, caching = import_module("fastconv.backends.fast.machine.jit"), import_module("numba.core.caching")
        return str(caching.FunctionCache(jit.c_function).cache_path)
    except (ImportError, AttributeError, RuntimeError):
        return None


def _blas() -> list[str]:
    """Libraries behind `np.matmul`, of which only the numpy backend makes use."""
    libraries = blas_libraries()
    if libraries is not None:
        return libraries
    found: Any = np.show_config(mode="dicts")
    blas = found.get("Build Dependencies", {}).get("blas", {})
    return [f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()]
