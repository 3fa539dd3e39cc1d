"""The sections of a problem file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import Field

from topopt.fem import BodyLoad, LineLoad, PointLoad, SurfaceLoad
from topopt.files.export.body import SMOOTHING
from topopt.files.fields import Entry, FiniteNumber, RegionField

__all__ = ["LOADS", "Case", "ModelSections", "Output", "Passive", "Sections", "Start"]

LOADS = {
    "force": PointLoad,
    "force_per_length": LineLoad,
    "traction": SurfaceLoad,
    "force_per_volume": BodyLoad,
}
"""What a load gives says which kind it is."""


Names = Annotated[list[str], MinLen(1)]


class Passive(Entry):
    """Cells that are not up for design."""

    solid: Annotated[RegionField | None, Field(description="Cells that stay solid.")] = None
    void: Annotated[RegionField | None, Field(description="Cells that stay void.")] = None


class Case(Entry):
    """Loads that act together, and how much the case counts."""

    name: Annotated[str, Field(description="Names the case in results and messages.")]
    loads: Annotated[list[Any], MinLen(1), Field(description="They add up.")]
    weight: Annotated[FiniteNumber, Ge(0), Field(description="Factor in responses that sum over cases.")] = (
        1.0
    )


class Start(Entry):
    """The densities to start from: a number with noise, or a file."""

    density: Annotated[FiniteNumber, Ge(0), Le(1), Field(description="Density of every cell.")] | None = None
    noise: Annotated[FiniteNumber, Ge(0), Le(1), Field(description="Largest deviation from it.")] = 0.0
    seed: Annotated[int, Ge(0), Field(description="Of the noise; the same seed gives the same start.")] = 0
    file: Annotated[str, Field(description="A design.npz of a run with the same grid.")] | None = None


class Output(Entry):
    """What a run leaves besides its tables."""

    frames_every: Annotated[
        int, Ge(0), Field(description="Keep the design of every n-th iteration; 0: none.")
    ] = 5


class DesignOutput(Output):
    """What a run of a design leaves besides its tables."""

    hidden: Annotated[
        RegionField | None, Field(description="Cells that pictures of the design leave out, such as a skin.")
    ] = None
    unit: Annotated[
        Literal["mm", "cm", "m", "in"] | None,
        Field(description="The grid's unit of length, for SVG, DXF, 3MF."),
    ] = None
    smoothing: Annotated[
        FiniteNumber, Ge(0), Field(description="Cells over which the exported body is smoothed.")
    ] = SMOOTHING


class Sections(Entry):
    """A topology optimisation problem: a structure, a chain of stages, what to lower and what to respect."""

    name: Annotated[str, Field(description="Names the run folder: letters, digits, '_', '-', '.'.")]
    description: Annotated[str, Field(description="For the reader.")] = ""
    folder: Annotated[
        str, Field(description="Where files and modules are looked for; the problem file's own, if left out.")
    ] = ""
    grid: dict[str, Any] = Field(default_factory=dict, description="A box of equal cells; this, or a mesh.")
    mesh: dict[str, Any] = Field(default_factory=dict, description="Cells from a file, instead of a grid.")
    material: dict[str, Any] = Field(default_factory=dict)
    regions: dict[str, RegionField] = Field(default_factory=dict, description="Parts of space by name.")
    passive: Passive = Passive()
    supports: list[Any] = Field(default_factory=list, description="Where the structure is held.")
    loads: list[Any] = Field(default_factory=list, description="Loads that act together, as one case.")
    cases: list[Case] = Field(default_factory=list, description="Several load cases, instead of loads.")
    chain: Annotated[list[Any], MinLen(1), Field(description="Named stages from the design to numbers.")]
    minimise: Annotated[
        str | Names, Field(description="The response to lower, or a list of which the largest is lowered.")
    ]
    limits: dict[str, Any] = Field(
        default_factory=dict, description="Limits by response: a number is an upper limit."
    )
    density: Annotated[str, Field(description="The link that is the design to look at.")] = "physical"
    start: Annotated[Any, Field(description="The volume limit, or else 0.5, if left out.")] = None
    continuation: dict[str, Any] = Field(
        default_factory=dict, description="Schedules by parameter, link.field."
    )
    optimizer: dict[str, Any] = Field(default_factory=lambda: {"type": "mma"})
    stop: dict[str, Any] = Field(default_factory=dict)
    output: DesignOutput = DesignOutput()


class ModelSections(Entry):
    """A model of its own, such as a net, under a continuation."""

    name: Annotated[str, Field(description="Names the run folder: letters, digits, '_', '-', '.'.")]
    description: Annotated[str, Field(description="For the reader.")] = ""
    folder: Annotated[
        str, Field(description="Where modules are looked for; the file's own, if left out.")
    ] = ""
    model: Annotated[dict[str, Any], Field(description="A net, or whatever has a model's methods.")]
    continuation: dict[str, Any] = Field(
        default_factory=dict, description="Schedules by parameter, as the model names them."
    )
    optimizer: dict[str, Any] = Field(default_factory=lambda: {"type": "adam"})
    stop: dict[str, Any] = Field(default_factory=dict)
    output: Output = Output()
