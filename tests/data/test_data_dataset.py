"""Dataset, its parts, and its batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv.data import DataBundle, Dataset, batches
from fastconv.errors import FastconvError, InvalidTypeError, InvalidValueError


def numbered(count: int = 11, classes: int = 3, dtype: str = "uint8") -> Dataset:
    """Images that say which one they are."""
    images = np.zeros((count, 2, 3, 4), dtype) + np.arange(count, dtype=dtype)[:, None, None, None]
    return Dataset(images, np.arange(count) % classes, ("a", "b", "c", "d", "e")[:classes], "numbered")


def positions(data: Dataset) -> list[int]:
    return data.images[:, 0, 0, 0].astype(int).tolist()


# what it is


def test_fields_are_kept_without_a_copy() -> None:
    images = np.zeros((5, 1, 4, 6), np.float32)
    data = Dataset(images, np.array([0, 1, 0, 1, 1], np.uint8), ["cat", "dog"], "pets")
    assert data.images is images
    assert data.labels.dtype == np.int64
    assert data.classes == ("cat", "dog")
    assert data.image_shape == (1, 4, 6)
    assert repr(data) == "Dataset('pets': 5 images 1x4x6 float32, 2 classes)"


def test_classes_are_numbers_by_default() -> None:
    assert Dataset(np.zeros((3, 1, 2, 2), np.uint8), [2, 0, 0]).classes == ("0", "1", "2")
    assert (
        repr(Dataset(np.zeros((0, 1, 2, 3), np.uint8), np.zeros(0, int))) == "Dataset(0 images 1x2x3 uint8, 0 classes)"
    )


def test_it_is_frozen() -> None:
    with pytest.raises(AttributeError, match="cannot assign"):
        numbered().name = "other"  # type: ignore[misc]


def test_two_datasets_compare_by_identity() -> None:
    data = numbered()
    assert data in (data,)
    assert data != numbered()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            (np.zeros(2, np.uint8), [0, 1]),
            InvalidValueError,
            r"images must have at least 2 axes, \(N, C, H, W\) for images, but got 1 \(shape \(2,\)\)",
        ),
        ((np.zeros((2, 1, 4, 6)), [0, 1]), InvalidTypeError, r"must be uint8 or float32, but got float64.*astype"),
        ((np.zeros((2, 0, 4, 6), np.uint8), [0, 1]), InvalidValueError, r"empty axis other than N.*\(2, 0, 4, 6\)"),
        ((np.zeros((2, 1, 4, 6), np.uint8), [0, 1, 1]), InvalidValueError, r"shape \(2,\).*one for each image.*\(3,\)"),
        ((np.zeros((2, 1, 4, 6), np.uint8), [[0, 1]]), InvalidValueError, r"shape \(2,\) or \(2, ...\).*\(1, 2\)"),
        (
            (np.zeros((2, 1, 4, 6), np.uint8), [False, True]),
            InvalidTypeError,
            r"labels must have an integer dtype \(classes\) or a floating one \(numbers\), but got bool",
        ),
        (
            (np.zeros((2, 1, 4, 6), np.uint8), [0, 2**40]),
            InvalidValueError,
            "labels must be below 65536.*got 1099511627776",
        ),
        ((np.zeros((2, 1, 4, 6), np.uint8), [0, -1]), InvalidValueError, "got -1 at position 1"),
        ((np.zeros((2, 3), np.uint8), [[0, 1], [0, -1]]), InvalidValueError, r"got -1 at position \(1, 1\)"),
        (
            (np.zeros((2, 1, 4, 6), np.uint8), [2, 0], ("a", "b")),
            InvalidValueError,
            r"0 and 1 \(2 classes\).*2 at position 0",
        ),
    ],
)
def test_what_does_not_fit_together(arguments: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        Dataset(*arguments)
    assert isinstance(caught.value, FastconvError)


@pytest.mark.parametrize("shape", [(3,), (2, 9), (2, 4, 5), (1, 3, 4, 5)])
@pytest.mark.parametrize("target", [(), (2,), (1, 9)])
def test_inputs_and_targets_have_any_rank(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    data = Dataset(np.zeros((6, *shape), np.float32), np.linspace(0, 1, 6 * math.prod(target)).reshape(6, *target))
    assert (data.image_shape, data.labels.dtype, data.classes) == (shape, np.float32, ())
    assert not data.has_classes
    assert data[2:4].labels.shape == (2, *target)
    first, second = data.split(0.5, 0)
    assert len(first) == len(second) == 3
    with pytest.raises(InvalidValueError, match="labels must be one class for each image with stratify=True"):
        data.split(0.5, 0, stratify=True)


def test_targets_in_words() -> None:
    signals = np.zeros((6, 2, 9), np.float32)
    assert repr(Dataset(signals, np.zeros(6))) == "Dataset(6 inputs 2x9 float32, targets of one number)"
    assert repr(Dataset(signals, np.zeros((6, 1, 9)))) == "Dataset(6 inputs 2x9 float32, targets 1x9)"
    assert repr(Dataset(signals, np.zeros((6, 9), int))) == "Dataset(6 inputs 2x9 float32, 1 classes)"


# parts


def test_slices_are_views_and_arrays_are_copies() -> None:
    data = numbered()
    part = data[2:9:3]
    assert positions(part) == [2, 5, 8]
    assert part.labels.tolist() == [2, 2, 2]
    assert part.classes == data.classes
    assert part.name == "numbered"
    assert np.shares_memory(part.images, data.images)
    chosen = data[np.array([7, 0, 7])]
    assert positions(chosen) == [7, 0, 7]
    assert not np.shares_memory(chosen.images, data.images)
    assert positions(data[[3, 1]]) == [3, 1]
    assert positions(data[data.labels == 1]) == [1, 4, 7, 10]
    assert len(data[[]]) == 0
    assert len(data[np.array([], int)]) == 0


@pytest.mark.parametrize("index", [3, np.int64(3), (0, 1), None])
def test_an_index_of_another_kind(index: Any) -> None:
    with pytest.raises(InvalidTypeError, match="index must be a slice, an array of positions or a mask"):
        numbered()[index]


def test_with_images_keeps_the_labels() -> None:
    data = numbered()
    other = data.with_images(np.zeros((11, 1, 2, 2), np.float32), "small")
    assert other.labels is data.labels
    assert (other.name, other.classes, other.image_shape) == ("small", data.classes, (1, 2, 2))
    with pytest.raises(InvalidValueError, match="one for each image"):
        data.with_images(np.zeros((10, 1, 2, 2), np.float32))


@pytest.mark.parametrize(
    ("sizes", "first", "second"),
    [(0.5, 6, 5), (0.0, 0, 11), (1.0, 11, 0), (4, 4, 7), (np.int64(4), 4, 7), ((7, 2), 7, 2), ((11, 0), 11, 0)],
)
def test_split_in_order(sizes: Any, first: int, second: int) -> None:
    a, b = numbered().split(sizes)
    assert positions(a) == list(range(first))
    assert positions(b) == list(range(first, first + second))


def test_split_by_lot_is_a_partition_from_the_seed() -> None:
    a, b = numbered().split(0.3, 5)
    assert (len(a), len(b)) == (3, 8)
    assert sorted(positions(a) + positions(b)) == list(range(11))
    assert positions(a) + positions(b) != list(range(11))
    again, _ = numbered().split(0.3, np.random.default_rng(5))
    assert positions(again) == positions(a)
    other, _ = numbered().split(0.3, 6)
    assert positions(other) != positions(a)


@given(st.lists(st.integers(0, 4), min_size=0, max_size=40), st.floats(0, 1), st.integers(0, 99) | st.none())
def test_stratified_parts_have_the_share_of_every_class(labels: list[int], share: float, seed: int | None) -> None:
    data = Dataset(np.zeros((len(labels), 1, 1, 2), np.uint8), np.array(labels, int), tuple("abcde"))
    marked = data.with_images(np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 1, 1, 2))
    a, b = marked.split(share, seed, stratify=True)
    assert sorted([*a.images[:, 0, 0, 0], *b.images[:, 0, 0, 0]]) == [2 * i for i in range(len(labels))]
    for part in (a, b):
        assert [labels[int(mark) // 2] for mark in part.images[:, 0, 0, 0]] == part.labels.tolist()
    for label in range(5):
        assert (a.labels == label).sum() == round(share * labels.count(label))


@pytest.mark.parametrize(
    ("sizes", "options", "kind", "message"),
    [
        (1.5, {}, InvalidValueError, "share must be between 0 and 1, but got 1.5"),
        (float("nan"), {}, InvalidValueError, "share must be between 0 and 1"),
        (12, {}, InvalidValueError, r"11 in sum \(the images of the dataset\) at most, but got 12"),
        ((10, 2), {}, InvalidValueError, r"at most, but got \(10, 2\)"),
        (-1, {}, InvalidValueError, "at least 0"),
        ("half", {}, InvalidTypeError, "a share, a number of images, or two of them, but got 'half'"),
        ((1, 2, 3), {}, InvalidTypeError, r"but got \(1, 2, 3\)"),
        (5, {"stratify": True}, InvalidValueError, "share between 0 and 1 with stratify=True, but got 5"),
        (0.5, {"rng": "seed"}, InvalidTypeError, "rng must be a seed or a numpy.random.Generator"),
    ],
)
def test_splits_that_cannot_be(sizes: Any, options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        numbered().split(sizes, **options)


def test_a_bundle_unpacks() -> None:
    train, test = DataBundle(numbered(), numbered(4))
    assert (len(train), len(test)) == (11, 4)


# batches


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("size", [1, 4, 11, 20])
def test_every_image_comes_once_with_its_label(size: int, dtype: str) -> None:
    data = numbered(dtype=dtype)
    seen = []
    for images, labels in batches(data, size, 3):
        assert images.dtype == dtype
        assert labels.dtype == np.int64
        assert len(images) == len(labels) <= size
        marks = images[:, 0, 0, 0].astype(int)
        assert (marks % 3 == labels).all()
        assert (images == marks[:, None, None, None]).all()
        seen += marks.tolist()
    assert sorted(seen) == list(range(11))


def test_sizes_order_and_length() -> None:
    data = numbered()
    assert [positions_of(images) for images, _ in batches(data, 4, shuffle=False)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10],
    ]
    assert [len(labels) for _, labels in batches(data, 4, 0, drop_last=True)] == [4, 4]
    passing = batches(data, 4, 0)
    assert [len(passing), *(len(passing) for _ in passing)] == [3, 2, 1, 0]
    assert list(batches(data[:0], 4, 0)) == []
    assert len(batches(data, 20, 0, drop_last=True)) == 0


def positions_of(images: np.ndarray) -> list[int]:
    return images[:, 0, 0, 0].astype(int).tolist()


def test_the_order_is_one_permutation_of_the_generator() -> None:
    data, rng, same = numbered(), np.random.default_rng(8), np.random.default_rng(8)
    epochs = [[mark for images, _ in batches(data, 3, rng) for mark in positions_of(images)] for _ in range(2)]
    assert epochs == [same.permutation(11).tolist(), same.permutation(11).tolist()]
    assert epochs[0] != epochs[1]
    dropped = [mark for images, _ in batches(data, 4, 8, drop_last=True) for mark in positions_of(images)]
    assert dropped == epochs[0][:8]


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_belongs_to_who_asked_for_it(shuffle: bool) -> None:
    data = numbered()
    for images, labels in batches(data, 4, 0, shuffle=shuffle):
        images += 100
        labels += 100
    assert positions(data) == list(range(11))
    assert data.labels.max() == 2


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ((numbered(), 4), {}, InvalidTypeError, "rng must be a seed or a numpy.random.Generator.*Pass shuffle=False"),
        ((numbered(), 0, 0), {}, InvalidValueError, "batch_size must be at least 1, but got 0"),
        ((numbered(), 2.0, 0), {}, InvalidTypeError, "batch_size must be an integer"),
        ((numbered(), 2, np.random), {}, InvalidTypeError, "rng must be a seed or"),
        ((numbered().images, 2, 0), {}, InvalidTypeError, "dataset must be a Dataset, but got ndarray"),
        ((numbered(), 2, 0), {"shuffle": "no"}, InvalidTypeError, "shuffle must be True or False"),
    ],
)
def test_batches_that_cannot_be(arguments: Any, options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        batches(*arguments, **options)
