"""Protein chains that the package ships, with the contacts of their folds."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "CONTACT", "Contacts", "ProteinChain", "chains", "contacts"]

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
HYDROPHOBIC = frozenset("ACFILMVWY")
"""Residues that shun water, the class that is asked for; about half of all are."""
CONTACT = 8.0
"""Two residues whose C-alpha atoms are this close touch, in Å."""
BINS = ((6, 11), (12, 23), (24, 47), (48, 95), (96, 191), (192, 383))
"""Separations along the chain, from and to."""


@dataclass(frozen=True, eq=False)
class ProteinChain:
    """A protein chain.

    Attributes
    ----------
    name : str
        File and chain.
    residues : array of int, shape (n,)
        0 to 19, and 20 for what is none of the usual.
    atoms : array, shape (n, 3)
        C-alpha coordinates, Å.
    """

    name: str
    residues: NDArray[np.intp]
    atoms: NDArray[np.float64]

    @property
    def hydrophobic(self) -> NDArray[np.intp]:
        """1 for every residue that shuns water, 0 for the others."""
        table = np.array([letter in HYDROPHOBIC for letter in RESIDUES] + [False])
        return table[self.residues].astype(np.intp)


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of residues that touch.

    Attributes
    ----------
    chain, first, second : array of int, shape (pairs,)
        Which chain, and which residues of it.
    kind : array of int, shape (pairs,)
        1 where the first of the two shuns water.
    """

    chain: NDArray[np.intp]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    kind: NDArray[np.intp]

    @property
    def separation(self) -> NDArray[np.intp]:
        """How far apart they are along the chain."""
        return self.second - self.first


@functools.cache
def chains() -> tuple[ProteinChain, ...]:
    """Return the 115 chains.

    Examples
    --------
    >>> len(chains()), sum(len(chain.residues) for chain in chains())
    (115, 22962)
    """
    with resources.files("topopt.nets").joinpath("data", "proteins.npz").open("rb") as file:
        data = np.load(file)
        names, sequences, lengths, xyz = (data[key] for key in ("names", "sequences", "lengths", "xyz"))
    ends = np.cumsum(lengths)
    found = []
    for name, letters, begin, end in zip(names, sequences, ends - lengths, ends, strict=True):
        codes = [RESIDUES.find(letter) for letter in str(letters)]
        residues = np.array([code if code >= 0 else len(RESIDUES) for code in codes], dtype=np.intp)
        found.append(ProteinChain(str(name), residues, 0.1 * xyz[begin:end].astype(np.float64)))
    return tuple(found)


@functools.cache
def contacts(held_out: bool = False) -> Contacts:
    """Return all contacts whose separation lies in `BINS`, of four chains in five or of the fifth.

    Parameters
    ----------
    held_out : bool
        Whether those of the chains that are kept for judging are wanted.
    """
    whole: list[NDArray[np.intp]] = []
    for number, chain in enumerate(chains()):
        if (number % 5 == 4) != held_out:
            continue
        apart = np.linalg.norm(chain.atoms[:, None] - chain.atoms[None], axis=2)
        first, second = np.nonzero(np.triu(apart < CONTACT, BINS[0][0]))
        near = second - first <= BINS[-1][1]
        kind = chain.hydrophobic[first[near]]
        whole.append(np.stack([np.full(near.sum(), number), first[near], second[near], kind]))
    return Contacts(*np.concatenate(whole, axis=1))
