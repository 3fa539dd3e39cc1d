"""What a user may get wrong, and what they are told: one row each."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import topopt as to
from tests.beams import BEAM, STAIRS
from topopt.errors import InputError, ProblemFileError
from topopt.files import parse, read

GOOD = BEAM + STAIRS + "optimizer: {type: mma}\nstop: {iterations: 20}\n"


def mistakes(old: str, new: str, overrides: Sequence[str] = ()) -> list[str]:
    """Return what is said about the good file with one piece replaced."""
    assert GOOD.count(old) == 1, f"{old!r} is no single piece of the good file"
    with pytest.raises(ProblemFileError, match=":") as refusal:
        parse(GOOD.replace(old, new), "beam.yaml", overrides)
    return list(refusal.value.mistakes)


def test_the_good_file_is_good() -> None:
    job = parse(GOOD, "beam.yaml")
    assert job.warnings == ()
    assert job.name == "beam"


FORM = [
    ("cells:", "cels:", "beam.yaml:2: grid.cels: unknown key: did you mean 'cells'?"),
    ("stop:", "stopp:", "beam.yaml:22: stopp: unknown key: did you mean 'stop'?"),
    ("minimise: compliance\n", "", "beam.yaml:1: minimise: missing: expected text or a list of texts"),
    ("name: beam", "name: ../beam",
     "beam.yaml:1: name: expected letters, digits, '_', '-' and '.', a letter or digit first, got '../beam'"),
    ("name: beam", "name: 010", "beam.yaml:1: name: expected text, got 10; quote it"),
    ("name: beam", "<<: {a: 1}\nname: beam",
     "beam.yaml:1: YAML 1.2 has no merge keys (<<); write the keys out"),
    ("name: beam", "name: !!python/name:os.getcwd beam",
     "beam.yaml:1: the tag '!!python/name:os.getcwd' is not known here"),
    ("grid: {", "grid: !!python/object:os.stat {",
     "beam.yaml:2: the tag '!!python/object:os.stat' is not known here"),
    ("name: beam", "name: !!int beam", "beam.yaml:1: 'beam' is no !!int"),
    ("name: beam", "name: 12", "beam.yaml:1: name: expected text, got 12; quote it"),
    ("[12, 4]", "[12, 4.5]", "beam.yaml:2: grid.cells.1: expected an integer, got 4.5"),
    ("[12, 4]", "[12, true]", "beam.yaml:2: grid.cells.1: expected an integer, got true"),
    ("[12, 4]", "12", "beam.yaml:2: grid.cells: expected a list of integers, got 12"),
    ("[12, 4]", "[12]", "beam.yaml:2: grid.cells: expected 2 or 3 numbers of cells, got [12]"),
    ("[12, 4]", "[12, 0]", "beam.yaml:2: grid.cells: expected integers >= 1, got [12, 0]"),
    ("[12, 4]", "[1, 1]", "beam.yaml:2: grid.cells: a design needs at least 2 cells along each axis, got "
     "[1, 1]"),
    ("[12, 4]", "[100000, 100000]", "beam.yaml:2: grid.cells: 1e+10 cells are too many; choose at most "
     "4e+07"),
    ("size: [3.0, 1.0]", "size: [3.0, '1.0']", "beam.yaml:2: grid.size.1: expected a number, got '1.0'"),
    ("size: [3.0, 1.0]", "size: [3.0, .nan]", "beam.yaml:2: grid.size.1: expected a number, got nan"),
    ("size: [3.0, 1.0]", "size: [3.0, -1.0]",
     "beam.yaml:2: grid.size: expected positive finite lengths, got [3.0, -1.0]"),
    ("size: [3.0, 1.0]", "size: [3.0]", "beam.yaml:2: grid.size: expected 2 lengths like grid.cells, got "
     "[3.0]"),
    ("regions:", "material: {poisson: 0.5}\nregions:",
     "beam.yaml:3: material.poisson: expected a number > -1 and < 0.5, got 0.5"),
    ("regions:", "material: {young: .inf}\nregions:",
     "beam.yaml:3: material: Material: young = inf and thickness = 1.0 must be finite"),
    ("regions:", "material: {plane: strane}\nregions:",
     "beam.yaml:3: material.plane: 'strane' is unknown; did you mean 'strain'?"),
]  # fmt: skip

REGIONS = [
    ("{plane: {x: 0.0}}", "{plain: {x: 0.0}}", "beam.yaml:4: regions.left.plain: unknown selector: did you "
     "mean 'plane'?"),
    ("{plane: {x: 0.0}}", "{plane: {x: no}}", "beam.yaml:4: regions.left.plane.x: expected a number, got "
     "'no'"),
    ("{plane: {x: 0.0}}", "{plane: {q: 0.0}}", "beam.yaml:4: regions.left.plane.q: unknown key: valid "
     "names: x, y, z"),
    ("{plane: {x: 0.0}}", "{plane: {z: 0.0}}", "beam.yaml:4: regions.left: plane: a 2-D grid has no z "
     "coordinate"),
    ("{plane: {x: 0.0}}", "{plane: {x: 0}, point: [0, 0]}",
     "beam.yaml:4: regions.left: expected one selector, got plane and point; combine regions with all, any "
     "and not"),
    ("{plane: {x: 0.0}}", "{plane: {}}",
     "beam.yaml:4: regions.left.plane: expected one of x, y, z, got none"),
    ("{plane: {x: 0.0}}", "{plane: {x: .inf}}",
     "beam.yaml:4: regions.left: plane: give at least one finite coordinate x, y or z"),
    ("{plane: {x: 0.0}}", "{}",
     "beam.yaml:4: regions.left: expected one selector, got none; combine regions with all, any and not"),
    ("{plane: {x: 0.0}}", "{all: []}", "beam.yaml:4: regions.left.all: expected a list of regions, got []"),
    ("{plane: {x: 0.0}}", "{not: tipp}", "beam.yaml:4: regions.left.not: no region 'tipp': did you mean "
     "'tip'?"),
    ("{plane: {x: 0.0}}", "{any: [tip, left]}", "beam.yaml:4: regions.left: is defined by itself"),
    ("{plane: {x: 0.0}}", "3",
     "beam.yaml:4: regions.left: expected a region (plane, point, box, ball, cylinder, polygon, aerofoil, "
     "all, any, not, image, array, stl, mesh, group, everywhere) or a name, got 3"),
    ("{plane: {x: 0.0}}", "{box: {lower: [1, 1], upper: [0, 2]}}",
     "beam.yaml:4: regions.left: box: the lower corner (1.0, 1.0) must lie below the upper corner (0.0, "
     "2.0) on every axis"),
    ("{plane: {x: 0.0}}", "{ball: {centre: [0, 0], radius: 0}}",
     "beam.yaml:4: regions.left: ball: expected a positive radius, got 0"),
    ("{plane: {x: 0.0}}", "{ball: {centre: [0, 9], radius: 1}}",
     "beam.yaml:4: regions.left: no node lies in this region; the nearest node is at (0, 1); the grid spans "
     "(0, 0) to "
     "(3, 1) with a node every (0.25, 0.25)"),
    ("{plane: {x: 0.0}}", "{plane: {x: 9.0}}",
     "beam.yaml:4: regions.left: no node lies in this region; the grid spans (0, 0) to (3, 1) with a node "
     "every "
     "(0.25, 0.25); enlarge the region or move it"),
    ("{plane: {x: 0.0}}", "{aerofoil: {code: 2412, chord: 1.0, nose: [0, 0]}}",
     "beam.yaml:4: regions.left.aerofoil.code: expected text, got 2412; quote it"),
    ("{plane: {x: 0.0}}", "{aerofoil: {code: '24', chord: 1.0, nose: [0, 0]}}",
     "beam.yaml:4: regions.left: aerofoil: expected four digits like '2412', got '24'"),
    ("{plane: {x: 0.0}}", "{aerofoil: {code: '2412', chord: 1.0, nose: [0, 0.5], tip_chord: 0.5}}",
     "beam.yaml:4: regions.left: aerofoil: a 2-D grid has no tip; leave tip_chord and tip_nose out"),
    ("{plane: {x: 0.0}}", "{image: {file: wing.png}}",
     "beam.yaml:4: regions.left: there is no file wing.png; the path is relative to the problem file"),
    ("{plane: {x: 0.0}}", "{image: {file: wing.png, threshold: 2}}",
     "beam.yaml:4: regions.left.image.threshold: expected a number > 0 and < 1, got 2"),
    ("point: [3.0, 0.0]", "point: [3.0, 0.0, 1.0]",
     "beam.yaml:5: regions.tip: point: 3 coordinates (3.0, 0.0, 1.0) on a 2-D grid"),
    ("  tip:", "  everywhere: {point: [0, 0]}\n  tip:",
     "beam.yaml:5: regions.everywhere: 'everywhere' is always there and cannot be given another meaning"),
    ("limits:", "passive: {solid: lefft}\nlimits:", "beam.yaml:18: passive.solid: no region 'lefft': did "
     "you mean 'left'?"),
    ("limits:", "passive: {solid: everywhere}\nlimits:",
     "beam.yaml:18: passive: 0 of 48 cells are left to design; at least 2 are needed"),
    ("limits:", "passive: {solid: left, void: left}\nlimits:",
     "beam.yaml:18: passive: 4 cells are both solid and void; make the regions disjoint"),
    ("limits:", "passive: {solid: {box: {lower: [0, 0], upper: [3, .5]}}}\nlimits:",
     "beam.yaml:19: limits.volume: the passive solid alone takes 0.5 of the volume; allow more than that"),
    ("limits:", "passive: {solid: {box: {lower: [1, 1], upper: [2, 1]}}}\nlimits:",
     "beam.yaml:18: passive.solid: no cell centre lies in this region; the grid spans (0, 0) to (3, 1) with "
     "a node "
     "every (0.25, 0.25); enlarge the region or move it"),
]  # fmt: skip

MECHANICS = [
    ("on: left", "on: lfet", "beam.yaml:7: supports.0.on: no region 'lfet': did you mean 'left'?"),
    ("fix: all", "fix: [x, z]", "beam.yaml:7: supports.0: fix names 'z', but a 2-D grid has the components "
     "x, y"),
    ("fix: all", "fix: [x, x]",
     "beam.yaml:7: supports.0: fix = ('x', 'x') is not a choice of components; name some of 'x', 'y' (and "
     "'z' in 3-D), "
     "each once, or 'all'"),
    ("fix: all", "fix: 3", "beam.yaml:7: supports.0.fix: expected a list of texts or text, got 3"),
    ("fix: all", "spring: -1.0",
     "beam.yaml:7: supports.0: expected a positive spring stiffness, got -1.0; leave spring out to fix the "
     "components"),
    ("fix: all", "fix: [y]",
     "beam.yaml:6: supports: nothing stops it from moving in x and from turning about z; add a support"),
    ("  - {on: left, fix: all}\n", "",
     "beam.yaml:6: supports: expected a list of values, got nothing"),
    ("supports:\n  - {on: left, fix: all}\n", "",
     "beam.yaml:1: supports: missing: link 'displacement' (equilibrium) needs a structure that is held"),
    ("loads:\n  - {on: tip, force: [0.0, -1.0]}\n", "",
     "beam.yaml:1: loads: missing: link 'displacement' (equilibrium) needs loads, or cases of loads"),
    ("force:", "forse:", "beam.yaml:9: loads.0.forse: unknown key: did you mean 'force'?"),
    ("force: [0.0, -1.0]", "force: [0.0, -1.0], traction: [0.0, 1.0]",
     "beam.yaml:9: loads.0: expected one of force, force_per_length, traction, force_per_volume, got force "
     "and traction"),
    ("force: [0.0, -1.0]", "force: -1.0", "beam.yaml:9: loads.0.force: expected a list of numbers, got -1.0"),
    ("force: [0.0, -1.0]", "force: [0.0, 0.0]", "beam.yaml:9: loads.0: the load is zero; nothing would be "
     "deformed"),
    ("force: [0.0, -1.0]", "force: [0.0, .nan]", "beam.yaml:9: loads.0.force.1: expected a number, got nan"),
    ("force: [0.0, -1.0]", "force: [0.0, -.inf]",
     "beam.yaml:9: loads.0.force: expected finite numbers, got [0.0, -inf]"),
    ("force: [0.0, -1.0]", "force: [0.0, -1.0, 0.0]",
     "beam.yaml:9: loads.0.force: 3 components (0.0, -1.0, 0.0) on a 2-D grid; give one for each of x, y"),
    ("force: [0.0, -1.0]", "force: [0.0, -1.0], profile: [[x, eliptic]]",
     "beam.yaml:9: loads.0.profile: no profile 'eliptic': did you mean 'elliptic'?"),
    ("force: [0.0, -1.0]", "force: [0.0, -1.0], profile: [[z, elliptic]]",
     "beam.yaml:9: loads.0.profile: a 2-D grid has no axis z"),
    ("force: [0.0, -1.0]", "force: [0.0, -1.0], profile: elliptic",
     "beam.yaml:9: loads.0.profile: expected a list of lists of 2 texts, got 'elliptic'"),
    ("on: tip, force:", "on: tip, traction:",
     "beam.yaml:9: loads.0: 1 nodes lie in this region, but no edge with all its nodes; widen the region, "
     "or use a PointLoad"),
    ("on: tip", "on: left",
     "beam.yaml:8: loads: load case 'load': all forces act on fixed components and go straight into the "
     "supports; move "
     "the load or free these components"),
    ("loads:\n", "cases: [{name: a, loads: [{on: tip, force: [1, 0]}]}]\nloads:\n",
     "beam.yaml:8: cases: give loads or cases, not both; loads are one case"),
    ("loads:\n  - {on: tip, force: [0.0, -1.0]}", "cases: [{name: a, weight: -1, loads: [{on: tip, force: "
     "[1, 0]}]}]",
     "beam.yaml:8: cases.a.weight: expected a number >= 0, got -1"),
    ("loads:\n  - {on: tip, force: [0.0, -1.0]}", "cases: [{name: a, weight: 0, loads: [{on: tip, force: "
     "[1, 0]}]}]", "beam.yaml:8: cases: every case has weight 0; give one a positive weight"),
    ("loads:\n  - {on: tip, force: [0.0, -1.0]}",
     "cases: [{name: a, loads: [{on: tip, force: [1, 0]}]}, {name: a, loads: [{on: tip, force: [0, 1]}]}]",
     "beam.yaml:8: cases: 2 cases, but the name 'a' is given twice"),
    ("limits:", "passive: {void: {box: {lower: [2, 0], upper: [3, 1]}}}\nlimits:",
     "beam.yaml:9: loads.0.on: 1 of 1 loaded nodes touch only passive void cells, the first at (3, 0); move "
     "the load or the void"),
    ("limits:", "passive: {void: {box: {lower: [1, 0], upper: [2, 1]}}}\nlimits:",
     "beam.yaml:6: supports: nothing stops the body of 16 cells between (2, 0) and (3, 1) from moving in x "
     "and from "
     "moving in y and from turning about z; add a support"),
]  # fmt: skip

CHAIN = [
    ("type: cone", "type: kone",
     "beam.yaml:11: chain.filtered.type: no stage 'kone': did you mean 'cone'?; your own is named "
     "package.module:Class"),
    ("type: cone, ", "", "beam.yaml:11: chain.filtered.type: missing: name a stage"),
    ("type: cone", "type: 3", "beam.yaml:11: chain.filtered.type: expected the name of a stage, got 3"),
    ("type: cone", "type: nowhere.at_all:Cone",
     "beam.yaml:11: chain.filtered.type: 'nowhere.at_all:Cone': there is no module 'nowhere'; it must be "
     "installed, or "
     "lie beside the problem file or in the working directory"),
    ("type: cone", "type: topopt.stages:Kone",
     "beam.yaml:11: chain.filtered.type: module 'topopt.stages' has no 'Kone': there are none"),
    ("type: cone", "type: topopt.grid:Grid",
     "beam.yaml:11: chain.filtered.type: 'topopt.grid:Grid' is no stage: derive it from topopt.Stage"),
    ("type: cone", "type: os.path:join", "beam.yaml:11: chain.filtered.type: 'os.path:join' is no class"),
    ("type: cone", "type: 'a b:c'",
     "beam.yaml:11: chain.filtered.type: 'a b:c' is no dotted path; write it like package.module:Class"),
    ("radius: 0.6", "raduis: 0.6", "beam.yaml:11: chain.filtered.raduis: unknown key: did you mean "
     "'radius'?"),
    ("radius: 0.6", "radius: true", "beam.yaml:11: chain.filtered.radius: expected a number > 0, got true"),
    (", radius: 0.6", "", "beam.yaml:11: chain.filtered.radius: missing: give a number here, or a schedule "
     "as "
     'continuation."filtered.radius"'),
    ("radius: 0.6", "radius: 0.2",
     "beam.yaml:11: chain.filtered.radius: 0.2 is too small for cells of 0.25 x 0.25; give more than 0.25, "
     "or leave the "
     "filter out"),
    ("radius: 0.6", "radius: 60",
     "beam.yaml:11: chain.filtered.radius: 60 is larger than the whole grid of 3 x 1 (cells of 0.25 x "
     "0.25); the radius "
     "is a length in the grid's unit, not a number of cells"),
    ("eta: 0.5", "eta: 1.5", "beam.yaml:12: chain.physical.eta: expected a number >= 0 and <= 1, got 1.5"),
    ("penal: 3.0", "penal: '3'", "beam.yaml:13: chain.stiffness.penal: expected a number >= 1 and < inf, "
     "got '3'"),
    ("type: equilibrium", "type: equilibrium, solver: {name: multigrd}",
     "beam.yaml:14: chain.displacement.solver.name: solver 'multigrd' is unknown; did you mean 'multigrid'?"),
    ("type: equilibrium", "type: equilibrium, solver: {tolerance: 1.0}",
     "beam.yaml:14: chain.displacement.solver.name: missing: name one of cholmod, multigrid, superlu"),
    ("type: equilibrium", "type: equilibrium, solver: {name: multigrid, tolerence: 1.0}",
     "beam.yaml:14: chain.displacement.solver.tolerence: unknown key: did you mean 'tolerance'?"),
    ("type: equilibrium", "type: equilibrium, solver: {name: multigrid, tolerance: -1.0}",
     "beam.yaml:14: chain.displacement.solver.tolerance: expected a number > 0, got -1.0"),
    ("type: equilibrium", "type: equilibrium, solver: {name: multigrid, precision: half}",
     "beam.yaml:14: chain.displacement.solver.precision: 'half' is unknown; valid names: double, single"),
    ("type: equilibrium", "type: equilibrium, solver: colmod",
     "beam.yaml:14: chain.displacement.solver: solver 'colmod' is unknown; did you mean 'cholmod'?"),
    ("name: stiffness", "name: filtered",
     "beam.yaml:13: chain.filtered.name: the name 'filtered' is taken: an earlier link has it"),
    ("name: stiffness", "name: design",
     "beam.yaml:13: chain.design.name: the name 'design' is taken: the chain's input is called so"),
    ("name: stiffness", "name: a.b",
     "beam.yaml:13: chain.\"a.b\".name: 'a.b' cannot name a link: a name is not empty, has no dot and is "
     "not 'grid' or 'limits' or 'optimizer'"),
    ("reads: [physical]", "reads: [fysical]",
     "beam.yaml:16: chain.volume.reads.0: no earlier link gives 'fysical': did you mean 'physical'?"),
    ("penal: 3.0", "reads: [compliance]",
     "beam.yaml:13: chain.stiffness.reads.0: no earlier link gives 'compliance' (it comes later): valid "
     "names: design, "
     "filtered, physical"),
    ("reads: [physical]", "reads: [displacement]",
     "beam.yaml:16: chain.volume: Mean: expected an input of shape (48,), got (130, 1)"),
    ("reads: [physical]", "reads: [physical, filtered]",
     "beam.yaml:16: chain.volume: mean reads one name, got 2: physical, filtered; see its fields in the "
     "guide"),
    ("minimise: compliance", "minimise: complience",
     "beam.yaml:17: minimise: no 'complience' in the chain: did you mean 'compliance'?"),
    ("minimise: compliance", "minimise: [compliance, complience]",
     "beam.yaml:17: minimise.1: no 'complience' in the chain: did you mean 'compliance'?"),
    ("minimise: compliance", "minimise: [compliance, volume, compliance]",
     "beam.yaml:17: minimise.2: 'compliance' is named twice"),
    ("minimise: compliance", "minimise: [compliance, displacement]",
     "beam.yaml:17: minimise.1: 'displacement' is a field of 130 values, not a number; name a response"),
    ("minimise: compliance", "minimise: []",
     "beam.yaml:17: minimise: expected text or a list of texts, got []"),
    ("name: stiffness", "name: limits",
     "beam.yaml:13: chain.limits.name: 'limits' cannot name a link: a name is not empty, has no dot and is "
     "not 'grid' or 'limits' or 'optimizer'"),
    ("minimise: compliance", "minimise: displacement",
     "beam.yaml:17: minimise: 'displacement' is a field of 130 values, not a number; name a response"),
    ("minimise: compliance", "minimise: compliance\ndensity: displacement",
     "beam.yaml:18: density: 'displacement' has shape (130, 1); the design has one density per cell"),
    ("- {name: displacement, type: equilibrium}", "- {type: equilibrium}",
     "beam.yaml:14: chain.3.name: missing: expected text"),
]  # fmt: skip

RUN = [
    ("volume: 0.5", "volumen: 0.5", "beam.yaml:18: limits.volumen: no 'volumen' in the chain: did you mean "
     "'volume'?"),
    ("volume: 0.5", "volume: 0", "beam.yaml:18: limits.volume: expected a share between 0 and 1, both "
     "excluded, got 0"),
    ("volume: 0.5", "volume: 1.5", "beam.yaml:18: limits.volume: expected a share between 0 and 1, both "
     "excluded, got 1.5"),
    ("volume: 0.5", "volume: {uper: 0.5}", "beam.yaml:18: limits.volume.uper: unknown key: did you mean "
     "'upper'?"),
    ("volume: 0.5", "volume: {lower: 0.5, upper: 0.4}",
     "beam.yaml:18: limits.volume: lower 0.5 lies above upper 0.4"),
    ("volume: 0.5", "volume: half",
     "beam.yaml:18: limits.volume: expected a number (an upper limit), or a mapping with upper, lower, got "
     "'half'"),
    ("volume: 0.5", "volume: {}", "beam.yaml:18: limits.volume: expected upper or lower, got neither"),
    ("limits:", "start: 1.5\nlimits:", "beam.yaml:18: start: expected a density between 0 and 1, got 1.5"),
    ("limits:", "start: solid\nlimits:",
     "beam.yaml:18: start: expected a number, or a mapping with density, noise, seed, or file, got 'solid'"),
    ("limits:", "start: {noise: 0.1, sead: 3}\nlimits:", "beam.yaml:18: start.sead: unknown key: did you "
     "mean 'seed'?"),
    ("limits:", "start: {file: old.npz, noise: 0.1}\nlimits:", "beam.yaml:18: start: give a file or noise, "
     "not both"),
    ("limits:", "start: {file: old.npz}\nlimits:",
     "beam.yaml:18: start: there is no file old.npz; the path is relative to the problem file"),
    ("every: 10", "every: ten",
     'beam.yaml:20: continuation."physical.beta".every: expected an integer >= 1, got \'ten\''),
    ("every: 10", "every: 0", 'beam.yaml:20: continuation."physical.beta".every: expected an integer >= 1, '
     'got 0'),
    ("every: 10", "final: .inf",
     'beam.yaml:20: continuation."physical.beta".final: expected a finite number, got .inf'),
    ("every: 10", "factor: 0.5",
     'beam.yaml:20: continuation."physical.beta": Staircase: stairs from 1 by factor 0.5 and step 0 never '
     'reach 64; '
     "change the sign of the step or take the reciprocal of the factor"),
    ("type: staircase", "type: stairs",
     "beam.yaml:20: continuation.\"physical.beta\".type: no schedule 'stairs': did you mean 'staircase'?; "
     "your own is "
     "named package.module:Class"),
    ("{type: staircase, every: 10}", "soft",
     'beam.yaml:20: continuation."physical.beta": expected a number, or a mapping with the type of a '
     'schedule, got '
     "'soft'"),
    ("{type: staircase, every: 10}", "{type: steps, values: []}",
     'beam.yaml:20: continuation."physical.beta".values: expected a list of at least one number, got []'),
    ("{type: staircase, every: 10}", "-1",
     'beam.yaml:20: continuation."physical.beta": begins at -1: expected a value >= 0, got -1'),
    ("{type: staircase, every: 10}", "8\n  physical.eta: {type: linear, start: 0.5, final: 1.5}",
     'beam.yaml:21: continuation."physical.eta": reaches 1.5: expected a value <= 1, got 1.5'),
    ("{type: staircase, every: 10}", ".inf",
     "beam.yaml:12: chain.physical: frozen at the start: the steepest slope of the projection is 0.0e+00, "
     "so no "
     "sensitivity reaches the design; begin less sharp, or nearer to the threshold"),
    ("{type: staircase, every: 10}", "8\n  optimizer.moove: 0.1",
     'beam.yaml:21: continuation."optimizer.moove": is not a parameter that can be scheduled: did you mean '
     "'optimizer.move'?"),
    ("{type: staircase, every: 10}", "8\n  limits.volum: 0.4",
     'beam.yaml:21: continuation."limits.volum": is not a parameter that can be scheduled: did you mean '
     "'limits.volume'?"),
    ("{type: staircase, every: 10}", "8\n  limits.volume.lower: 0.4",
     'beam.yaml:21: continuation."limits.volume.lower": is not a parameter that can be scheduled: did you '
     "mean 'limits.volume'?"),
    ("{type: staircase, every: 10}", "8\n  limits.volume: {type: linear, start: 1.5, final: 0.5}",
     'beam.yaml:21: continuation."limits.volume": reaches 1.5: expected a mean density > 0 and <= 1, got '
     "1.5"),
    ("{type: staircase, every: 10}", "8\n  limits.volume: {type: linear, start: 1.0, final: 0.0}",
     'beam.yaml:21: continuation."limits.volume": reaches 0: expected a mean density > 0 and <= 1, got 0'),
    ("minimise: compliance", "minimise: [compliance, volume]",
     "--set optimizer.type=oc: optimizer.type: oc lowers one objective, got 2; use mma"),
    ("type: mma", "type: mna",
     "beam.yaml:21: optimizer.type: no optimizer 'mna': did you mean 'mma'?; your own is named "
     "package.module:Class"),
    ("type: mma", "type: mma, move: 0", "beam.yaml:21: optimizer.move: expected a number > 0 and <= 1, got "
     "0"),
    ("type: mma", "type: topopt.optimizers.mma:MMAState",
     "beam.yaml:21: optimizer.type: 'topopt.optimizers.mma:MMAState' is no optimizer: it lacks init and "
     "step"),
    ("{volume: 0.5}\n", "{volume: 0.5, compliance: 9}\n", "--set optimizer.type=oc: optimizer.type: oc "
     "needs exactly one limit, got 2; use mma"),
    ("{volume: 0.5}\n", "{volume: {lower: 0.5}}\n",
     "--set optimizer.type=oc: optimizer.type: oc needs an upper limit, got a lower one on volume; use mma"),
    ("{volume: 0.5}\n", "{compliance: 9}\n",
     "--set optimizer.type=oc: optimizer.type: oc cannot keep a limit on compliance, which needs a state "
     "solve "
     "(displacement); use mma"),
    ("iterations: 20", "iterations: 1e3", "beam.yaml:22: stop.iterations: expected an integer >= 1, got "
     "1000.0"),
    ("stop: {iterations: 20}", "stop: {iterations: 20}\noutput: {hidden: lefft}",
     "beam.yaml:23: output.hidden: no region 'lefft': did you mean 'left'?"),
    ("stop: {iterations: 20}", "stop: {iterations: 20}\noutput: {hidden: {plane: {x: 9}}}",
     "beam.yaml:23: output.hidden: no cell centre lies in this region; the grid spans (0, 0) to (3, 1) with "
     "a node every (0.25, 0.25); enlarge the region or move it"),
    ("stop: {iterations: 20}", "stop: {iterations: 20}\noutput: {frames_every: -1}",
     "beam.yaml:23: output.frames_every: expected an integer >= 0, got -1"),
]  # fmt: skip


WORK = "  - {name: compliance, type: compliance}\n"
SHARP = "eta: 0.5}\n"


def with_link(link: str) -> str:
    """Return the link of the compliance with another in front of it."""
    return f"  - {{name: more, {link}}}\n  - {{name: compliance, type: compliance, reads: [displacement]}}\n"


def made(link: str) -> str:
    """Return the end of the projection's link with another behind it."""
    return f"{SHARP}  - {{name: more, {link}}}\n"


