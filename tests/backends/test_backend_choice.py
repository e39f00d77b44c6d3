"""Which backend runs, with which threads and options: set, overridden, isolated, and read from the environment."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from programs import patience, run
from strategies import BACKENDS

import fastconv as fc
from fastconv import functional
from fastconv.backends import resolve_backend, settings
from fastconv.backends.base import Backend
from fastconv.backends.naive import NaiveBackend
from fastconv.backends.numpy import NumpyBackend
from fastconv.backends.settings import exactly, thread_limit, with_exact
from fastconv.errors import BackendUnavailableError
from fastconv.functional.linear import linear, linear_backward

HAS_NUMBA = importlib.util.find_spec("numba") is not None
NAMES = ("fast", "numpy", "naive")
OPERATIONS = sorted({*Backend.__abstractmethods__, "linear", "linear_backward"})
TABLES = ["merge_moments", "normalize_factors", "normalize_flow", "normalize_gradients", "track", "in_order"]
TINY = "fc.conv2d([[[[1.0, 2.0]]]], [[[[3.0]]]])"


def tiny(**options: Any) -> Any:
    return fc.conv2d(np.ones((1, 1, 2, 3)), np.ones((1, 1, 1, 1)), **options)


@pytest.fixture
def naive_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads in which the naive backend convolves."""
    calls: list[str] = []
    original = NaiveBackend.conv

    def recorded(self: NaiveBackend, *args: Any) -> Any:
        calls.append(threading.current_thread().name)
        return original(self, *args)

    monkeypatch.setattr(NaiveBackend, "conv", recorded)
    return calls


# The contract.


def test_all_backends_are_there() -> None:
    """Otherwise every other test would pass without having looked at the engine."""
    assert fc.available_backends() == (NAMES if HAS_NUMBA else NAMES[1:]) == BACKENDS


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("operation", OPERATIONS + TABLES)
def test_signatures_are_those_of_the_contract(name: str, operation: str) -> None:
    backend = resolve_backend(name)
    assert isinstance(backend, Backend)
    assert backend.name == name
    assert parameters(getattr(backend, operation)) == parameters(getattr(Backend, operation))[1:]  # without self


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


# Set, use, name.


def test_set_use_and_name(naive_calls: list[str]) -> None:
    fc.set_backend("numpy")
    assert fc.get_backend() == "numpy"
    tiny()
    assert len(naive_calls) == 0
    tiny(backend="naive")
    assert len(naive_calls) == 1
    with fc.use_backend("naive") as name:
        assert name == fc.get_backend() == "naive"
        tiny()
        assert len(naive_calls) == 2
        with fc.use_backend("numpy"):
            tiny()
        assert fc.get_backend() == "naive"
        tiny(backend="numpy")
        fc.set_backend("numpy")  # an enclosing block still wins
        assert fc.get_backend() == "naive"
    assert len(naive_calls) == 2
    assert fc.get_backend() == "numpy"


def test_every_operation_runs_on_the_named_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def recorded(operation: str) -> Callable[..., Any]:
        original = getattr(NaiveBackend, operation)

        def call(self: NaiveBackend, *args: Any) -> Any:
            seen.append(operation)
            return original(self, *args)

        return call

    for operation in OPERATIONS:
        monkeypatch.setattr(NaiveBackend, operation, recorded(operation))
    x, weight = np.ones((1, 1, 2, 3)), np.ones((1, 1, 1, 1))
    with fc.use_backend("naive"):
        y = fc.conv2d(x, weight)
        fc.conv2d_backward(y, x, weight)
        linear_backward(linear(x[0, 0], x[0, 0]), x[0, 0], x[0, 0])
        y, indices = fc.max_pool2d(x, 2, return_indices=True)
        fc.max_pool2d_backward(y, indices, x.shape)
        fc.max_pool2d_ties_backward(y, x, 2, ties="all")
        fc.avg_pool2d(x, 2)
        fc.avg_pool2d_backward(y, x.shape, 2)
        fc.lp_pool2d(x, 3, 2)
        fc.lp_pool2d_backward(y, x, 3, 2)
        fc.adaptive_avg_pool2d_backward(fc.adaptive_avg_pool2d(x, 1), x.shape)
        fc.adaptive_max_pool2d(x, 1)
        fc.max_unpool2d_backward(fc.max_unpool2d(y, indices, (2, 3)), indices)
        fc.col2im(fc.im2col(x, 2), (2, 3), 2)
        functional.relu_backward(x, functional.relu(functional.add(x, x)))
        one = np.ones(1)
        functional.batch_norm(x)  # moments, normalize
        functional.batch_norm_backward(x, x, statistics=(one, one))  # the other two
    assert sorted(seen) == OPERATIONS


