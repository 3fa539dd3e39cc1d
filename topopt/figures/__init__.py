"""Pictures of problems, designs and runs; the only room that knows matplotlib and pyvista."""

from topopt.figures.camera import VIEWS
from topopt.figures.convergence import convergence
from topopt.figures.densities import densities
from topopt.figures.fading import vanishing
from topopt.figures.film import animate
from topopt.figures.picture import design
from topopt.figures.sketch import sketch
from topopt.figures.strength import Strength, strengths
from topopt.figures.style import save

__all__ = [
    "VIEWS",
    "Strength",
    "animate",
    "convergence",
    "densities",
    "design",
    "save",
    "sketch",
    "strengths",
    "vanishing",
]
