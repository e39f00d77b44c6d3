"""Which images a rank has, and numbers that are drawn for them."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv.data.augment import Compose, RandomCrop, RandomFlip
from fastconv.layers import Dropout, Dropout2d
from fastconv.parallel.shares import Share


@pytest.mark.parametrize("whole", [1, 2, 3, 7, 33])
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_every_image_belongs_to_one_rank(whole: int, ranks: int) -> None:
    shares = [Share.of(whole, rank, ranks) for rank in range(ranks)]
    counted = [i for share in shares if share.weight for i in range(whole)[share.part]]
    assert counted == [*range(whole)]
    assert sum(share.weight for share in shares) == pytest.approx(1)
    assert all(share.images > 0 for share in shares)  # also of a rank with no image of its own
    own = [share.images for share in shares if share.weight]
    assert max(own) - min(own) <= 1


@pytest.mark.parametrize("ranks", [2, 3, 9])
def test_augmentation_does_not_depend_on_ranks(ranks: int) -> None:
    images = np.arange(7 * 2 * 5 * 6, dtype=np.float32).reshape(7, 2, 5, 6)
    augment = Compose(
        RandomFlip(), RandomCrop((5, 6), padding=2), lambda x, rng: x + rng.normal(size=(len(x), 1, 1, 1))
    )
    rng = np.random.default_rng(3)
    whole = augment(images, rng)
    for rank in range(ranks):
        share, own = Share.of(7, rank, ranks), np.random.default_rng(3)
        assert np.array_equal(augment(images[share.part], share.draws(own)), whole[share.part])
        assert own.bit_generator.state == rng.bit_generator.state


@pytest.mark.parametrize("layer", [Dropout, Dropout2d])
@pytest.mark.parametrize("backend", ["fast", "numpy"])
def test_dropout_does_not_depend_on_ranks(layer: type[Dropout], backend: str) -> None:
    import fastconv as fc

    x = np.ones((7, 3, 5, 4), np.float32)
    with fc.use_backend(backend):
        whole = layer(0.5, rng=5)(x)
        for rank in range(3):
            share, one = Share.of(7, rank, 3), layer(0.5, rng=5)
            one.first_image = share.first
            assert np.array_equal(one(x[share.part]), whole[share.part])
