"""Codes of signs by which alike samples are found: the loss that brings them together, and its yardstick."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.chain import Pullback
from topopt.errors import InputError
from topopt.nets.layers import Loss
from topopt.nets.samples import Samples
from topopt.parameters import Array, Positive

__all__ = ["PairwiseLikelihood", "mean_average_precision"]


@dataclass(frozen=True)
class PairwiseLikelihood(Loss):
    """Minus the weighted log-likelihood of which samples are of one class, given their codes: HashNet's loss.

    Two samples are alike with probability ``1 / (1 + exp(-a <h, k>))``, where h and k are their codes and a
    is `steepness` over the number of bits. A pair weighs as much as there are few of its kind, so that those
    that are alike weigh together as much as those that are not, and both one half.

    Parameters
    ----------
    samples : Samples
        With the classes.
    steepness : float
        Of the likelihood, for codes that agree in all of their bits.

    References
    ----------
    Cao, Long, Wang and Yu 2017, HashNet, arXiv:1702.00758, equation 4; the steepness is that of the authors'
    code.
    """

    samples: Samples
    steepness: Positive = 10.0

    def __post_init__(self) -> None:
        """Refuse samples among which no two, or all, are alike."""
        super().__post_init__()
        labels = self.samples.labels
        if len(np.unique(labels)) in (1, len(labels)):
            raise InputError("PairwiseLikelihood.samples: expected some that are of one class, and some not")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the loss of codes, shape (samples, bits)."""
        (codes,) = inputs
        alike, weights = _pairs(self.samples)
        scale = self.steepness / codes.shape[1]
        z = scale * (codes @ codes.T)
        likely = np.exp(-np.abs(z))
        # log(1 + exp(z)) - s z, which neither overflows nor cancels
        misfit = np.maximum(z, 0.0) + np.log1p(likely) - alike * z

        def pullback(v: Array) -> tuple[Array]:
            chance = np.where(z >= 0, 1.0, likely) / (1.0 + likely)
            return ((2.0 * scale * float(v)) * ((weights * (chance - alike)) @ codes),)

        return np.asarray((weights * misfit).sum()), pullback

    def score(self, output: Array) -> float:
        """Return the mean average precision of the codes' signs."""
        return mean_average_precision(np.where(output < 0, -1.0, 1.0), self.samples.labels)


@functools.lru_cache(maxsize=4)
def _pairs(samples: Samples) -> tuple[Array, Array]:
    """Return which pairs are alike, 0 or 1, and what each weighs; a sample is no pair with itself."""
    alike = (samples.labels[:, None] == samples.labels).astype(np.float64)
    others = 1.0 - np.eye(len(alike))
    near, far = alike * others, 1.0 - alike
    weights = 0.5 * near / near.sum() + 0.5 * far / far.sum()
    for array in (alike, weights):
        array.flags.writeable = False
    return alike, weights


def mean_average_precision(codes: Array, labels: NDArray[np.intp]) -> float:
    """Return how good codes are at finding what is alike: each asks for all the others, the nearest first.

    The precision at a sample that is found is the share, of all found up to there, that are of the class
    asked for; it is averaged over those that are, and then over who asks. Many lie equally near, since
    distances count bits: the value is the mean over all orders of these.

    Parameters
    ----------
    codes : array, shape (samples, bits)
        Of -1 and 1.
    labels : array of int, shape (samples,)
        Classes.

    Raises
    ------
    InputError
        If a sample is the only one of its class, and nothing could be found.

    References
    ----------
    McSherry and Najork 2008, doi:10.1007/978-3-540-78646-7_38 (precision under ties)

    Examples
    --------
    >>> codes = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, 1.0]])
    >>> mean_average_precision(codes, np.array([0, 0, 1, 1]))
    0.9027777777777778
    """
    count, bits = codes.shape
    distance = np.rint(0.5 * (bits - codes @ codes.T)).astype(np.intp)
    place = distance + (bits + 1) * np.arange(count)[:, None]
    alike = labels[:, None] == labels
    shape = count, bits + 1
    found = np.bincount(place.ravel(), minlength=count * (bits + 1)).reshape(shape).astype(np.float64)
    right = np.bincount(place[alike], minlength=count * (bits + 1)).reshape(shape).astype(np.float64)
    found[:, 0] -= 1.0  # nobody asks for itself
    right[:, 0] -= 1.0
    if not right.sum(axis=1).all():
        raise InputError("mean_average_precision: expected at least two samples of every class")
    before, hit = np.cumsum(found, axis=1) - found, np.cumsum(right, axis=1) - right
    # Of n that tie r are right. The i-th is so with r / n, and has (i - 1) (r - 1) / (n - 1) right ones of
    # the tied in front of it; summed over i from 1 to n by harmonic numbers.
    rest = np.divide(right - 1.0, found - 1.0, out=np.zeros(shape), where=found > 1)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, count + 1))])
    apart = harmonic[(before + found).astype(np.intp)] - harmonic[before.astype(np.intp)]
    summed = (hit + 1.0 - rest * (before + 1.0)) * apart + rest * found
    gained = np.divide(right, found, out=np.zeros(shape), where=found > 0) * summed
    return float((gained.sum(axis=1) / right.sum(axis=1)).mean())
