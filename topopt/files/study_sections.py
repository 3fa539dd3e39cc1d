"""The sections of a study file."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import Field

from topopt.files.fields import Entry, FiniteNumber

__all__ = ["StudyProblem", "StudySections", "StudyStarts", "StudyStop", "StudyYardstick"]


class StudyStarts(Entry):
    """The starts of every problem: its own, and some with noise, or of nets some from other seeds."""

    perturbed: Annotated[
        int,
        Ge(0),
        Field(description="Starts with noise, or from other seeds, beside the problem's own."),
    ] = 0
    noise: Annotated[FiniteNumber, Gt(0), Le(1), Field(description="Largest deviation of a density.")] = 0.1
    seed: Annotated[int, Ge(0), Field(description="Of the noise; each start has noise of its own.")] = 0


class StudyStop(Entry):
    """When a trial ends before its budget does, whatever the problem files ask for."""

    progress: Annotated[
        FiniteNumber, Gt(0), Field(description="Change of the densities, root mean square, that is rest.")
    ] = 1e-4
    window: Annotated[int, Ge(1), Field(description="For how many iterations in a row.")] = 5
    discreteness: Annotated[
        FiniteNumber, Ge(0), Le(1), Field(description="Largest M_nd that counts as black and white.")
    ] = 0.02


class StudyProblem(Entry):
    """A problem file, with a few values changed."""

    file: Annotated[str, Field(description="The problem file, seen from the study file's folder.")]
    set: dict[str, Any] = Field(
        default_factory=dict, description="Other values by dotted path, such as limits.volume: 0.3."
    )
    starts: Annotated[StudyStarts | None, Field(description="Other starts than the study's.")] = None


class StudyYardstick(Entry):
    """How the final designs are judged, where the problems do not say so by themselves."""

    volume: Annotated[
        FiniteNumber | None,
        Gt(0),
        Le(1),
        Field(description="Share of the cells that becomes solid; the problem's limit if left out."),
    ] = None
    response: Annotated[
        str | None, Field(description="What is compared; what the problem minimises if left out.")
    ] = None
    e_min: Annotated[FiniteNumber, Gt(0), Lt(1), Field(description="Stiffness of a void cell.")] = 1e-9


class StudySections(Entry):
    """A study: problems under continuations, with one budget and one yardstick."""

    name: Annotated[str, Field(description="Names the study's folder: letters, digits, '_', '-', '.'.")]
    description: Annotated[str, Field(description="For the reader.")] = ""
    problems: Annotated[dict[str, StudyProblem], MinLen(1), Field(description="Problem files by name.")]
    continuations: Annotated[
        dict[str, dict[str, Any]],
        MinLen(1),
        Field(description="By name: schedules by parameter, settings of the continuation, and set."),
    ]
    starts: StudyStarts = StudyStarts()
    stop: StudyStop = StudyStop()
    budget: Annotated[int, Ge(1), Field(description="State solves of a trial.")] = 400
    judge_every: Annotated[int, Ge(1), Field(description="Iterations between two judgements.")] = 5
    optimizer: dict[str, Any] | None = Field(
        default=None, description="For all trials; the problem's if left out."
    )
    yardstick: StudyYardstick = StudyYardstick()
