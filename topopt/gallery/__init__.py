"""One accident, many systems: how a signal dies in each, and what is left of it after the cure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from topopt.figures.strength import Strength
from topopt.files.markdown import markdown_table
from topopt.gallery import designs, dynamics

__all__ = ["gallery", "systems", "table"]

PROBLEMS = Path(__file__).parents[2] / "problems"
"""Where a checkout keeps its problem files; an installed package has none."""
FILES = {"bridge": "bridge.yaml", "wing rib": "wing_rib.yaml"}
"""Which of them are measured, and what they are called."""

Measured = Callable[[], Strength]


def systems(problems: Path = PROBLEMS) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """Return what measures each system, and a sentence for each that cannot be measured here.

    Parameters
    ----------
    problems : Path
        Folder with the problem files of the bridge and of the wing's rib.
    """
    made: list[Measured] = [designs.beam, designs.inverter]
    missing = []
    for system, name in FILES.items():
        if (problems / name).exists():
            made.append(functools.partial(designs.of_file, problems / name, system))
        else:
            missing.append(
                f"The {system} is left out: its problem file, {name}, comes with the repository only."
            )
    digits = find_spec("sklearn") is not None
    if digits:
        made.append(dynamics.signs)
    else:
        missing.append('The sign net is left out: it needs scikit-learn, pip install "topopt[nets]".')
    made += [dynamics.long, dynamics.flossed, dynamics.critic, dynamics.neuron, dynamics.steered]
    if digits and find_spec("torch") is not None:
        from topopt.gallery import learnt

        made += [learnt.enhancer, learnt.protein, learnt.duel, learnt.pixels]
    else:
        missing.append(
            "Genome, protein contacts, the GAN on digits and chosen pixels are left out: they need torch and "
            'scikit-learn, pip install "topopt[nets]".'
        )
    return tuple(made), tuple(missing)


def gallery() -> Iterator[Strength]:
    """Yield every system that can be measured here, measured now; two minutes on a busy core."""
    for measure in systems()[0]:
        yield measure()


def table(found: Sequence[Strength], missing: Sequence[str] = ()) -> str:
    """Return as Markdown where each signal died, what measured it, what healed it and what that gained.

    Parameters
    ----------
    found : sequence of Strength
        The systems.
    missing : sequence of str
        A sentence for each that was left out.
    """
    head = (
        "system", "where the signal dies", "measured as", "left before, powers of ten", "cure", "left after",
        "what it gained",
    )  # fmt: skip
    rows = [
        (one.system, one.died, one.measured, f"{one.before[-1]:,.1f}", one.cure, f"{one.after[-1]:,.1f}",
         one.gained)
        for one in found
    ]  # fmt: skip
    return "\n".join([markdown_table(head, rows), *(f"\n{sentence}" for sentence in missing)]) + "\n"
