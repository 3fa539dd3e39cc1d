"""Half an MBB beam at any size, with a projection that nothing has sharpened yet."""

from __future__ import annotations

import topopt as to


def half_mbb(nx: int = 24, ny: int = 8, volume: float = 0.5, radius: float = 2.0) -> to.Problem:
    """Return the beam, on unit cells; at the default size an iteration takes a hundredth of a second."""
    grid = to.Grid((nx, ny))
    domain = to.Domain(grid)
    supports = (to.Support(to.Plane(x=0.0), "x"), to.Support(to.Point((nx, 0.0)), "y"))
    structure = to.Structure(grid, supports, (to.PointLoad(to.Point((0.0, ny)), (0.0, -1.0)),))
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, radius)),
            ("physical", to.Tanh(beta=1.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": volume})
