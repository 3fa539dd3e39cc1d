"""A problem file goes in, and everything that a run needs comes out, or all mistakes at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from topopt.continuation import Continuation
from topopt.errors import ProblemFileError
from topopt.evaluation import Model
from topopt.fem import Structure
from topopt.files.build import assembled
from topopt.files.export.body import SMOOTHING
from topopt.files.located import Located, Mistake, located
from topopt.files.modelled import modelled
from topopt.files.overrides import overridden
from topopt.files.references import dangling
from topopt.files.registry import importable
from topopt.files.resolved import resolved
from topopt.files.sanity import examined
from topopt.files.shaping import shaped
from topopt.files.source import text_of
from topopt.optimizers import Optimizer
from topopt.problem import Problem
from topopt.regions import Nowhere, Region
from topopt.run import Stop
from topopt.solvers import Choice

__all__ = ["Job", "parse", "read", "understood"]


@dataclass(frozen=True)
class Job:
    """All that a problem file describes; two are equal if the same run follows from them.

    Attributes
    ----------
    name : str
        Names the run folder.
    description : str
        For the reader.
    problem : Model
        The model; of a file with a grid or a mesh a `Problem`.
    structure : Structure or None
        Supports, loads and material, if a stage needs them.
    optimizer, continuation, stop
        What `topopt.optimize` takes beside the model.
    seed : int or None
        Of the start's noise.
    choice : Choice or None
        The solver, why, and what it will take; None if nothing is solved.
    regions : mapping
        The named regions.
    frames_every : int
        Keep the design of every n-th iteration; 0 for none.
    hidden : Region
        Cells that pictures of the design leave out.
    unit : str or None
        The cells' unit of length, for exports.
    smoothing : float
        Cells over which the exported body is smoothed.
    warnings : tuple of str
        Located sentences on what does not stop the run.
    resolved : str
        The file as it was understood, every default written out.
    source : str
        Where it came from.
    """

    name: str
    problem: Model = field(compare=False)
    structure: Structure | None
    optimizer: Optimizer
    continuation: Continuation
    stop: Stop
    description: str = ""
    seed: int | None = None
    frames_every: int = 5
    hidden: Region = Nowhere()
    unit: str | None = None
    smoothing: float = SMOOTHING
    resolved: str = ""
    regions: Mapping[str, Region] = field(default_factory=dict)
    choice: Choice | None = field(default=None, compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False)

    __hash__ = None  # type: ignore[assignment]

    @property
    def design(self) -> Problem | None:
        """The problem if it is a design on a grid or mesh."""
        return self.problem if isinstance(self.problem, Problem) else None


def read(path: str | Path, overrides: Iterable[str] = ()) -> Job:
    """Read a problem file.

    Parameters
    ----------
    path : str or Path
        A YAML file; what it names is looked for in its folder.
    overrides : iterable of str
        ``path=value``, such as ``grid.cells=[600,200]`` or ``chain.physical.eta=0.4``.

    Returns
    -------
    Job
        Ready to run.

    Raises
    ------
    ProblemFileError
        With every mistake: ``file:line: path: sentence``.
    """
    path = Path(path)
    return parse(text_of(path), str(path), overrides, path.parent)


def parse(text: str, source: str = "<text>", overrides: Iterable[str] = (), folder: str | Path = ".") -> Job:
    """Read a problem from text; see `read`.

    Parameters
    ----------
    text : str
        YAML 1.2.
    source : str
        Name for messages.
    overrides : iterable of str
        ``path=value``.
    folder : str or Path
        Where files and modules that it names are looked for.

    Raises
    ------
    ProblemFileError
        With every mistake of form, names, geometry and mechanics: what is right is examined even if something
        else is wrong. Only wrong syntax comes alone.
    """
    said = overridden(located(text, source), overrides)
    if {"problems", "continuations"} <= said.data.keys():
        raise ProblemFileError([f"{source}: this is a study file; carry it out by `topopt study`"])
    job, mistakes = understood(said, folder)
    if job is None:
        raise said.refusal(mistakes)
    return job


def understood(said: Located, folder: str | Path) -> tuple[Job | None, list[Mistake]]:
    """Return the job that a file describes, or None and what is wrong with the file.

    Parameters
    ----------
    said : Located
        The file.
    folder : str or Path
        Where files and modules that it names are looked for.

    Raises
    ------
    TooLargeError
        If it is right, but does not fit into memory.
    """
    named = said.data.get("folder")
    base = Path(folder) / named if isinstance(named, str) else Path(folder)
    if "model" in said.data:
        return _modelled(said, base)
    with importable(base):
        spec = shaped(said)
        spec.add(dangling(spec))
        parts = assembled(spec, base)
        findings = examined(spec, parts)
    spec.add(findings.mistakes)
    if spec.mistakes:
        return None, spec.mistakes
    if findings.too_large is not None:
        raise findings.too_large
    assert parts.problem is not None
    assert parts.continuation is not None
    assert parts.stop is not None
    job = Job(
        name=spec.top["name"],
        problem=parts.problem,
        structure=parts.structure,
        optimizer=parts.optimizer,
        continuation=parts.continuation,
        stop=parts.stop,
        description=spec.top["description"],
        seed=spec.start["seed"] if isinstance(spec.start, dict) and spec.start["file"] is None else None,
        frames_every=spec.top["output"].frames_every,
        hidden=parts.hidden,
        unit=spec.top["output"].unit,
        smoothing=spec.top["output"].smoothing,
        resolved=resolved(spec, parts, base),
        regions=parts.regions,
        choice=findings.choice,
        warnings=tuple(said.sentence(warning) for warning in findings.warnings),
        source=said.source,
    )
    return job, []


def _modelled(said: Located, base: Path) -> tuple[Job | None, list[Mistake]]:
    """Return the job of a file with a model of its own."""
    found, mistakes = modelled(said, base)
    if found is None:
        return None, mistakes
    top, parts = found.spec.top, found.parts
    assert parts.continuation is not None
    assert parts.stop is not None
    job = Job(
        name=top["name"],
        problem=found.model,
        structure=None,
        optimizer=parts.optimizer,
        continuation=parts.continuation,
        stop=parts.stop,
        description=top["description"],
        **dict(top["output"]),
        resolved=found.resolved,
        source=said.source,
    )
    return job, []