PHYSICS = [
    (WORK, with_link("type: displacement, on: tipp"),
     "beam.yaml:15: chain.more.on: no region 'tipp': did you mean 'tip'?"),
    (WORK, with_link("type: displacement"), "beam.yaml:15: chain.more.on: missing: expected a value"),
    (WORK, with_link("type: displacement, on: tip, direction: [1, 0, 0]"),
     "beam.yaml:15: chain.more.direction: expected 2 finite numbers, not all zero, got [1.0, 0.0, 0.0]"),
    (WORK, with_link("type: displacement, on: left, direction: [1, 0]"),
     "beam.yaml:15: chain.more.on: the supports hold all its nodes along the direction; nothing moves there"),
    (WORK, with_link("type: displacement, on: tip, case: wind"),
     "beam.yaml:15: chain.more.case: no load case 'wind'; valid names: load"),
    ("type: compliance}", "type: compliance, case: wind}",
     "beam.yaml:15: chain.compliance.case: no load case 'wind'; valid names: load"),
    (WORK, with_link("type: worst_direction, cases: [wind]"),
     "beam.yaml:15: chain.more: WorstDirection.case: no load case 'wind'; valid names: load"),
    ("fix: all", "fix: all, spring: 0",
     "beam.yaml:7: supports.0: expected a positive spring stiffness, got 0.0; leave spring out to fix the "
     "components"),
    (WORK, with_link("type: conduction, reads: [stiffness]"),
     "beam.yaml:15: chain.more: Conduction: nothing takes the heat away; give a sink, or cooled and film"),
    (WORK, with_link("type: conduction, sink: left, film: 2, reads: [stiffness]"),
     "beam.yaml:15: chain.more: Conduction: a fluid needs both: the region that is cooled, and a film above "
     "0"),
    (WORK, with_link("type: conduction, sink: everywhere, reads: [stiffness]"),
     "beam.yaml:15: chain.more.sink: every node is kept at zero; nothing can become warm"),
    (WORK, with_link("type: conduction, sink: lft, reads: [stiffness]"),
     "beam.yaml:15: chain.more.sink: no region 'lft': did you mean 'left'?"),
    (WORK, with_link("type: conduction, sink: left, power: 0, reads: [stiffness]"),
     "beam.yaml:15: chain.more.power: expected a number > 0 and < inf, got 0"),
    (WORK, with_link("type: conduction, sink: left, reads: [displacement]"),
     "beam.yaml:15: chain.more: Conduction: expected conductivities of shape (48,), got (130, 1)"),
    (WORK, with_link("type: conduction, sink: left, reads: [stiffness, physical]"),
     "beam.yaml:15: chain.more: conduction reads one name, got 2: stiffness, physical; see its fields in the "
     "guide"),
    (WORK, with_link("type: mean_temperature"),
     "beam.yaml:15: chain.more: MeanTemperature: expected temperatures of shape (65, 1), got (130, 1)"),
    (WORK, with_link("type: von_mises"),
     "beam.yaml:15: chain.more: von_mises reads 2 names, got 1: displacement; see its fields in the guide"),
    (WORK, with_link("type: von_mises, reads: [physical, displacement]"),
     "beam.yaml:15: chain.more: von_mises takes displacements, then densities: the order is wrong; write "
     "reads: [displacement, physical]"),
    (WORK, with_link("type: buckling_factors, reads: [displacement, stiffness, physical]"),
     "beam.yaml:15: chain.more: buckling_factors takes moduli, then stressed, then displacements: the order "
     "is wrong; write reads: [stiffness, physical, displacement]"),
    (WORK, with_link("type: frequencies, reads: [physical, stiffness]"),
     "beam.yaml:15: chain.more: frequencies takes moduli, then masses: the order is wrong; write reads: "
     "[stiffness, physical]"),
    (WORK, with_link("type: masses, reads: [physical]") + "  - {name: turns, type: dynamic_compliance, "
     "reads: [more, stiffness]}\n",
     "beam.yaml:17: chain.turns: dynamic_compliance takes moduli, then masses: the order is wrong; write "
     "reads: [stiffness, more]"),
    (WORK, with_link("type: self_weight, reads: [physical]") + "  - {name: all, type: total_work, reads: "
     "[more, displacement]}\n",
     "beam.yaml:17: chain.all: total_work takes displacements, then forces: the order is wrong; write reads: "
     "[displacement, more]"),
    (WORK, with_link("type: total_work, reads: [stiffness, physical]"),
     "beam.yaml:15: chain.more: TotalWork: expected an input of shape (130, 1), got (48,); 'stiffness' has "
     "(48,), 'physical' has (48,)"),
    (WORK, with_link("type: von_mises, relax: 0, reads: [displacement, physical]"),
     "beam.yaml:15: chain.more.relax: expected a number > 0 and <= 1, got 0"),
    (WORK, with_link("type: von_mises, apart_from: everywhere, reads: [displacement, physical]"),
     "beam.yaml:15: chain.more.apart_from: it holds every cell; there is no stress left to look at"),
    (WORK, with_link("type: frequencies, count: 5000, reads: [stiffness, physical]"),
     "beam.yaml:15: chain.more: Frequencies.count: 5000 of 120 free unknowns are too many"),
    (WORK, with_link("type: frequencies, reads: [stiffness]"),
     "beam.yaml:15: chain.more: frequencies reads 2 names, got 1: stiffness; see its fields in the guide"),
    (WORK, with_link("type: frequencies, reads: [stiffness, displacement]"),
     "beam.yaml:15: chain.more: Frequencies: expected masses of shape (48,), got (130, 1); 'stiffness' has "
     "(48,), 'displacement' has (130, 1)"),
    (WORK, with_link("type: masses, threshold: 2, reads: [physical]"),
     "beam.yaml:15: chain.more.threshold: expected a number > 0 and < 1, got 2"),
    (WORK, with_link("type: buckling_factors"),
     "beam.yaml:15: chain.more: buckling_factors reads 3 names, got 1: displacement; see its fields in the "
     "guide"),
    (WORK, with_link("type: buckling_factors, count: 2.5, reads: [stiffness, stiffness, displacement]"),
     "beam.yaml:15: chain.more.count: expected an integer >= 1, got 2.5"),
    (WORK, with_link("type: dynamic_compliance, omega: -1, reads: [stiffness, physical]"),
     "beam.yaml:15: chain.more.omega: expected a number >= 0 and < inf, got -1"),
    (WORK, with_link("type: dynamic_compliance, reads: [stiffness, displacement]"),
     "beam.yaml:15: chain.more: DynamicCompliance: expected masses of shape (48,), got (130, 1); 'stiffness' "
     "has (48,), 'displacement' has (130, 1)"),
    (WORK, with_link("type: thermal_load, reads: [physical]"),
     "beam.yaml:15: chain.more: thermal_load reads 2 names, got 1: physical; see its fields in the guide"),
    ("type: simp, penal: 3.0", "type: ordered_simp, densities: [0.4, 0.2, 1.0]",
     "beam.yaml:13: chain.stiffness.densities: expected numbers that ascend from above 0 to 1, got [0.4, "
     "0.2, 1.0]"),
    ("type: simp, penal: 3.0", "type: ordered_simp, moduli: [0.1, 0.2, 1.0]",
     "beam.yaml:13: chain.stiffness: OrderedSimp: 2 densities and 3 moduli do not fit"),
    (SHARP, made("type: cast, drawn: up"),
     "beam.yaml:13: chain.more.drawn: 'up' is no direction; valid names: +x, +y, -x, -y"),
    (SHARP, made("type: rotated, order: 4"),
     "beam.yaml:13: chain.more.order: a quarter turn does not map 12 x 4 cells on themselves"),
    (SHARP, made("type: printed, up: +z"),
     "beam.yaml:13: chain.more.up: '+z' is no direction; valid names: +x, +y, -x, -y"),
    (SHARP, made("type: symmetric, across: z"),
     "beam.yaml:13: chain.more.across: expected some of x, y, each once, got 'z'"),
    (SHARP, made("type: extruded"),
     "beam.yaml:13: chain.more.along: expected some of x, y, each once, got 'z'"),
    (SHARP, made("type: repeated, times: 5"),
     "beam.yaml:13: chain.more.times: 12 cells along x leave 2 over when they are divided into 5 parts"),
    (WORK, with_link("type: power_norm, power: 0, reads: [physical]"),
     "beam.yaml:15: chain.more.power: expected >= 1 or <= -1, got 0.0"),
    (WORK, with_link("type: soft_maximum, sharpness: -1, reads: [physical]"),
     "beam.yaml:15: chain.more.sharpness: expected a number > 0, got -1"),
    (WORK, with_link("type: extreme, of: biggest, reads: [physical]"),
     "beam.yaml:15: chain.more.of: expected 'largest' or 'smallest', got 'biggest'"),
    (WORK, with_link("type: scaled, reads: [volume]"),
     "beam.yaml:15: chain.more.reads.0: no earlier link gives 'volume' (it comes later): valid names: "
     "design, displacement, filtered, physical, stiffness"),
    (WORK, with_link("type: scaled, factor: 0, reads: [displacement]"),
     "beam.yaml:15: chain.more.factor: expected a finite number other than 0, got 0.0"),
    ("{type: staircase, every: 10}",
     "8\n  limits.volume: {type: normalised, target: 0.4, extreme: compliance}",
     'beam.yaml:21: continuation."limits.volume".smooth: missing: expected text'),
    ("{type: staircase, every: 10}",
     "8\n  limits.volume: {type: normalised, target: 0.4, share: 2, extreme: compliance, smooth: volume}",
     'beam.yaml:21: continuation."limits.volume".share: expected a number > 0 and < 1, got 2'),
    ("{type: staircase, every: 10}",
     "8\n  limits.volume: {type: normalised, target: 0.4, extreme: peek, smooth: volume}",
     'beam.yaml:21: continuation."limits.volume".extreme: no \'peek\' in the chain: valid names: '
     "compliance, displacement, filtered, physical, stiffness, volume"),
    ("{type: staircase, every: 10}",
     "8\n  limits.volume: {type: normalised, target: 0.4, extreme: displacement, smooth: volume}",
     'beam.yaml:21: continuation."limits.volume".extreme: \'displacement\' is a field of 130 values, not a '
     "number; name a response"),
    (WORK, with_link("type: self_weight, per_volume: [0, 0, -1], reads: [physical]"),
     "beam.yaml:15: chain.more.per_volume: expected 2 finite numbers, got [0.0, 0.0, -1.0]"),
    (WORK, with_link("type: centrifugal, about: [0, 0], speed: 0, reads: [physical]"),
     "beam.yaml:15: chain.more.speed: nothing turns at 0; leave the link out, or give a schedule"),
    (WORK, with_link("type: centrifugal, about: [0, 0], speed: .inf, reads: [physical]"),
     "beam.yaml:15: chain.more.speed: expected a number >= 0 and < inf, got .inf"),
    (WORK, with_link("type: dynamic_compliance, loss: .inf, reads: [stiffness, physical]"),
     "beam.yaml:15: chain.more.loss: expected a number >= 0 and < inf, got .inf"),
    (WORK, with_link("type: conduction, sink: left, power: .inf, reads: [stiffness]"),
     "beam.yaml:15: chain.more.power: expected a number > 0 and < inf, got .inf"),
    ("volume: 0.5", "volume: 0.5, compliance: -3",
     "beam.yaml:18: limits.compliance: 'compliance' (compliance) is never below 0: nothing keeps an upper "
     "limit of -3"),
    (WORK, with_link("type: total_work"),
     "beam.yaml:15: chain.more: total_work reads 2 names, got 1: displacement; see its fields in the guide"),
    ("type: equilibrium}", "type: equilibrium, reads: [stiffness, physical]}",
     "beam.yaml:14: chain.displacement: Equilibrium: expected forces of shape (130, 1) as its second input, "
     "got (48,); 'stiffness' has (48,), 'physical' has (48,)"),
    ("  - {name: displacement, type: equilibrium}",
     "  - {name: weight, type: self_weight, per_volume: [0, -1], reads: [physical]}\n"
     "  - {name: displacement, type: equilibrium, reads: [weight, stiffness]}",
     "beam.yaml:15: chain.displacement: equilibrium takes moduli, then forces: the order is wrong; write "
     "reads: [stiffness, weight]"),
    (WORK, with_link("type: scaled, factor: 2, reads: [displacement]") + "  - {name: stress, type: "
     "von_mises, reads: [physical, more]}\n",
     "beam.yaml:17: chain.stress: VonMises: expected displacements of shape (130, 1) and densities of shape "
     "(48,), got (48,) and (130, 1); the order is wrong: write reads: [more, physical]"),
    (WORK, with_link("type: scaled, factor: 2, reads: [displacement]") + "  - {name: buckling, type: "
     "buckling_factors, reads: [more, filtered, physical]}\n",
     "beam.yaml:17: chain.buckling: BucklingFactors: expected moduli of shape (48,), got (130, 1); the order "
     "is wrong: by their shapes it may be [filtered, physical, more] or [physical, filtered, more]; see the "
     "guide"),
    ("stop: {iterations: 20}", "stop: {iterations: 20}\noutput: {unit: mn}",
     "beam.yaml:23: output.unit: expected one of 'mm', 'cm', 'm', 'in', got 'mn'; did you mean 'm'?"),
    ("stop: {iterations: 20}", "stop: {iterations: 20}\noutput: {smoothing: -1}",
     "beam.yaml:23: output.smoothing: expected a number >= 0, got -1"),
]  # fmt: skip


