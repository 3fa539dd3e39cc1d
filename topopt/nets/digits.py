"""Handwritten digits, 8 x 8 pixels, as scikit-learn ships them."""

from __future__ import annotations

import numpy as np

from topopt.errors import MissingDependencyError
from topopt.nets.samples import Samples

__all__ = ["digits"]


def digits(train: int = 1200, seed: int = 0) -> tuple[Samples, Samples]:
    """Return digits to learn from and digits to judge by; pixels run from -1 to 1.

    Parameters
    ----------
    train : int
        How many of the 1,797 are learnt from.
    seed : int
        Of their order.

    Raises
    ------
    MissingDependencyError
        Without scikit-learn.

    References
    ----------
    Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, doi:10.24432/C50P49
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError(
            'digits come with scikit-learn, which is not installed: pip install "topopt[nets]"'
        ) from error
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    inputs, classes = images[order] / 8.0 - 1.0, labels[order].astype(np.intp)
    return Samples(inputs[:train], classes[:train]), Samples(inputs[train:], classes[train:])
