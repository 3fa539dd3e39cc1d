"""Small beams as problem files say them, on a grid, on a mesh, in a body, for tests to write and change."""

from __future__ import annotations


def changed(text: str, *pairs: tuple[str, str]) -> str:
    """Return a text with some of its parts replaced, each of which must be there."""
    for before, after in pairs:
        assert before in text, before
        text = text.replace(before, after)
    return text


BEAM = """\
name: beam
grid: {cells: [12, 4], size: [3.0, 1.0]}
regions:
  left: {plane: {x: 0.0}}
  tip: {point: [3.0, 0.0]}
supports:
  - {on: left, fix: all}
loads:
  - {on: tip, force: [0.0, -1.0]}
chain:
  - {name: filtered, type: cone, radius: 0.6}
  - {name: physical, type: tanh, eta: 0.5}
  - {name: stiffness, type: simp, penal: 3.0}
  - {name: displacement, type: equilibrium}
  - {name: compliance, type: compliance}
  - {name: volume, type: mean, reads: [physical]}
minimise: compliance
limits: {volume: 0.5}
"""
"""An item a line; nothing is said about the continuation."""

BRIEF = """\
name: beam
grid: {cells: [12, 4], size: [3.0, 1.0]}
regions:
  left: {plane: {x: 0.0}}
  tip: {point: [3.0, 0.0]}
supports: [{on: left, fix: all}]
loads: [{on: tip, force: [0.0, -1.0]}]
chain:
  - {name: filtered, type: cone, radius: 0.6}
  - {name: physical, type: tanh}
  - {name: stiffness, type: simp}
  - {name: displacement, type: equilibrium, solver: superlu}
  - {name: compliance, type: compliance}
  - {name: volume, type: mean, reads: [physical]}
minimise: compliance
limits: {volume: 0.5}
"""
"""The same beam in few lines, with the defaults left to the reader and the solver that is always there."""

MBB = changed(
    BEAM,
    ("beam", "mbb"),
    (", size: [3.0, 1.0]", ""),
    ("radius: 0.6", "radius: 1.5"),
    ("  tip: {point: [3.0, 0.0]}", "  right: {point: [12.0, 0.0]}\n  top: {point: [0.0, 4.0]}"),
    ("fix: all}", "fix: x}\n  - {on: right, fix: y}"),
    ("on: tip", "on: top"),
)
"""Half a beam on two supports, of which a few iterations make a sound design."""

PLATE = (
    changed(
        BEAM,
        ("name: beam", "name: plate"),
        ("grid: {cells: [12, 4], size: [3.0, 1.0]}", "mesh: {file: plate.msh}"),
        ("{plane: {x: 0.0}}", "{group: wall}"),
        ("[3.0, 0.0]", "[3.0, 0.5]"),
        ("chain:\n", "passive: {solid: {group: pad}}\nchain:\n"),
        ("type: cone, radius: 0.6", "type: helmholtz, radius: 0.7"),
    )
    + "stop: {iterations: 6}\n"
)
"""The beam on a mesh that `tests.meshed.written` wrote, with its groups."""

BLOCK = changed(
    BEAM,
    ("name: beam", "name: block"),
    ("{cells: [12, 4], size: [3.0, 1.0]}", "{cells: [8, 8, 8], size: [2.0, 2.0, 2.0]}"),
    ("  left: {plane: {x: 0.0}}\n", "  part: {stl: {file: part.stl}}\n"
     "  foot: {all: [part, {plane: {z: 0.0}}]}\n  lid: {all: [part, {plane: {z: 2.0}}]}\n"),
    ("  tip: {point: [3.0, 0.0]}\n", "passive: {void: {not: part}}\n"),
    ("on: left", "on: foot"),
    ("on: tip, force: [0.0, -1.0]", "on: lid, force: [1.0, 0.0, 0.0]"),
    ("  - {name: filtered, type: cone, radius: 0.6}\n", ""),
)  # fmt: skip
"""A body out of an STL file."""

STAIRS = """\
continuation:
  physical.beta: {type: staircase, every: 10}
"""
