"""The suite under pytest-benchmark: which cases run, what is recorded beside each time, and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module, util
from typing import Any

import pytest

from fastconv.backends.settings import get_num_threads, use_num_threads
from fastconv.evidence.bench.cases import BACKENDS, DTYPES, Case, Selection, cases, names
from fastconv.evidence.bench.preparation import Preparation, doubts, facts
from fastconv.evidence.bench.run import MARK
from fastconv.evidence.bench.suite import complete
from fastconv.evidence.quiet import Watch

FACTS = pytest.StashKey[dict[str, Any]]()
WATCH = pytest.StashKey[Watch]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fastconv")
    group.addoption("--workloads", help="names with commas between them; all by default, all but the family if empty")
    group.addoption("--backends", default=",".join(BACKENDS), help="names with commas between them; all by default")
    group.addoption("--dtypes", default=DTYPES[0], help="float32, float64 or both with a comma; float32 by default")
    group.addoption("--batch", type=int, help="images of every layer; its own number by default")
    group.addoption("--threads", type=int, help="threads of fastconv and of NumPy's BLAS; all by default")
    group.addoption("--tell", action="store_true", help="print what happens for a program to read")


def selection(config: pytest.Config) -> Selection:
    chosen = [config.getoption(name) for name in ("workloads", "backends", "dtypes")]
    words = [tuple(names()) if each is None else tuple(filter(None, each.split(","))) for each in chosen]
    return Selection(*words, batch=config.getoption("batch"), threads=config.getoption("threads"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every case by names alone, which survive in the JSON."""
    chosen = list(cases(metafunc.module.KIND, selection(metafunc.config)))
    metafunc.parametrize(Case._fields, chosen, ids=map(str, chosen))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop the test that stands for a file in which nothing was chosen."""
    empty = [item for item in items if item.name.endswith("[NOTSET]")]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]


@pytest.fixture
def case(workload: str, step: str, backend: str, dtype: str) -> Case:
    if backend == "fast":
        pytest.importorskip("numba", reason="the fast backend needs Numba")
    return Case(workload, step, backend, dtype)


@pytest.fixture(scope="session", autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give fastconv and NumPy's BLAS the same number of threads."""
    with ExitStack() as limits:
        asked = request.config.getoption("threads")
        if asked is not None:
            limits.enter_context(use_num_threads(asked))
        if util.find_spec("threadpoolctl") is not None:
            limits.enter_context(import_module("threadpoolctl").threadpool_limits(get_num_threads()))
        yield


@pytest.fixture(scope="session")
def preparation(request: pytest.FixtureRequest, threads: None) -> Iterator[Preparation]:
    config = request.config
    made = Preparation(batch=config.getoption("batch"), small=config.getoption("benchmark_disable"))
    if not config.getoption("benchmark_disable"):
        config.stash[FACTS] = facts(selection(config).dtypes)
        config.stash[WATCH] = Watch()
    yield made
    made.end()


@pytest.fixture
def measure(benchmark: Any, preparation: Preparation, case: Case) -> Callable[[], None]:
    """Check a case, then time it; the first call, which compiles, is in no time."""

    def run() -> None:
        ready = preparation.prepare(case)
        before = preparation.peak(case.dtype)
        benchmark.group = f"{case.workload} {case.step} {case.dtype}"
        benchmark.extra_info.update(ready.info)
        benchmark(ready.call)
        benchmark.extra_info["peak_gflops"] = max(filter(None, (before, preparation.peak(case.dtype))), default=None)

    return run


# what is recorded


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    machine_info["fastconv"] = config.stash.get(FACTS, {})
    if WATCH in config.stash:
        machine_info["fastconv"]["unreliable"] = doubts(config.stash[WATCH])


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    complete(output_json, selection(config))


# for `fastconv bench`, which reads along


class Teller:
    """Prints events between the lines of pytest, while nothing is captured."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def tell(self, **event: Any) -> None:
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line(MARK + json.dumps(event))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.tell(total=len(session.items))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell(begins=nodeid.partition("[")[2].rstrip("]"))

    def pytest_exception_interact(self, node: Any, call: pytest.CallInfo[Any]) -> None:
        error = None if call.excinfo is None else call.excinfo.value
        ours = type(error).__module__.startswith("fastconv.")  # names the case itself
        self.tell(failed=str(error) if ours else f"{node.name}: {type(error).__name__}: {error}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("tell"):
        config.pluginmanager.register(Teller(config))