VOID = "passive: {void: {box: {lower: [2.4, 0.7], upper: [3.0, 1.0]}}}\nchain:\n"


@pytest.mark.parametrize(
    ("link", "path", "what"),
    [
        ("type: displacement, on: corner", "on", "1 of 1 looked-at nodes"),
        ("type: conduction, sink: corner, reads: [stiffness]", "sink", "1 of 1 cold nodes"),
        ("type: conduction, cooled: corner, film: 1, reads: [stiffness]", "cooled", "1 of 1 cooled nodes"),
    ],
)
def test_what_lies_in_void_altogether_is_no_place_to_look_at_or_to_cool(
    link: str, path: str, what: str
) -> None:
    text = GOOD.replace("regions:\n", "regions:\n  corner: {point: [3.0, 1.0]}\n").replace("chain:\n", VOID)
    with pytest.raises(ProblemFileError, match="void") as refusal:
        parse(text.replace(WORK, with_link(link)), "f")
    assert (
        refusal.value.mistakes[0]
        .partition(": ")[2]
        .startswith(
            f"chain.more.{path}: {what} touch only passive void cells, the first at (3, 1); move the "
        )
    )


def test_a_place_that_lies_in_void_in_part_is_told() -> None:
    text = GOOD.replace("regions:\n", "regions:\n  side: {plane: {x: 3.0}}\n").replace("chain:\n", VOID)
    link = "type: displacement, on: side, direction: [0, -1]"
    warnings = parse(text.replace(WORK, with_link(link)), "f").warnings
    told = [warning.partition(": ")[2] for warning in warnings]
    assert (
        "chain.more.on: 1 of 5 looked-at nodes touch only passive void cells, the first at (3, 1); move "
        "the region or the void" in told
    )


