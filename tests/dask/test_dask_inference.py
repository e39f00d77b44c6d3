"""Inference on workers: one program each, on one thread, and what is lost is computed again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.layers import Flatten, Linear, ReLU, Sequential
from fastconv.layers.containers import predict as of_layers
from fastconv.models import Classifier

da = pytest.importorskip("dask.array")
bag = pytest.importorskip("dask.bag")
chunked = pytest.importorskip("fastconv.dask")


def network() -> Sequential:
    return Sequential(Flatten(), Linear(48, 16, rng=0), ReLU(), Linear(16, 5, rng=1))


def images(number: int) -> Any:
    return np.random.default_rng(0).standard_normal((number, 3, 4, 4), dtype=np.float32)


def test_chunks_of_images_give_what_all_of_them_give() -> None:
    model, x = network(), images(23)
    lazy = chunked.predict(model, da.from_array(x, (5, 2, 4, 3)), batch_size=3)
    found = lazy.compute()
    assert lazy.shape == found.shape == (23, 5)
    fc.testing.assert_close(found, of_layers(model, x))
    assert np.array_equal(chunked.predict(model, x).compute(), chunked.predict(model, da.from_array(x, 23)).compute())


def test_no_images_give_no_results() -> None:
    assert chunked.predict(network(), images(0)).compute().shape == (0, 5)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "scores"])
def test_a_classifier_is_asked_for_what_it_says(method: str) -> None:
    model, x = Classifier(network(), class_names="abcde"), images(9)
    lazy = chunked.predict(model, da.from_array(x, (4, 3, 4, 4)), method=method)
    found, whole = lazy.compute(), getattr(model, method)(x)
    assert (found.shape, found.dtype) == (whole.shape, whole.dtype) == (lazy.shape, lazy.dtype)
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-6)


def test_items_of_a_bag_are_images() -> None:
    model, x = network(), images(11)
    found = chunked.predict(model, bag.from_sequence([*x], npartitions=3)).compute(scheduler="sync")
    fc.testing.assert_close(np.stack(found), of_layers(model, x))


def test_tasks_of_one_process_share_a_program() -> None:
    from fastconv.dask import inference

    inference._programs.clear()
    chunked.predict(network(), da.from_array(images(40), (2, 3, 4, 4))).compute(scheduler="threads", num_workers=8)
    assert len(inference._programs) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda x: x, images(2)), "model must be a Layer"),
        ((network(), [1, 2]), "x must be an array, of Dask or with a shape"),
        ((network(), images(2)[:, :2]), "Linear"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        chunked.predict(*arguments)
    with pytest.raises(ValueError, match="method must be of a Classifier"):
        chunked.predict(network(), images(2), method="scores")


def killed_once(block: Any, path: str) -> Any:
    """End the worker that computes this first."""
    if multiprocessing.parent_process() is None:  # Dask asks for the dtype, here
        return block
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return block
    os.kill(os.getpid(), signal.SIGKILL)
    return None


@pytest.mark.slow
def test_a_cluster_of_two_workers_one_of_which_is_killed(tmp_path: Any) -> None:
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    model, x = network(), images(60)
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        pieces = da.from_array(x, (6, 3, 4, 4)).map_blocks(killed_once, str(tmp_path / "killed"), dtype=x.dtype)
        found = chunked.predict(model, pieces).compute()
        fc.testing.assert_close(found, of_layers(model, x))
        assert (tmp_path / "killed").exists()
        weight = np.random.default_rng(1).standard_normal((4, 3, 3, 3), dtype=np.float32)
        planes = chunked.conv2d(da.from_array(x, (20, 3, 2, 4)), weight, padding=1).compute()
        fc.testing.assert_close(planes, fc.conv2d(x, weight, padding=1))
