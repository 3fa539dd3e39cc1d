"""A small beam as problem files say it, at length and in brief, for tests to write down and change."""

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

MBB = BEAM.replace("beam", "mbb").replace(", size: [3.0, 1.0]", "").replace("radius: 0.6", "radius: 1.5")
for before, after in (
    ("  tip: {point: [3.0, 0.0]}", "  right: {point: [12.0, 0.0]}\n  top: {point: [0.0, 4.0]}"),
    ("fix: all}", "fix: x}\n  - {on: right, fix: y}"),
    ("on: tip", "on: top"),
):
    MBB = MBB.replace(before, after)
"""Half a beam on two supports, of which a few iterations make a sound design."""

STAIRS = """\
continuation:
  physical.beta: {type: staircase, every: 10}
"""