def test_what_stands_there_twice_is_told() -> None:
    load = "  - {on: tip, force: [0.0, -1.0]}\n"
    (twice,) = parse(GOOD.replace(load, load + load), "f").warnings
    assert twice == "f:10: loads.1: the same as loads.0; both act"
    held = "  - {on: left, fix: all}\n"
    (again,) = parse(GOOD.replace(held, held + held), "f").warnings
    assert again == "f:8: supports.1: the same as supports.0; leave one out"
    spring = "  - {on: tip, fix: [x], spring: 2.0}\n"
    (more,) = parse(GOOD.replace(held, held + spring + spring), "f").warnings
    assert more == "f:9: supports.2: the same as supports.1; both act"


def test_a_stand_in_is_not_taken_for_what_it_stands_for() -> None:
    links = "".join(
        f"  - {{name: {name}, type: {kind}, reads: [physical]}}\n"
        for name, kind in (("most", "extreme"), ("norm", "power_norm"))
    )
    schedule = "limits.norm: {type: normalised, target: 0.4, extreme: norm, smooth: most}"
    text = GOOD.replace("volume: 0.5", "volume: 0.5, norm: 1").replace(WORK, f"{WORK}{links}")
    text = text.replace("continuation:", f"continuation:\n  {schedule}")
    with pytest.raises(ProblemFileError, match="each stands") as refusal:
        parse(text, "f")
    (found,) = refusal.value.mistakes
    assert found.partition(": ")[2] == (
        'continuation."limits.norm": each stands where the other should; write extreme: most, smooth: norm'
    )
    parse(text.replace("extreme: norm, smooth: most", "extreme: most, smooth: norm"), "f")


