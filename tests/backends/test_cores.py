"""How many threads there are by default: those of the affinity, and no more than the CPU quota of a container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from programs import run

import fastconv as fc
from fastconv.backends import cores, settings

# what /proc/self/cgroup says, files below /sys/fs/cgroup, and the cores of 8 that are left
GROUPS = {
    "version 2": ("0::/", {"cpu.max": "250000 100000"}, 3),
    "version 2, less than a core": ("0::/", {"cpu.max": "5000 100000"}, 1),
    "version 2, no quota": ("0::/", {"cpu.max": "max 100000"}, 8),
    "version 2, more than there are": ("0::/", {"cpu.max": "6400000 100000"}, 8),
    "a group inside": ("0::/a/b", {"a/b/cpu.max": "200000 100000", "a/cpu.max": "max 100000"}, 2),
    "the group around it has less": ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"}, 4),
    "in a container, path of the host": ("0::/docker/1f", {"cpu.max": "150000 100000"}, 2),
    "another name space": ("0::/../../c", {"cpu.max": "150000 100000"}, 2),
    "version 1": (
        "4:memory:/x\n3:cpu,cpuacct:/y",
        {"cpu/y/cpu.cfs_quota_us": "300000", "cpu/y/cpu.cfs_period_us": "100000"},
        3,
    ),
    "version 1, no quota": ("2:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    "version 1, in a container": (
        "3:cpuacct,cpu:/docker/1f\n0::/",
        {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "50000"},
        1,
    ),
    "damaged": ("0::/", {"cpu.max": "many"}, 8),
    "empty": ("0::/", {"cpu.max": ""}, 8),
    "no period": ("0::/", {"cpu.max": "100000"}, 8),
    "period of nothing": ("0::/", {"cpu.max": "100000 0"}, 8),
    "no such files": ("0::/", {}, 8),
    "another system": (None, {}, 8),
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_quota_counts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "affine_cores", lambda: 8)
    group, files, expected = GROUPS[name]
    if group is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(f"{group}\n", encoding="ascii")
    for path, content in files.items():
        file = tmp_path / "sys/fs/cgroup" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n", encoding="ascii")
    assert cores.available_cores(tmp_path) == expected


@pytest.mark.parametrize(("chosen", "expected"), [(None, 1), ("", 1), ("8", None)])
def test_the_default_is_the_quota_unless_somebody_chose(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: int | None
) -> None:
    monkeypatch.setattr(settings, "_threads", None)
    monkeypatch.setattr(settings, "available_cores", lambda: 1)
    monkeypatch.delenv("FASTCONV_NUM_THREADS", raising=False)
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    if chosen is not None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", chosen)
    assert fc.get_num_threads() == (expected or settings.thread_limit())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_counts() -> None:
    program = """
    import os
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import fastconv as fc
    print(fc.get_num_threads())
    """
    assert run(program) == "1\n"