@pytest.mark.parametrize("choose", [fc.set_backend, lambda name: fc.use_backend(name).__enter__()])
def test_unknown_names_list_the_choices_and_change_nothing(choose: Callable[[Any], Any]) -> None:
    fc.set_backend("numpy")
    for name, error in (("fsat", ValueError), ("NumPy", ValueError), (None, TypeError), (1, TypeError)):
        with pytest.raises(error, match=f"_backend: backend must be one of 'fast', 'numpy', 'naive', but got {name!r}"):
            choose(name)
    assert fc.get_backend() == "numpy"


def test_an_exception_puts_the_choice_back() -> None:
    fc.set_backend("numpy")
    threads, options = fc.get_num_threads(), fc.get_options()
    with (
        pytest.raises(KeyError, match="inside"),
        fc.use_backend("naive"),
        fc.use_num_threads(1),
        fc.options(exact=True),
    ):
        raise KeyError("inside")
    assert (fc.get_backend(), fc.get_num_threads(), fc.get_options()) == ("numpy", threads, options)


# Contexts.

CONTEXTS: list[Any] = [
    pytest.param(lambda: fc.use_backend("naive"), fc.get_backend, "naive", id="backend"),
    pytest.param(lambda: fc.options(max_workspace=77), lambda: fc.get_options().max_workspace, 77, id="options"),
    pytest.param(lambda: fc.use_num_threads(1), fc.get_num_threads, 1, id="threads"),
]


def in_thread(function: Callable[[], Any]) -> Any:
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


@pytest.mark.parametrize(("enter", "get", "inside"), CONTEXTS)
def test_overrides_are_not_seen_by_other_threads(
    enter: Callable[[], AbstractContextManager[Any]], get: Callable[[], Any], inside: Any
) -> None:
    fc.set_backend("numpy")
    before = get()
    with enter():
        assert get() == inside
        assert in_thread(get) == before
    assert get() == before


@pytest.mark.parametrize(("enter", "get", "inside"), CONTEXTS)
def test_overrides_are_not_seen_by_other_tasks(
    enter: Callable[[], AbstractContextManager[Any]], get: Callable[[], Any], inside: Any
) -> None:
    fc.set_backend("numpy")
    before = get()
    entered, seen = asyncio.Event(), asyncio.Event()

    async def overriding() -> Any:
        with enter():
            entered.set()
            await seen.wait()
            return get()

    async def watching() -> Any:
        await entered.wait()
        found = get()
        seen.set()
        return found

    async def both() -> list[Any]:
        return list(await asyncio.gather(overriding(), watching()))

    assert asyncio.run(both()) == [inside, before]


def test_settings_are_seen_by_every_thread() -> None:
    fc.set_backend("naive")
    fc.set_options(max_workspace=123)
    fc.set_num_threads(1)
    found = in_thread(lambda: (fc.get_backend(), fc.get_options().max_workspace, fc.get_num_threads()))
    assert found == ("naive", 123, 1)


def test_two_threads_with_two_backends(naive_calls: list[str]) -> None:
    fc.set_backend("numpy")
    barrier = threading.Barrier(2, timeout=patience())

    def work(backend: str) -> None:
        with fc.use_backend(backend):
            barrier.wait()
            for _ in range(20):
                tiny()
            barrier.wait()

    threads = [threading.Thread(target=work, args=(name,), name=name) for name in ("naive", "numpy")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert naive_calls == ["naive"] * 20


# Options.


def test_options_nest() -> None:
    assert not fc.get_options().exact
    with fc.options(exact=True) as outer, fc.options(max_workspace=5) as inner:
        assert (outer.exact, inner.exact, inner.max_workspace) == (True, True, 5)
        assert fc.get_options() is inner
    assert not fc.get_options().exact


@pytest.mark.parametrize("exact", [True, False])
def test_exactness_may_be_numpys(exact: bool) -> None:
    with fc.options(exact=np.bool_(exact)) as here:  # type: ignore[arg-type]
        assert here.exact is exact


@pytest.mark.parametrize("change", [fc.set_options, lambda **changes: fc.options(**changes).__enter__()])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"exakt": True}, TypeError, "an option must be one of exact, max_workspace, but got 'exakt'"),
        ({"exact": 1}, TypeError, "exact must be True or False, but got 1"),
        ({"max_workspace": 2.0**20}, TypeError, r"max_workspace must be an integer \(bytes\), but got 1048576\.0"),
        ({"max_workspace": True}, TypeError, "max_workspace must be an integer"),
        ({"max_workspace": 0}, ValueError, r"max_workspace must be at least 1 \(bytes\), but got 0"),
    ],
)
def test_wrong_options(change: Any, changes: Any, error: type[Exception], message: str) -> None:
    before = fc.get_options()
    with pytest.raises(error, match=message):
        change(**changes)
    assert fc.get_options() == before