@pytest.mark.parametrize(("old", "new", "sentence"), FORM + REGIONS + MECHANICS + CHAIN + PHYSICS + RUN)
def test_a_mistake_in_a_file_is_told(old: str, new: str, sentence: str) -> None:
    overrides = ["optimizer.type=oc"] if sentence.startswith("--set") else []
    assert mistakes(old, new, overrides) == [sentence]


def test_every_row_of_the_table_is_distinct() -> None:
    rows = FORM + REGIONS + MECHANICS + CHAIN + PHYSICS + RUN
    assert len({sentence for *_, sentence in rows}) == len(rows) > 100


def test_all_mistakes_of_form_and_reference_come_at_once() -> None:
    text = GOOD.replace("cells:", "cels:").replace("on: tip", "on: tipp").replace("every: 10", "every: ten")
    text = text.replace("minimise: compliance", "minimise: complience").replace("radius: 0.6", "radius: -1")
    with pytest.raises(ProblemFileError, match="cels") as refusal:
        parse(text, "beam.yaml", ["stop.window=0"])
    assert refusal.value.mistakes == (
        "beam.yaml:2: grid.cels: unknown key: did you mean 'cells'?",
        "beam.yaml:9: loads.0.on: no region 'tipp': did you mean 'tip'?",
        "beam.yaml:11: chain.filtered.radius: expected a number > 0, got -1",
        "beam.yaml:17: minimise: no 'complience' in the chain: did you mean 'compliance'?",
        "beam.yaml:20: continuation.\"physical.beta\".every: expected an integer >= 1, got 'ten'",
        "--set stop.window=0: stop.window: expected an integer >= 1, got 0",
    )


