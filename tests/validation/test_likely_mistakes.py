"""Errors that know the likely mistake: misspelt names, channels on the wrong axis, a missing batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import data, initializers, layers, models, optim, training
from fastconv.dropin.conventions.recognise import by_name as convention
from fastconv.errors import FastconvError, closest
from fastconv.evidence.bench.cases import Selection
from fastconv.evidence.contest.engines import entrant
from fastconv.evidence.contest.participants import check_names
from fastconv.evidence.workloads import by_name as workload

X = np.ones((2, 3, 8, 9), np.float32)
W = np.ones((4, 3, 3, 3), np.float32)
NET = models.by_name("digits", rng=0)
SGD = optim.SGD(NET.parameters(), lr=0.1)
STATE = {name.replace("weight", "weigth"): array for name, array in NET.state_dict().items()}
PIXELS = np.zeros((8, 16, 24, 3), np.uint8)

# names


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: fc.set_backend("nunpy"), "numpy"),
        (lambda: fc.conv2d(X, W, backend="fats"), "fast"),
        (lambda: fc.conv2d(X, W, layout="nhwc"), "NHWC"),
        (lambda: fc.conv2d(X, W, layout="channels_last"), "NHWC"),
        (lambda: fc.conv2d(X, W, padding="SAME"), "same"),
        (lambda: fc.conv2d_backward(X, X, W, needs=("x", "weights")), "weight"),
        (lambda: fc.upsample(X, 2, mode="biliner"), "bilinear"),
        (lambda: fc.set_options(exacct=True), "exact"),
        (lambda: layers.Conv2d(3, 4, 3, dtype="flaot32"), "float32"),
        (lambda: layers.Conv2d(3, 4, 3, weight_init="kaiming_normal"), "he_normal"),
        (lambda: initializers.by_name("Conv2d", "xavier"), "xavier_normal' or 'xavier_uniform"),
        (lambda: NET.load_state_dict(STATE), "conv1.weight"),
        (lambda: models.by_name("resnet19"), "resnet18"),
        (lambda: models.by_name("lenet"), "lenet5"),
        (lambda: models.by_name("resnet20", num_classes=3), "classes"),
        (lambda: optim.SGD([{"parameters": NET.parameters(), "momentun": 0.9}]), "momentum"),
        (lambda: training.Trainer(NET, SGD, loss="cross_entropy"), "softmax"),
        (lambda: fc.compile(NET, np.zeros((2, 1, 8, 8)), np.zeros(2, int), loss="hinge", optimizer=SGD), "svm"),
        (lambda: training.EarlyStopping(3, "val_loss"), "validation_loss' or 'train_loss"),
        (lambda: data.load("cifar"), "cifar10"),
        (lambda: fc.summary(NET, (1, 1, 8, 8), optimizer="admw"), "adamw"),
        (lambda: fc.compare("conv3x3_64_65"), "conv3x3_64_56"),
        (lambda: workload("conv3x3_64_65"), "conv3x3_64_56"),
        (lambda: Selection(workloads=("vgg_small",)), "vgg-small"),
        (lambda: entrant("troch"), "torch"),
        (lambda: check_names("passes", ("forwrd",), ("forward", "backward")), "forward"),
        (lambda: convention("cs231n.conv2d.foward"), "cs231n.conv2d.forward"),
        (lambda: fc.check(__file__, cases="paddin"), "padding"),
    ],
)
def test_a_misspelt_name_is_told_what_was_meant(call: Callable[[], Any], wanted: str) -> None:
    with pytest.raises(FastconvError, match=rf"\. .*Did you mean '{wanted}'\?") as caught:
        call()
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["", "?", "q" * 10**6, None, 3])
def test_nothing_is_guessed_of_what_is_like_no_name(name: Any) -> None:
    with pytest.raises(FastconvError, match=r"backend must be one of 'fast', 'numpy', 'naive', but got .*[^?]$"):
        fc.set_backend(name)


def test_the_closest_come_first_and_one_that_differs_in_case_and_signs_alone_is_the_only_one() -> None:
    assert closest("maxpool2d", ["max_pool1d", "max_pool2d", "max_pool3d"]) == ["max_pool2d"]
    assert closest("conv", ["deconv", "conv3d", "conv2d"]) == ["conv3d", "conv2d"]
    assert closest("tensor", ["fast", "numpy"]) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("maxpool2d", "Did you mean 'max_pool2d'?"),
        ("Conv2d", "It is fastconv.layers.Conv2d."),
        ("softmax_cross_entropy", "It is fastconv.losses.softmax_cross_entropy."),
        ("Adam", "It is fastconv.optim.Adam."),
        ("zzz", "has no attribute 'zzz'."),
    ],
)
def test_an_attribute_that_is_not_there_is_told_where_it_is(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(says)) as caught:
        getattr(fc, name)
    assert caught.value.obj is None  # or Python would add a guess of its own


def test_names_for_tools_are_not_looked_for() -> None:
    assert not hasattr(fc, "__wrapped__")
    assert not hasattr(fc, "_repr_html_")


def test_what_tab_offers_is_what_all_lists() -> None:
    assert dir(fc) == sorted(fc.__all__)
    assert {"relu", "softmax", "batch_norm", "linear", "linear_backward", "conv2d"} <= {*dir(fc)}
    assert [name for name in dir(fc) if not hasattr(fc, name)] == []


# layouts


@pytest.mark.parametrize(
    "call",
    [
        lambda x: fc.conv2d(x, W),
        lambda x: fc.conv_transpose2d(x, W.transpose(1, 0, 2, 3)),
        lambda x: fc.max_pool2d(x, 5),
        lambda x: layers.Conv2d(3, 4, 3)(x),
        lambda x: layers.BatchNorm2d(3)(x),
        lambda x: layers.Sequential(layers.Conv2d(3, 4, 3), layers.ReLU())(x),
        lambda x: fc.summary(layers.Conv2d(3, 4, 3), x.shape),
    ],
)
def test_channels_on_the_last_axis_are_told_of_layout(call: Callable[[Any], Any]) -> None:
    says = 'If the channels of x come last (N, H, W, C), pass layout="NHWC", or x.transpose(0, 3, 1, 2).'
    with pytest.raises(FastconvError, match=re.escape(says)):
        call(np.ones((2, 10, 12, 3), np.float32))


def test_channels_on_the_second_axis_are_told_of_layout_and_volumes_too() -> None:
    with pytest.raises(FastconvError, match=r'come first \(N, C, H, W\), pass layout="NCHW"\.'):
        fc.conv2d(np.ones((2, 3, 10, 12)), W, layout="NHWC")
    with pytest.raises(FastconvError, match=r'layout="NDHWC", or x.transpose\(0, 4, 1, 2, 3\)'):
        fc.conv3d(np.ones((2, 4, 4, 4, 6)), np.ones((2, 6, 1, 1, 1)))


@pytest.mark.parametrize("shape", [(2, 64, 32, 32), (2, 5, 6, 7), (2, 10, 12, 6)])
def test_other_channels_are_not(shape: tuple[int, ...]) -> None:
    for channels in (32, 6):
        with pytest.raises(FastconvError, match=r"must have .* channels") as caught:
            fc.conv2d(np.ones(shape), np.ones((4, channels, 1, 1)))
        assert "layout" not in str(caught.value).replace("in either layout", "")


def test_a_dataset_refuses_what_looks_like_channels_on_the_last_axis_unless_it_is_told() -> None:
    labels = np.arange(8) % 2
    with pytest.raises(
        ValueError, match=r'Dataset: images .*looks like \(N, H, W, C\)\. Pass layout="NHWC".*16 channels'
    ):
        data.Dataset(PIXELS, labels)
    turned = data.Dataset(PIXELS, labels, layout="NHWC")
    assert turned.image_shape == (3, 16, 24)
    assert np.shares_memory(turned.images, PIXELS)
    kept = data.Dataset(PIXELS, labels, layout="NCHW")
    assert kept.image_shape == (16, 24, 3)
    for each in (turned, kept):
        assert each[:3].image_shape == each.split(0.5, 0)[1].image_shape == each.image_shape
        assert each.with_images(each.images).image_shape == each.image_shape
    with pytest.raises(ValueError, match="Dataset: layout must be 'NCHW' or 'NHWC', but got 'last'"):
        data.Dataset(PIXELS, labels, layout="last")


def test_signals_and_features_have_layouts_too_or_none() -> None:
    assert data.Dataset(np.zeros((4, 30, 2), np.float32), np.zeros(4, int), layout="NWC").image_shape == (2, 30)
    assert data.Dataset(np.zeros((4, 30), np.float32), np.zeros(4, int)).image_shape == (30,)
    with pytest.raises(ValueError, match="the number of spatial axes must be 1, 2 or 3, but got 0"):
        data.Dataset(np.zeros((4, 30), np.float32), np.zeros(4, int), layout="NCHW")


def test_pairs_for_a_network_with_channels_last_are_taken_as_they_are() -> None:
    net = layers.Sequential(layers.Conv2d(3, 2, 3, layout="NHWC"), layers.Flatten(), layers.Linear(14 * 22 * 2, 2))
    trainer = training.Trainer(net, optim.SGD(net.parameters(), lr=0.01), compile=False)
    trainer.fit((PIXELS / np.float32(255), np.arange(8) % 2), epochs=1)
    with pytest.raises(ValueError, match=r"must take the images, \(16, 24, 1\), but it does not: .* come last"):
        training.Trainer(NET, SGD).fit((PIXELS[..., :1], np.arange(8) % 2), epochs=1)


# batches


def test_a_summary_of_one_image_is_told_of_the_batch() -> None:
    says = "The batch comes first: pass (1, 1, 8, 8), or batch=1 beside the shape of one image."
    with pytest.raises(ValueError, match=re.escape(says)):
        fc.summary(NET, (1, 8, 8))
    assert fc.summary(NET, (1, 8, 8), batch=1).input_shape == (1, 1, 8, 8)
    with pytest.raises(ValueError, match="summary: ") as caught:
        fc.summary(NET, (8, 8))
    assert "batch=1" not in str(caught.value)
