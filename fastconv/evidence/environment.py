"""What the machine is and which versions run on it; Numba is asked about, not imported."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from fastconv._version import __version__
from fastconv.backends.cores import available_cores
from fastconv.backends.settings import get_num_threads, get_options
from fastconv.report.record import ADDED
from fastconv.report.words import plural


@dataclass(frozen=True)
class Environment:
    """Where the numbers come from.

    Attributes
    ----------
    versions : dict of str to str
        Of fastconv, Python, NumPy and Numba.
    platform, cpu : str
        Operating system and processor.
    cores, threads : int
        Cores that the process may use, and threads that the fast backend uses.
    load : float or None
        Average number of busy processes in the minute before, where the system knows it.
    date : str
        When the comparison began, in UTC.
    exact : bool
        Whether fastconv was asked to be exact, see `fastconv.set_options`.
    unreliable : str
        Why the times are not reliable; nothing on a quiet machine.
    """

    versions: dict[str, str]
    platform: str
    cpu: str
    cores: int
    threads: int
    load: float | None
    date: str
    exact: bool = field(default=False, metadata=ADDED)
    unreliable: str = field(default="", metadata=ADDED)

    @property
    def packages(self) -> str:
        """Every package with its version."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())

    @property
    def settings(self) -> str:
        """Threads, and that fastconv was asked to be exact where it was."""
        return f"{self.threads} threads" + self._exactly

    @property
    def caution(self) -> tuple[str, ...]:
        """One line that says why the times are not reliable, or none."""
        return (f"The times are not reliable, because {self.unreliable}.",) if self.unreliable else ()

    @property
    def _exactly(self) -> str:
        return ", exact" if self.exact else ""

    @property
    def headline(self) -> str:
        """The machine in the title of a chart."""
        return f"{self.cpu}, {self.settings}, fastconv {self.versions.get('fastconv')}"

    def origin(self, *more: str) -> str:
        """Say in one line where the numbers come from, with what there is to add."""
        load = "" if self.load is None else f" (load {self.load:.1f} before)"
        threads = f"{plural(self.threads, 'thread')} of {plural(self.cores, 'core')}"
        return "; ".join([self.packages, f"{self.cpu}, {threads}{load}{self._exactly}", *more, self.date])


def current_environment() -> Environment:
    """Return the environment of this process, now."""
    versions = {"fastconv": __version__, "python": platform.python_version()}
    for package in ("numpy", "numba"):
        versions[package] = version_of(package) or "not installed"
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    machine = platform.platform(), cpu_name(), available_cores()
    return Environment(versions, *machine, get_num_threads(), current_load(), date, get_options().exact)


def current_load() -> float | None:
    """Processes that want a core, over the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def version_of(package: str) -> str | None:
    """Version of an installed package, without importing it; None where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """Name of the processor, as the operating system calls it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            pass
    return platform.processor() or platform.machine() or "unknown"


def blas_libraries() -> list[str] | None:
    """Libraries behind `np.matmul` with their threads; None where threadpoolctl is not there to tell."""
    try:
        pools = import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return None
    return [
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown')}, "
        f"{pool['num_threads']} threads)"
        for pool in pools
        if pool["user_api"] == "blas"
    ]
