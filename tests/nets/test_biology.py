"""Genomes and proteins that the package ships are what their records say, and tasks on them are fair."""

from __future__ import annotations

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.nets.genomes import COPIES, MOTIF, Enhancers, genome
from topopt.nets.proteins import BINS, CONTACT, chains, contacts


def test_the_genomes_are_those_of_their_records() -> None:
    """Lengths of NC_001416 and NC_000913; the latter's share of G and C is 50.8 %."""
    assert len(genome("lambda")) == 48_502
    k12 = genome("k12")
    assert len(k12) == 4_639_675
    assert np.isin(k12, (1, 2)).mean() == pytest.approx(0.508, abs=5e-4)
    with pytest.raises(ValueError, match="read-only"):
        k12[0] = 1
    with pytest.raises(InputError, match="no 'K12': did you mean 'k12'"):
        genome("K12")


def test_windows_hold_one_of_two_enhancers_in_a_genome_that_is_real() -> None:
    task = Enhancers()
    codes, labels = task.windows(40, 3000, seed=1)
    assert codes.shape == (40, 3000)
    assert labels.sum() == 20
    motifs = np.random.default_rng(0).integers(0, 4, (2, MOTIF), dtype=np.uint8)
    for window, label in zip(codes, labels, strict=True):
        hits = [
            [(window[slot : slot + MOTIF] == motif).sum() >= MOTIF - 2 for slot in range(0, 1000, MOTIF)]
            for motif in motifs
        ]
        assert sum(hits[label]) == COPIES
        assert sum(hits[1 - label]) == 0
    # what lies behind the enhancer is genome, letter by letter
    tail = codes[0, 1000:].tobytes()
    assert tail in genome("k12").tobytes()


def test_genome_to_judge_by_is_never_learnt_from() -> None:
    whole = genome("k12").tobytes()
    cut = len(whole) * 9 // 10
    for held_out in (False, True):
        codes, _ = Enhancers().windows(5, 5000, seed=2, held_out=held_out)
        places = [whole.find(window[1000:].tobytes()) for window in codes]
        assert all((place >= cut) == held_out for place in places)


def test_windows_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="windows of 79 bases; expected 80 to"):
        Enhancers().windows(1, 79, 0)
    with pytest.raises(InputError, match="on 'lambda'"):
        Enhancers("lambda").windows(1, 48_000, 0)


def test_contacts_are_those_of_the_coordinates() -> None:
    learnt, held_out = contacts(), contacts(held_out=True)
    assert len(learnt.first) == 29_979
    assert len(held_out.first) == 6_460
    assert not set(learnt.chain) & set(held_out.chain)
    for pairs in (learnt, held_out):
        assert pairs.separation.min() == BINS[0][0]
        assert pairs.separation.max() <= BINS[-1][1]
        for c, i, j in list(zip(pairs.chain, pairs.first, pairs.second, strict=True))[::997]:
            atoms = chains()[c].atoms
            assert np.linalg.norm(atoms[i] - atoms[j]) < CONTACT


def test_neighbours_along_a_chain_are_a_peptide_bond_apart() -> None:
    """C-alpha atoms of bonded residues are 3.8 Å apart, which says that coordinates and units are right."""
    gaps = np.concatenate([np.linalg.norm(np.diff(c.atoms, axis=0), axis=1) for c in chains()])
    assert np.median(gaps) == pytest.approx(3.8, abs=0.03)