@pytest.fixture
def fresh_options(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nobody has set options in this process yet."""
    monkeypatch.setattr(settings, "_defaults", None)
    return monkeypatch


@pytest.mark.parametrize(
    ("setting", "exact"),
    [*((word, True) for word in ("1", "true", "Yes", " on ")), *((word, False) for word in ("0", "false", "NO", ""))],
)
def test_exactness_from_the_environment(fresh_options: pytest.MonkeyPatch, setting: str, exact: bool) -> None:
    fresh_options.setenv("FASTCONV_EXACT", setting)
    assert fc.get_options().exact is exact
    fc.set_options(max_workspace=5)  # which leaves the other option alone
    assert fc.get_options() == settings.Options(exact, 5)
    with fc.options(exact=not exact):
        assert fc.get_options().exact is not exact
    fc.set_options(exact=not exact)
    assert fc.get_options().exact is not exact


def test_a_wrong_exactness_from_the_environment(fresh_options: pytest.MonkeyPatch) -> None:
    fresh_options.setenv("FASTCONV_EXACT", "maybe")
    message = "FASTCONV_EXACT: the setting must be one of 1, true, yes, on, 0, false, no, off, but got 'maybe'"
    for use in (fc.get_options, lambda: fc.set_options(max_workspace=5), lambda: with_exact(True, fc.get_options)):
        with pytest.raises(ValueError, match=message):
            use()


def test_the_environment_is_read_at_the_first_use() -> None:
    assert "InvalidValueError" in run("import fastconv as fc; fc.get_options()", fails=True, FASTCONV_EXACT="2")
    assert run("import fastconv as fc; print(fc.get_num_threads() > 0)", FASTCONV_EXACT="2").split() == ["True"]


def test_a_function_with_another_exactness() -> None:
    exact = exactly(lambda: fc.get_options())
    with fc.options(max_workspace=77):
        for outside in (True, False):
            with fc.options(exact=outside):
                assert with_exact(None, fc.get_options).exact is outside
                assert with_exact(False, fc.get_options) == settings.Options(False, 77)
                assert with_exact(True, fc.get_options) == exact() == settings.Options(True, 77)
                with pytest.raises(ZeroDivisionError):
                    with_exact(not outside, divmod, 1, 0)
                assert fc.get_options().exact is outside


# Threads.


ENTERED: list[Any] = []  # a block that nobody holds on to would be left at once


def enter(n: Any) -> None:
    ENTERED.append(fc.use_num_threads(n))
    ENTERED[-1].__enter__()


@pytest.mark.parametrize("change", [fc.set_num_threads, enter])
def test_wrong_numbers_of_threads(change: Callable[[Any], Any]) -> None:
    limit = thread_limit()
    for n, error, message in (
        (0, ValueError, "must be at least 1"),
        (1.0, TypeError, "must be an integer"),
        (True, TypeError, "must be an integer"),
        (limit + 1, ValueError, f"at most Numba's limit, {limit}, but got {limit + 1}.*NUMBA_NUM_THREADS={limit + 1}"),
    ):
        with pytest.raises(error, match=f"_num_threads: the number of threads .*{message}"):
            change(n)
    change(np.int64(limit))
    assert fc.get_num_threads() == limit


@pytest.mark.skipif(not HAS_NUMBA, reason="needs Numba")
def test_the_limit_is_numbas() -> None:
    program = """
        import fastconv as fc
        from fastconv.backends.settings import thread_limit
        before = thread_limit(), fc.get_num_threads()
        import numba
        assert before == (numba.config.NUMBA_NUM_THREADS,) * 2 == (thread_limit(), fc.get_num_threads())
        print(*before)
    """
    run(program)
    assert run(program, NUMBA_NUM_THREADS="3").split() == ["3", "3"]


def test_threads_from_the_environment() -> None:
    program = "import fastconv as fc; print(fc.get_num_threads())"
    assert run(program, FASTCONV_NUM_THREADS="1").split() == ["1"]
    assert run(program, FASTCONV_NUM_THREADS="2", NUMBA_NUM_THREADS="4").split() == ["2"]
    for setting, message in (
        ("0", "FASTCONV_NUM_THREADS: the number of threads must be at least 1"),
        ("two", "FASTCONV_NUM_THREADS: the number of threads must be an integer, but got 'two'"),
        ("5", "at most Numba's limit, 4, but got 5. Set the environment variable NUMBA_NUM_THREADS=5"),
    ):
        error = run(program, fails=True, FASTCONV_NUM_THREADS=setting, NUMBA_NUM_THREADS="4")
        assert message in error
        assert "InvalidValueError" in error


# The environment, and a machine without Numba.


def test_the_default() -> None:
    printed = run(f"import fastconv as fc; y = {TINY}; print(fc.get_backend())") if HAS_NUMBA else "fast"
    assert printed.split() == ["fast"]


@pytest.mark.parametrize("name", BACKENDS)
def test_backend_from_the_environment(name: str) -> None:
    program = "import fastconv as fc; print(fc.get_backend(), fc.get_backend()); fc.set_backend('naive')"
    assert run(program, FASTCONV_BACKEND=name).split() == [name] * 2


def test_an_unknown_backend_in_the_environment_raises() -> None:
    error = run(f"import fastconv as fc; {TINY}", fails=True, FASTCONV_BACKEND="fsat")
    assert "FASTCONV_BACKEND: backend must be one of 'fast', 'numpy', 'naive', but got 'fsat'" in error


def test_without_numba_numpy_runs_with_one_warning() -> None:
    printed = run(
        f"""
        import warnings
        import fastconv as fc
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert {TINY}.tolist() == [[[[3.0, 6.0]]]]
            {TINY}
            assert fc.get_backend() == "numpy"
        print(*[f"{{w.category.__name__}}: {{w.message}}" for w in caught], sep="|")
        print(fc.available_backends())
        """,
        blocked=("numba", "llvmlite"),
    )
    warning, available = printed.splitlines()
    assert warning.startswith("RuntimeWarning: fastconv: Numba cannot be imported (No module named 'numba')")
    assert "pip install numba" in warning
    assert "|" not in warning
    assert available == "('numpy', 'naive')"


@pytest.mark.parametrize(
    ("choice", "source"),
    [
        ("fc.set_backend('fast')", "set_backend"),
        ("fc.use_backend('fast').__enter__()", "use_backend"),
        (TINY.replace("]]]])", "]]]], backend='fast')"), "conv2d"),
    ],
)
def test_without_numba_fast_by_name_is_an_import_error(choice: str, source: str) -> None:
    error = run(f"import fastconv as fc; {choice}", blocked=("numba", "llvmlite"), fails=True)
    assert f"{source}: the fast backend must be able to import Numba" in error
    assert "BackendUnavailableError" in error
    assert issubclass(BackendUnavailableError, ImportError)


def test_without_numba_fast_in_the_environment_is_an_import_error() -> None:
    error = run(f"import fastconv as fc; {TINY}", blocked=("numba",), fails=True, FASTCONV_BACKEND="fast")
    assert "FASTCONV_BACKEND: the fast backend must be able to import Numba" in error


@pytest.mark.parametrize("backend", ["numpy", "naive"])
def test_without_numba_everything_else_runs(backend: str) -> None:
    program = "from engine_work import digests; import fastconv as fc; digests() if fc.get_backend() == 'numpy' else 0"
    run(program, blocked=("numba", "llvmlite"), FASTCONV_BACKEND=backend)


# What an import costs.

HEAVY = ("numba", "llvmlite", "scipy", "torch", "matplotlib", "sklearn", "rich", "typer", "hypothesis", "pytest")


def test_importing_fastconv_imports_nothing_heavy() -> None:
    printed = run(f"import sys; import fastconv; print(*[name for name in {HEAVY} if name in sys.modules])")
    assert printed.split() == []


@pytest.mark.parametrize("backend", ["numpy", "naive"])
def test_the_other_backends_do_not_import_numba(backend: str) -> None:
    program = f"import sys; import fastconv as fc; {TINY}; print(*[name for name in {HEAVY} if name in sys.modules])"
    assert run(program, FASTCONV_BACKEND=backend).split() == []


class Marked(NumpyBackend):
    """numpy, with a sign of its own."""

    def conv(self, x: Any, weight: Any, bias: Any, geometry: Any) -> Any:
        return super().conv(x, weight, bias, geometry) + 1000


def test_a_backend_of_the_users_own_can_be_named_and_taken_back() -> None:
    x, weight = np.ones((1, 1, 2, 3)), np.ones((1, 1, 2, 2))
    fc.register_backend("marked", Marked())
    try:
        assert fc.available_backends()[-1] == "marked"
        assert fc.conv2d(x, weight, backend="marked").max() == 1004
        with fc.use_backend("marked"):
            assert fc.conv2d(x, weight).max() == 1004
        fc.set_backend("marked")
        assert fc.conv2d(x, weight).max() == 1004
    finally:
        fc.unregister_backend("marked")
    assert fc.get_backend() != "marked"
    with pytest.raises(ValueError, match=r"must be one of .fast., .numpy., .naive., but got .marked."):
        fc.conv2d(x, weight, backend="marked")


@pytest.mark.parametrize(
    ("name", "backend", "error", "message"),
    [
        ("fast", Marked(), ValueError, "name must be a new name, but got 'fast'"),
        ("", Marked(), ValueError, "name must be a new name, but got ''"),
        ("mine", Marked, TypeError, r"must be an instance of fastconv\.backends\.base\.Backend, but got <class"),
    ],
)
def test_only_new_names_and_backends_are_registered(name: str, backend: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fc.register_backend(name, backend)