def test_all_mistakes_of_geometry_come_at_once() -> None:
    text = (
        GOOD.replace("[3.0, 0.0]", "[9.0, 0.0]").replace("radius: 0.6", "radius: 60").replace("all}", "[z]}")
    )
    text = text.replace("every: 10", "factor: 0.5")
    with pytest.raises(ProblemFileError, match="tip") as refusal:
        parse(text, "beam.yaml")
    places = [sentence.split(": ")[1] for sentence in refusal.value.mistakes]
    assert places == ["regions.tip", "supports.0", "chain.filtered.radius", 'continuation."physical.beta"']


STAGES = [
    (
        {"minimise: compliance": "minimise: complianc", "fix: all": "fix: [x]", "radius: 0.6": "radius: 0.1"},
        ["supports", "chain.filtered.radius", "minimise"],
    ),
    (
        {"[12, 4]": "[12, 4.5]", "3.0, 0.0]}": "3.0]}", "volume: 0.5": "volume: 2",
         "every: 10": "factor: 0.5"},
        ["grid.cells.1", "regions.tip", "limits.volume", 'continuation."physical.beta"'],
    ),
    (
        {"name: beam": "name: 7", "fix: all": "fix: [y]", "reads: [physical]": "reads: [displacement]"},
        ["name", "supports", "chain.volume"],
    ),
    ({"eta: 0.5": "eta: 5", "minimise: compliance": "minimise: displacement"}, ["chain.physical.eta"]),
    (
        {"stop: {": "stop: {windw: 1, ", "limits: {": "start: {file: a.npz}\nlimits: {", "eta: 0.5}":
         "eta: 0.5}\n  - {name: more, type: mean, reads: [displacement]}"},
        ["chain.more.reads.0", "start", "stop.windw"],
    ),
    (
        {"limits:": "passive: {soild: left}\nlimits:", "radius: 0.6": "radius: 60"},
        ["chain.filtered.radius", "passive.soild"],
    ),
    (
        {"type: equilibrium": "type: equilibrium, solver: colmod", "type: mma": "type: mma, mov: 1"},
        ["chain.displacement.solver", "optimizer.mov"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "places"), STAGES)
def test_what_is_right_is_examined_though_other_things_are_wrong(
    changes: dict[str, str], places: list[str]
) -> None:
    text = GOOD
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(ProblemFileError, match=":") as refusal:
        parse(text, "beam.yaml")
    assert [sentence.split(": ")[1] for sentence in refusal.value.mistakes] == places


def test_a_file_without_a_chain_hears_of_supports_and_loads() -> None:
    with pytest.raises(ProblemFileError, match="chain") as refusal:
        parse("name: a\ngrid: {cells: [4, 4]}\n", "f")
    places = [sentence.split(": ")[1] for sentence in refusal.value.mistakes]
    assert sorted(places) == ["chain", "loads", "minimise", "supports"]


def test_a_refused_link_still_asks_for_its_structure() -> None:
    text = GOOD.replace("type: equilibrium}", "type: equilibrium, sover: auto}")
    text = text.replace("supports:\n  - {on: left, fix: all}\n", "")
    with pytest.raises(ProblemFileError, match="sover") as refusal:
        parse(text, "f")
    assert "f:1: supports: missing: link 'displacement' (equilibrium) needs" in refusal.value.mistakes[0]


@pytest.mark.parametrize(
    "section",
    ["regions", "supports", "loads", "chain", "passive", "limits", "continuation", "optimizer", "stop",
     "material", "start", "output", "minimise", "grid"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["3", "[]", "[3]", "{}", "{a: 3}", "{a: [b]}", "a", "~"])
def test_no_value_in_any_section_makes_a_crash(section: str, value: str) -> None:
    lines = GOOD.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith(section)) if section in GOOD else 0
    end = start + 1
    while section in GOOD and end < len(lines) and lines[end].startswith(" "):
        end += 1
    kept = "".join(lines[:start] + lines[end:]) if section in GOOD else GOOD
    for text in (f"{kept}{section}: {value}\n", f"name: a\n{section}: {value}\n"):
        with contextlib.suppress(ProblemFileError):
            parse(text, "f")


def test_twenty_mistakes_are_enough() -> None:
    more = "".join(f"  - {{on: x{i}, force: [1, 0]}}\n" for i in range(300))
    found = mistakes("loads:\n", f"loads:\n{more}")
    assert len(found) == 21
    assert found[-1] == "... and 280 more"


def test_folder_is_no_suggestion() -> None:
    (found,) = mistakes("stop:", "flder: a\nstop:")
    assert "valid names: cases, chain" in found
    assert "folder" not in found


def test_what_is_made_of_a_refused_region_is_not_refused_too() -> None:
    found = mistakes(
        "{plane: {x: 0.0}}", "{plane: {x: 9.0}}\n  right: {all: [left, tip]}\n  more: {not: right}"
    )
    assert [sentence.split(": ")[1] for sentence in found] == ["regions.left"]


def test_the_file_of_another_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text(GOOD)
    with pytest.raises(ProblemFileError, match=r"there is no such file; did you mean '.*bridge\.yaml'"):
        read(tmp_path / "brigde.yaml")
    with pytest.raises(ProblemFileError, match="there is no such file; `topopt new` writes one"):
        read(tmp_path / "nothing" / "like.yaml")


def test_a_file_of_data_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [" + "1, " * 2_000_000 + "1]")
    began = time.monotonic()
    for call in (lambda: read(tmp_path / "a.yaml"), lambda: parse("a: [" + "1, " * 200_000 + "1]", "a.yaml")):
        with pytest.raises(
            ProblemFileError, match=r"a\.yaml: too large: a problem file is not data; .*\.npy"
        ):
            call()
    assert time.monotonic() - began < 1.0


def test_a_file_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"name: a\n# B\xf6gen\n")
    with pytest.raises(ProblemFileError, match=r"a\.yaml:2: not UTF-8 text; save the file as UTF-8"):
        read(tmp_path / "a.yaml")


