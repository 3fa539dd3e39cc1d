"""Real genomes that the package ships, and a dependency over any distance planted in them."""

from __future__ import annotations

import functools
import gzip
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError, suggestion

__all__ = ["BASES", "GENOMES", "Enhancers", "genome"]

BASES = "ACGT"
GENOMES = {"k12": "MG1655-K12.fasta.gz", "lambda": "lambda_virus.fa.gz"}
HEAD = 1000
"""Bases at a window's beginning among which the enhancer lies; all of them, if a window has fewer."""
MOTIF, COPIES, CHANGED = 20, 4, 2
"""Length of an enhancer's motif, how often it is planted, and bases of each copy that are changed."""

Codes = NDArray[np.uint8]
"""Bases as 0 to 3, in the order of `BASES`."""


@functools.cache
def genome(name: str) -> Codes:
    """Return a genome, its bases as 0 to 3.

    Parameters
    ----------
    name : {"k12", "lambda"}
        *Escherichia coli* K-12 MG1655 (NC_000913) or phage lambda (NC_001416).

    Examples
    --------
    >>> len(genome("lambda")), "".join(BASES[code] for code in genome("lambda")[:12])
    (48502, 'GGGCGGCGACCT')
    """
    if name not in GENOMES:
        raise InputError(f"genome: no '{name}': {suggestion(name, GENOMES)}")
    packed = resources.files("topopt.nets").joinpath("data", GENOMES[name]).read_bytes()
    letters = b"".join(gzip.decompress(packed).upper().split(b"\n")[1:])
    table = np.zeros(256, dtype=np.uint8)
    table[list(BASES.encode())] = range(4)
    codes = table[np.frombuffer(letters, dtype=np.uint8)]
    codes.flags.writeable = False
    return codes


@dataclass(frozen=True)
class Enhancers:
    """Windows of a genome; one of two enhancers is planted near the beginning, and which is asked at the end.

    An enhancer is a motif of 20 random bases, planted four times among the first thousand (anywhere, in a
    window that is shorter), two bases of each copy changed. The last tenth of the genome is kept for judging.

    Parameters
    ----------
    name : str
        Of the genome.
    seed : int
        Of the two motifs.
    """

    name: str = "k12"
    seed: int = 0

    def windows(
        self, count: int, length: int, seed: int, held_out: bool = False
    ) -> tuple[Codes, NDArray[np.intp]]:
        """Return windows, shape (count, length), and which enhancer each has, half and half.

        Raises
        ------
        InputError
            If windows are too short to hold the enhancer, or longer than the genome's part.
        """
        whole = genome(self.name)
        cut = len(whole) * 9 // 10
        part = whole[cut:] if held_out else whole[:cut]
        if not MOTIF * COPIES <= length < len(part):
            raise InputError(
                f"Enhancers: windows of {length} bases; expected {MOTIF * COPIES} to {len(part) - 1} "
                f"on '{self.name}'"
            )
        random = np.random.default_rng((seed, int(held_out)))
        begins = random.integers(0, len(part) - length, count)
        codes = part[begins[:, None] + np.arange(length)]
        labels = random.permutation(np.arange(count) % 2)
        motifs = np.random.default_rng(self.seed).integers(0, 4, (2, MOTIF), dtype=np.uint8)
        for window, label in zip(codes, labels, strict=True):
            slots = random.choice(min(HEAD, length) // MOTIF, COPIES, replace=False) * MOTIF
            for slot in slots:
                copy = motifs[label].copy()
                copy[random.choice(MOTIF, CHANGED, replace=False)] = random.integers(0, 4, CHANGED)
                window[slot : slot + MOTIF] = copy
        return codes, labels
