"""The rib of problems/wing_rib.yaml built in Python: skin and spars of an aerofoil, and its lift.

``python docs/examples/wing.py`` takes half a minute on one core and leaves wing_rib.png.
"""

from __future__ import annotations

import topopt as to
from topopt import figures

NOSE = (0.0, 0.05)


def rib(cells: tuple[int, int] = (400, 56), radius: float = 0.01) -> to.Problem:
    """Return the problem: the stiffest rib under the lift of a thin aerofoil, held by two spars."""
    grid = to.Grid(cells, (1.0, 0.14))
    section = to.Aerofoil("2412", 1.0, NOSE)
    skin = section & ~to.Aerofoil("2412", 1.0, NOSE, inset=0.0075)
    front, rear = (section & to.Box((x, 0.0), (x + 0.01, 0.14)) for x in (0.20, 0.65))
    domain = to.Domain(grid, solid=skin | front | rear, void=~section)
    upper_skin = skin & to.Box((0.0, 0.062), (0.95, 0.14))
    supports = (
        to.Support(section & to.Plane(x=0.205), "y"),
        to.Support(section & to.Plane(x=0.655), "y"),
        to.Support(to.Point((0.205, 0.068)), "x"),
    )
    lift = to.PointLoad(upper_skin, (0.0, 1.0), (("x", "flat_plate"),))
    structure = to.Structure(grid, supports, (lift,))
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, radius)),
            ("physical", to.Tanh(1.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": 0.45})


def main() -> None:
    """Design the rib and draw it."""
    sharper = to.Continuation({"physical.beta": to.Geometric(1.0, 32.0, over=120)})
    last = to.solve(rib(), to.MMA(move=0.1), sharper, to.Stop(progress=1e-3, window=5, iterations=200))
    print(last.reason, last.iteration.objective)
    picture = last.evaluation.picture
    figures.save(figures.design(picture.grid, picture.density), "wing_rib.png")


if __name__ == "__main__":
    main()
