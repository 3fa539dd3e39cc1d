"""Files whose model is no design on a grid but one of its own: a net, or what has a `Model`'s methods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol, runtime_checkable

from topopt.evaluation import Model
from topopt.files.build import continued
from topopt.files.driving import driven, led
from topopt.files.items import fitted_top, plain, typed
from topopt.files.located import Located, Mistake
from topopt.files.parts import Parts, booked, made
from topopt.files.registry import importable
from topopt.files.resolved import fields_of, said_continuation, written
from topopt.files.sections import ModelSections
from topopt.files.spec import Spec
from topopt.run import Stop, schedulable

__all__ = ["Modelled", "modelled"]


@runtime_checkable
class Gated(Protocol):
    """A model with gates, which the survival gate sharpens where the file does not say how."""

    def sharpnesses(self) -> tuple[str, ...]:
        """Return the names of the parameters that are a gate's sharpness, that which leads first."""


@dataclass(frozen=True, eq=False)
class Modelled:
    """What a file with a model means.

    Attributes
    ----------
    spec : Spec
        What it says.
    parts : Parts
        Continuation, optimiser and stop rule.
    model : Model
        The model.
    resolved : str
        The text with every default written out.
    """

    spec: Spec
    parts: Parts
    model: Model
    resolved: str


def modelled(said: Located, folder: FilePath) -> tuple[Modelled | None, list[Mistake]]:
    """Return what a file with a model means, or None and every mistake.

    Parameters
    ----------
    said : Located
        The file.
    folder : Path
        Where its modules are looked for.
    """
    with importable(folder):
        spec = Spec(said)
        fitted_top(spec, ModelSections)
        spec.top |= {"density": ""}
        spec.stop = plain(spec, Stop, "stop")
        item = typed(spec, "model", said.data.get("model"), ("model",))
        driven(spec)
        model: Any = made(spec, item)
        if isinstance(model, Gated):
            led(spec, model.sharpnesses(), model.sharpnesses())
        if isinstance(spec.top["optimizer"], dict):
            spec.optimizer = typed(spec, "optimizer", spec.top["optimizer"], ("optimizer",))
        parts = Parts()
        parts.stop, parts.optimizer = made(spec, spec.stop), made(spec, spec.optimizer)
        continued(spec, parts)
        if model is not None and parts.optimizer is not None and parts.continuation is not None:
            with booked(spec, ("continuation",)):
                parts.continuation.require(schedulable(model, parts.optimizer))
    if spec.mistakes or model is None or item is None:
        return None, spec.mistakes
    return Modelled(spec, parts, model, _text(spec, item, folder)), []


def _text(spec: Spec, item: Any, folder: FilePath) -> str:
    """Return the file with every default written out."""
    items = [item, *spec.continuation.values(), *([spec.optimizer] if spec.optimizer else [])]
    own = any(":" in entry.type for entry in items)
    text: dict[str, Any] = {
        "name": spec.top["name"],
        "description": spec.top["description"],
        "folder": str(folder.resolve()) if own else "",
        "model": {"type": item.type} | fields_of(item),
        "continuation": said_continuation(spec),
    }
    if spec.optimizer and spec.stop:
        text["optimizer"] = {"type": spec.optimizer.type} | fields_of(spec.optimizer)
        text["stop"] = fields_of(spec.stop)
    text["output"] = {name: value for name, value in spec.top["output"] if value is not None}
    return written({key: value for key, value in text.items() if value not in (None, {}, [], "")})