GRID = to.Grid((4, 2))
WALL, TIP = to.Plane(x=0.0), to.Point((4.0, 0.0))
HELD, PULLED = (to.Support(WALL),), (to.PointLoad(TIP, (0.0, -1.0)),)


def beam(supports: tuple[to.Support, ...] = HELD, loads: tuple[object, ...] = PULLED) -> to.Structure:
    return to.Structure(GRID, supports, loads)  # type: ignore[arg-type]


def problem(**changes: object) -> to.Problem:
    chain = to.Chain((to.Link("physical", to.Tanh(1.0)), to.Link("volume", to.Mean(GRID))))
    return to.Problem(**({"chain": chain, "domain": GRID, "minimise": "volume"} | changes))  # type: ignore[arg-type]


API = [
    (lambda: to.Grid((4,)), "grid.cells: expected 2 or 3 numbers of cells, got (4,)"),
    (lambda: to.Grid((4, 2), (1.0, math.inf)), "grid.size: expected positive finite lengths, got (1.0, inf)"),
    (lambda: to.PointLoad(TIP, (0.0, math.nan)), "PointLoad.force: expected finite numbers, got (0.0, nan)"),
    (lambda: beam(loads=(to.PointLoad(TIP, (0.0, 0.0)),)), "load case 'load': the forces are zero; nothing "
     "would be deformed"),
    (lambda: beam(loads=()), "structure.loads: no loads; add a PointLoad, LineLoad, SurfaceLoad or BodyLoad"),
    (lambda: beam(supports=()), "structure: no supports; add a Support, or it floats"),
    (lambda: to.Cone(to.Domain(GRID), 9.0),
     "Cone.radius: 9 is larger than the whole grid of 4 x 2 (cells of 1 x 1); the radius is a length in the "
     "grid's unit, "
     "not a number of cells"),
    (lambda: to.Tanh(-1.0), "Tanh.beta: expected a value >= 0, got -1"),
    (lambda: to.Tanh("8"), "Tanh.beta: expected a number, got '8'"),  # type: ignore[arg-type]
    (lambda: to.Simp(penal=math.nan), "Simp.penal: expected a number, got nan"),
    (lambda: to.Domain(GRID, to.Everywhere()), "passive: 0 of 8 cells are left to design; at least 2 are "
     "needed"),
    (lambda: problem(minimise="volumes"), "minimise: no 'volumes' in the chain: did you mean 'volume'?"),
    (lambda: problem(density="fysical"), "density: no 'fysical' in the chain: did you mean 'physical'?"),
    (lambda: problem(start=2.0), "start: densities lie between 0 and 1, got 2 to 2"),
    (lambda: problem(start=np.zeros(3)), "start: expected one value per cell, shape (4, 2) or (8,), got "
     "(3,)"),
    (lambda: to.Limit(), "limit: expected finite lower <= upper, at least one of them, got "
     "Limit(upper=None, lower=None)"),
    (lambda: to.Chain((to.Link("a", to.Tanh(1.0), "b"),)),
     "link 'a' reads 'b', which no earlier link gives: valid names: design"),
    (lambda: problem().chain.at({"physical.betta": 1.0}),
     "'physical.betta' is not a parameter: did you mean 'physical.beta'?"),
    (lambda: to.Continuation({"physical.beta": 8.0}), "continuation of 'physical.beta': expected a "
     "Schedule, got 8.0"),  # type: ignore[dict-item]
    (lambda: to.Stop(iterations=0), "Stop.iterations: expected a value >= 1, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "sentence"), API)
def test_a_mistake_in_a_call_is_told(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(InputError, match=r".") as refusal:
        call()
    assert str(refusal.value) == sentence
