"""Cores that this process may use at a time: by its affinity, and by the CPU quota of its container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


def affine_cores() -> int:
    """Cores that the system may run this process on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def available_cores(root: Path = _ROOT) -> int:
    """Cores that this process may keep busy: those of its affinity, and no more than its control groups allow.

    A quota of 2.5 cores is 3: two threads would leave a part of it. `root` is where ``proc`` and ``sys`` are.
    """
    return min([affine_cores(), *(math.ceil(quota) for quota in _quotas(root) if quota > 0)])


def _quotas(root: Path) -> Iterator[float]:
    """Cores that each control group of this process has, of its own and of those around it; Linux, either version."""
    mount = root / "sys/fs/cgroup"
    for controllers, group in _groups(root):
        if not controllers:
            for folder in _folders(mount, group):
                yield _quotient(*_words(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for folder in _folders(mount / "cpu", group):
                yield _quotient(*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us"))


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """Controllers, none in version 2, and path of each control group that this process is in."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # another system
        lines = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        yield controllers, group


def _folders(mount: Path, group: str) -> Iterator[Path]:
    """A group and those around it; in a container its own may be the root, and the rest of the path is elsewhere."""
    path = PurePosixPath(group.lstrip("/"))
    return (mount / folder for folder in (path, *path.parents) if ".." not in folder.parts)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no limit here
        return []


def _quotient(*words: str) -> float:
    """Quota by period, in microseconds each; 0 where there is none ("max", -1, no file)."""
    try:
        quota, period = map(int, words)
    except ValueError:
        return 0.0
    return quota / period if period > 0 else 0.0
