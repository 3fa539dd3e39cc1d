"""A problem: a chain of stages, what may move, what to lower, what to respect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from topopt.cells import Cells
from topopt.chain import Chain, Tape
from topopt.design import Design
from topopt.errors import InputError, ParameterError, suggestion
from topopt.evaluation import Bounds, Evaluation
from topopt.grid import Domain, Grid, designed
from topopt.limits import PREFIX, Limit, Side, bounded, limit_from, sides
from topopt.measures import discreteness, interface
from topopt.meshes import Mesh
from topopt.parameters import Array, frozen, is_frozen
from topopt.signals import signals, stacked
from topopt.stages.preserving import PreservingExponential, PreservingTanh
from topopt.stages.responses import Mean

__all__ = ["RESERVED", "Problem"]

RESERVED = ("grid", "limits", "optimizer")
"""Names that no link may have: with a dot behind them they are names of other parameters."""
EQUAL = 1e-9
"""Cells of a mesh are equal if their volumes differ by less than this share."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What `topopt.optimize` works on when the model is a chain of stages on a grid or mesh.

    The design variables are the densities of the cells that are not passive, between 0 and 1.

    Parameters
    ----------
    chain : Chain
        From the design (n_cells,) to responses of shape ().
    domain : Domain
        The cells, and which of them are passive; a bare grid is taken as one without passive parts.
    minimise : str or tuple of str
        Name of the response to lower; of several, which are rivals, the largest is lowered.
    limits : mapping
        Limits by name of response: a number is an upper limit, else a `Limit`. They can be scheduled as
        ``limits.<response>`` and, a lower one, ``limits.<response>.lower``.
    start : float or array, optional
        Densities to start from, a number or one per cell; the volume limit, or else 0.5, if left out.
    density : str
        The name on the tape that is the design to look at and to build.

    Raises
    ------
    InputError
        If a name is not in the chain, a link is called ``limits`` or ``optimizer``, a mean density is limited
        to what always or never holds, or the start is out of bounds; at the first evaluation, if a response
        is no scalar.
    """

    chain: Chain
    domain: Domain
    minimise: str | tuple[str, ...]
    limits: Mapping[str, float | Limit] = field(default_factory=dict)
    start: float | Array | None = None
    density: str = "physical"

    def __post_init__(self) -> None:
        """Normalise and refuse names that are not in the chain."""
        object.__setattr__(self, "domain", designed(self.domain))
        if not isinstance(self.chain, Chain):
            object.__setattr__(self, "chain", Chain(self.chain))
        self._require_one_mesh()
        for name in RESERVED:
            if name in self.chain.names:
                raise InputError(f"link '{name}': parameters of the {name} bear this name; take another")
        limits = {name: limit_from(name, value) for name, value in self.limits.items()}
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "minimise", _objectives(self.minimise))
        for name in self.objectives:
            self._require_response("minimise", name)
        for name, limit in self._limits():
            self._require_response("limits", name)
            if self._is_mean_density(name):
                _require_share(name, limit)
        if self.density not in self.chain.names:
            hint = suggestion(self.density, self.chain.names)
            raise InputError(f"density: no '{self.density}' in the chain: {hint}")
        object.__setattr__(self, "start", self._start())

    @property
    def mesh(self) -> Cells:
        """The cells."""
        return self.domain.mesh

    @property
    def grid(self) -> Grid:
        """The grid; what asks for it cannot do with a mesh, which is refused."""
        return self.domain.grid

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the responses whose largest is lowered, at least one."""
        return (self.minimise,) if isinstance(self.minimise, str) else self.minimise

    def initial(self) -> Array:
        """Return the start: densities of the active cells, shape (n,)."""
        return np.asarray(self.start)[self.domain.active]

    def bounds(self) -> Bounds:
        """Return 0 and 1 for every variable."""
        n = self.domain.n_active
        return Bounds(np.zeros(n), np.ones(n))

    def parameters(self) -> dict[str, float]:
        """Return every parameter, ``link.field`` of the chain and ``limits.<response>``, with its value."""
        return self.chain.parameters() | {f"{PREFIX}{side.name}": side.bound for side in self.sides({})}

    def field(self, x: Array) -> Array:
        """Return the design variables as a field: passive cells 1 or 0, shape (n_cells,).

        Where there are no passive cells, a read-only design is its own field.
        """
        active = self.domain.active
        if x.shape != (self.domain.n_active,):
            raise InputError(f"design: expected shape ({self.domain.n_active},), got {x.shape}")
        if x.size == active.size:
            return x if is_frozen(x) and x.dtype == np.float64 else np.array(x, dtype=np.float64)
        out = np.where(self.domain.solid_cells, 1.0, 0.0)
        out[active] = x
        return out

    def tape(self, x: Array, parameters: Mapping[str, float] | None = None) -> Tape:
        """Run the chain on the design variables, shape (n,), at parameters that override its own."""
        parameters = parameters or {}
        self.sides(parameters)
        own = {name: value for name, value in parameters.items() if not name.startswith(PREFIX)}
        return self.chain.at(own).run(frozen(self.field(x)))

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate the design variables, shape (n,), at parameters that override the problem's own."""
        parameters = parameters or {}
        sides = self.sides(parameters)
        tape = self.tape(x, parameters)
        source = tape.chain.source
        values = [tape[name].item() for name in self.objectives]
        objectives = [tape.sensitivities(name) for name in self.objectives]
        worst = int(np.argmax(values))
        rivals = objectives if len(objectives) > 1 else []
        constraints = self._constraint_sensitivities(tape, sides)
        density = self._cut(tape[self.density])
        # Everything is pulled back: only the log still looks at the gates, for which no state is needed.
        tape = tape.narrowed(link.name for link in tape.chain if link.stage.sharp)

        def rows(sensitivities: Sequence[Mapping[str, Array]]) -> Array:
            return stacked([self._cut(row[source]) for row in sensitivities], x.size)

        return Evaluation(
            objective=float(values[worst]),
            gradient=self._cut(objectives[worst][source]),
            constraints=_constraints(tape.values, sides),
            jacobian=rows(constraints),
            constraint_names=tuple(side.name for side in sides),
            recheck=self._recheck(tape.chain, sides),
            rivals=np.array(values if rivals else [], dtype=np.float64),
            rival_jacobian=rows(rivals) if rivals else np.zeros((0, 0)),
            rival_names=self.objectives if rivals else (),
            signals=signals(tape, objectives[worst], constraints, parameters, self._cut, rivals),
            output=density,
            responses={name: float(value.item()) for name, value in tape.values.items() if value.size == 1},
            measures={"discreteness": discreteness(density, self._volumes())} | self._interfaces(tape),
            solves=sum(link.stage.costly for link in self.chain),
            picture=Design(self.mesh, tape[self.density]),
        )

    def sides(self, parameters: Mapping[str, float]) -> tuple[Side, ...]:
        """Return every side of every limit, at the bounds that the parameters give.

        Parameters
        ----------
        parameters : mapping
            Bounds by ``limits.<response>``; others are overlooked.

        Raises
        ------
        ParameterError
            If a parameter is that of a limit that the problem does not have.
        """
        known = [f"{PREFIX}{side.name}" for side in sides(self._limits())]
        for name in parameters:
            if name.startswith(PREFIX) and name not in known:
                raise ParameterError(f"'{name}' is not a limit of the problem: {suggestion(name, known)}")
        return tuple(
            sides(
                (name, bounded(name, limit, parameters, self._is_mean_density(name)))
                for name, limit in self._limits()
            )
        )

    def _cut(self, field: Array) -> Array:
        """Return the active cells of a field; what is no field passes."""
        whole = field.shape != (self.mesh.n_cells,) or self.domain.n_active == self.mesh.n_cells
        return field if whole else field[self.domain.active]

    def _start(self) -> Array:
        """Return the field to start from."""
        start = self.start
        if start is None:
            uppers = [limit.upper for name, limit in self._limits() if self._is_mean_density(name)]
            volume = next((bound for bound in uppers if bound is not None), None)
            start = 0.5 if volume is None else self.domain.density_for(volume)
        values = self.mesh.field(start, "start")
        if values.min() < 0 or values.max() > 1:
            found = f"{values.min():g} to {values.max():g}"
            raise InputError(f"start: densities lie between 0 and 1, got {found}")
        return values

    def _require_one_mesh(self) -> None:
        """Refuse stages that were made for other cells, or take cells of a mesh for equal."""
        unequal = isinstance(self.mesh, Mesh) and np.ptp(self.mesh.volumes) > EQUAL * self.mesh.volumes[0]
        for link in self.chain:
            for part in vars(link.stage).values():
                mesh = part if isinstance(part, Cells) else getattr(part, "mesh", None)
                if isinstance(mesh, Cells) and mesh != self.mesh:
                    raise InputError(
                        f"link '{link.name}' was made for {mesh}, the problem's domain is {self.mesh}"
                    )
            if unequal and isinstance(link.stage, PreservingTanh | PreservingExponential):
                raise InputError(
                    f"link '{link.name}': {type(link.stage).__name__} keeps the sum of the densities, which "
                    f"is the volume only where all cells are equal; take {type(link.stage).__name__[10:]}"
                )

    def _volumes(self) -> Array | None:
        """Return the volumes of the active cells if they may differ."""
        return self._cut(self.mesh.volumes) if isinstance(self.mesh, Mesh) else None

    def _require_response(self, role: str, name: str) -> None:
        """Refuse a response that no link gives."""
        names = self.chain.names[1:]
        if name not in names:
            raise InputError(f"{role}: no '{name}' in the chain: {suggestion(name, names)}")

    def _is_mean_density(self, name: str) -> bool:
        """Return whether a response is the mean of the density, or of what becomes the density."""
        link = self.chain[name]
        before = {self.chain.source}
        if self.density != self.chain.source:
            before |= self.chain.ancestors(self.density)
        return isinstance(link.stage, Mean) and link.reads[0] in before

    def _limits(self) -> list[tuple[str, Limit]]:
        """Return the limits by response; `__post_init__` saw to it that they are Limits."""
        return [(name, cast(Limit, limit)) for name, limit in self.limits.items()]

    def _constraint_sensitivities(self, tape: Tape, sides: Sequence[Side]) -> list[dict[str, Array]]:
        """Return the sensitivities of each constraint by name."""
        if len(sides) == len(self.limits):
            return [tape.sensitivities(side.response, side.factor) for side in sides]
        pulled = {name: tape.sensitivities(name) for name in self.limits}
        return [
            {name: side.factor * value for name, value in pulled[side.response].items()} for side in sides
        ]

    def _recheck(self, chain: Chain, sides: Sequence[Side]) -> Callable[[Array], Array] | None:
        """Return the constraints as a function of the design, if that needs no state solve."""
        if not self.limits:
            return None
        cheap = chain.upto(*self.limits)
        if any(link.stage.costly for link in cheap):
            return None
        names = tuple(self.limits)
        return lambda x: _constraints(cheap.outputs(frozen(self.field(x)), *names), sides)

    def _interfaces(self, tape: Tape) -> dict[str, float]:
        """Return the width of the thinnest interface, where the chain projects a field."""
        whole = self.domain.n_active == self.mesh.n_cells
        active = None if whole else self.domain.active
        widths = [
            interface(self.mesh, tape[link.reads[0]], tape[link.name], slope, active)
            for link in tape.chain
            if (slope := link.stage.edge_slope(*(tape[name] for name in link.reads))) is not None
        ]
        return {"interface": min(widths)} if widths else {}


def _objectives(minimise: object) -> str | tuple[str, ...]:
    """Return the name of a single response as it is, several as a tuple."""
    if isinstance(minimise, str):
        return minimise
    names = tuple(minimise) if isinstance(minimise, tuple | list) else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(
            f"minimise: expected the name of a response, or a tuple of different ones, got {minimise!r}"
        )
    return names if len(names) > 1 else names[0]


def _constraints(responses: Mapping[str, Array], sides: Sequence[Side]) -> Array:
    """Return the constraints' values, each relative to its bound."""
    values = [side.factor * (responses[side.response].item() - side.bound) for side in sides]
    return np.array(values, dtype=np.float64)


def _require_share(name: str, limit: Limit) -> None:
    """Refuse a limit on a mean density that every density meets, or none."""
    given = [bound for bound in (limit.lower, limit.upper) if bound is not None]
    if not all(0 < bound < 1 for bound in given):
        raise InputError(f"limits: '{name}' is a mean density: expected a value between 0 and 1, got {given}")
