"""Runs the problems that README and guide show, and keeps their figures: `make figures`."""

from __future__ import annotations

import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import topopt as to
from topopt.files import read, read_history
from topopt.gallery.dynamics import LONG, passed, random_bases
from topopt.history import History
from topopt.nets import Bend, SignGate, digits, sign_net
from topopt.nets.lyapunov import RandomNetwork
from topopt.nets.meanfield import mean_field
from topopt.nets.models import SteeredChain
from topopt.nets.recurrent import LSTM, RNN, chrono
from topopt.nets.saliency import deletion, gradient, integrated, saliency_chain, softened
from topopt.parameters import Array

HERE = Path(__file__).parent
SHOWN = {
    "bridge": ("problem.png", "convergence.png", "vanishing.png", "densities.png"),
    "bridge_3d": ("problem.png", "design.png"),
    "bridge_3d_fine": ("design.png",),
    "cantilever_3d_fine": ("design.png",),
    "heat_sink": ("design.png",),
    "inverter": ("design.png",),
    "gripper": ("design.png",),
    "arch": ("design.png",),
    "mbb_printed": ("design.png",),
    "wing_rib": ("design.png",),
    "wing_box": ("problem.png", "design.png"),
    "bridge_3d_traffic": ("design.png",),
    "bridge_worst_case": ("design.png",),
    "uncertain_direction": ("design.png",),
    "cooled_plate": ("design.png",),
    "rotor": ("design.png",),
    "warm_beam": ("design.png",),
    "l_bracket": ("design.png",),
    "l_bracket_stress": ("design.png",),
    "tower_frequency": ("design.png",),
    "shaken_beam": ("design.png",),
    "column_buckling": ("design.png",),
    "two_materials": ("design.png",),
    "wheel": ("design.png",),
    "cast_beam": ("design.png",),
    "mbb_slim": ("design.png",),
    "hollow_deck": ("design.png",),
    "facade_image": ("design.png",),
    "bracket_mesh": ("design.png",),
    "cold_plate_mesh": ("design.png",),
    "mbb_robust": ("design.png",),
    "stool_stl": ("design.png",),
}
EXAMPLES = ("proteins", "genome", "digit_duel", "chosen_pixels", "mollified")
"""Examples that leave a picture of their own name."""
WIDTH = 1000
PATH = 10_000
"""Steps over which a net's exponent and its costate are held against each other."""
STAGES = ("physical", "filtered", "design")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def main() -> None:
    """Run each problem in a scratch folder and keep what is shown."""
    target = HERE / "figures"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for problem, names in SHOWN.items():
            file = HERE.parent / "problems" / f"{problem}.yaml"
            command = [sys.executable, "-c", "from topopt.cli import main; main()", "run", str(file)]
            subprocess.run([*command, "--results", scratch], check=True)
            for name in names:
                kept(Path(scratch, problem, name), target / f"{problem}_{name}")
        first_screen(Path(scratch, "bridge")).savefig(target / "bridge.png")
        for example in EXAMPLES:  # the pages show five starts
            command = [sys.executable, str(HERE / "examples" / f"{example}.py")]
            command += [] if example == "mollified" else ["--seeds", "5"]  # which takes five by itself
            subprocess.run(command, check=True, cwd=scratch)
        for example in EXAMPLES:
            drawn = Path(scratch, "results", example, f"{example}.png")
            kept(drawn, target / f"nets_{example}.png")
        signs = HERE.parent / "problems" / "studies" / "sign_gates.yaml"
        command = [sys.executable, "-c", "from topopt.cli import main; main()", "study", str(signs)]
        subprocess.run([*command, "--results", scratch], check=True)
        strips = Path(scratch, "sign_gates", "figures", "classes-4-layers-strips.png")
        kept(strips, target / "nets_strips.png")
        gallery = [
            sys.executable,
            "-c",
            "from topopt.cli import main; main()",
            "gallery",
            "--results",
            scratch,
        ]
        subprocess.run(gallery, check=True)
        kept(Path(scratch, "gallery", "gallery.png"), target / "gallery.png")
    paths().savefig(target / "nets_paths.png")
    transition().savefig(target / "nets_transition.png")
    steered().savefig(target / "nets_steered.png")
    costates().savefig(target / "nets_costates.png")
    explained().savefig(target / "nets_explained.png")


def kept(source: Path, target: Path) -> None:
    """Copy a picture at the width that pages show, or as high if it is higher than wide."""
    with Image.open(source) as picture:
        scale = WIDTH / max(picture.size)
        size = round(picture.width * scale), round(picture.height * scale)
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(target, optimize=True)


def first_screen(run: Path) -> Figure:
    """Draw what a visitor sees first: a design, its convergence, where its sensitivities faded."""
    history = read_history(run)
    with np.load(run / "design.npz") as arrays:
        density, spacing = arrays["density"], arrays["spacing"]
    figure = Figure(figsize=(10.0, 4.4), dpi=100, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1.0), height_ratios=(1.0, 0.62))
    design = figure.add_subplot(grid[0, 0])
    width, height = density.shape * spacing
    design.imshow(density.T[::-1], cmap="Greys", vmin=0, vmax=1, extent=(0, width, 0, height))
    design.set(xticks=[], yticks=[], title="the bridge, 240 x 120 cells, three load cases")
    convergence(figure.add_subplot(grid[0, 1]), history)
    strip(figure, figure.add_subplot(grid[1, :]), history)
    for axes in figure.axes:
        axes.title.set_fontsize(10)
    return figure


def convergence(axes: Axes, history: History) -> None:
    """Draw the objective, and the sharpness behind it."""
    numbers = np.arange(1, len(history) + 1)
    axes.semilogy(numbers, history.column("objective"), color="#0072B2", label="objective")
    axes.set(xlabel="iteration", title=r"objective (blue) under the ramp of $\beta$ (orange)")
    sharpness = axes.twinx()
    sharpness.semilogy(numbers, history.values("physical.beta"), color="#D55E00", lw=1)
    sharpness.set_yticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    sharpness.minorticks_off()


def strip(figure: Figure, axes: Axes, history: History) -> None:
    """Draw the share of entries that still carry a sensitivity, stage by stage."""
    alive = 1 - np.array([history.stage(stage, "dead3") for stage in STAGES])
    extent = (0.5, len(history) + 0.5, len(STAGES) - 0.5, -0.5)
    image = axes.imshow(alive, aspect="auto", cmap="cividis_r", vmin=0, vmax=1, extent=extent)
    axes.set_yticks(range(len(STAGES)), STAGES)
    axes.set(
        xlabel="iteration",
        title="share of the sensitivities that is alive, from projection to design",
    )
    figure.colorbar(image, ax=axes, pad=0.01)


def paths() -> Figure:
    """Draw how far back a signal reaches through 50,000 steps of four recurrent nets, as drawn."""
    bases = random_bases(LONG)
    cells = {
        "RNN": RNN.drawn(4, 32),
        "RNN, orthogonal": RNN.drawn(4, 32, orthogonal=True),
        "LSTM": LSTM.drawn(4, 32),
        "LSTM, chrono": chrono(LSTM.drawn(4, 32), LONG),
    }
    figure = Figure(figsize=(10.0, 3.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for (name, cell), colour in zip(cells.items(), COLOURS, strict=True):
        left = passed(cell, bases, 32)
        print(f"{name}: {left[-1]:,.1f} decades, {left[-1] * np.log(10.0) / LONG:.3g} nats a step")
        label = f"{name}: {left[-1]:,.0f}"
        axes.plot(np.linspace(LONG / 1000, 0.0, len(left)), left, color=colour, label=label)
    axes.set(xlabel="step, thousands", title="log10 of the costate, from the last step (right) to the first")
    axes.legend(frameon=False, loc="lower right", title="at the first step")
    return figure


def transition() -> Figure:
    """Draw the largest Lyapunov exponent over the gain: theory, QR, and the slope of the costate."""
    figure = Figure(figsize=(10.0, 3.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    fine = np.linspace(0.5, 5.0, 181)
    axes.plot(
        fine, [mean_field(gain).largest for gain in fine], color="#999999", label="theory, infinitely many"
    )
    gains = np.array([0.5, 0.7, 0.9, 1.1, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0])
    networks = [RandomNetwork.drawn(400, gain) for gain in gains]
    found = [network.spectrum(1, PATH, 500) for network in networks]
    tops, errors = (np.array([getattr(one, name)[0] for one in found]) for name in ("exponents", "errors"))
    slopes = [network.costate_path(PATH, 500).rate for network in networks]
    for gain, top, slope in zip(gains, tops, slopes, strict=True):
        exact = mean_field(gain).largest
        print(f"g = {gain}: {top:.4f} by QR, {slope:.4f} by the costate, {exact:.4f} in theory")
    axes.errorbar(
        gains, tops, 2 * errors, fmt="o", color=COLOURS[0], label="QR, 400 units, two standard errors"
    )
    axes.plot(gains, slopes, "x", ms=9, color=COLOURS[1], label="slope of the costate")
    axes.axhline(0.0, color="#dddddd", zorder=0)
    axes.set(xlabel="gain g", title=r"largest Lyapunov exponent $\lambda_1$ of x' = J tanh x, nats a step")
    axes.legend(frameon=False)
    return figure


def steered() -> Figure:
    """Draw how descent finds the best controls, and how far back a costate is heard with and without them."""
    job = read(HERE.parent / "problems" / "nets" / "steered_chain.yaml")
    history = to.solve(job.problem, job.optimizer, job.continuation, job.stop).history
    figure = Figure(figsize=(10.0, 3.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    excess = np.maximum(np.abs(history.column("measures:excess")), 1e-16)
    left.semilogy(np.arange(1, len(history) + 1), excess, color=COLOURS[0])
    left.set(xlabel="iteration", title="cost above Riccati's, as a share")
    model = SteeredChain().model
    plant, steps = model.plant, 400
    seed = np.random.default_rng(0).normal(size=len(plant.a))
    for name, gains, colour in (
        ("left alone", (), COLOURS[1]),
        ("steered as is best", plant.riccati(steps), COLOURS[0]),
    ):
        path = plant.sensitivity(seed, steps, gains)
        print(f"chain {name}: {path.lost:.2f} decades lost over {steps} steps, {path.rate:.3g} nats a step")
        right.plot(np.arange(steps, -1, -1), path.log_norms - path.log_norms[-1], color=colour, label=name)
    right.set(xlabel="steps back", title="log10 of the costate")
    right.legend(frameon=False)
    return figure


def costates() -> Figure:
    """Draw one recursion in two chains, a beam's finite elements and a net's layers, on one scale."""
    beam = read(HERE.parent / "problems" / "mbb.yaml", ["grid.cells=[60, 20]", "limits.volume=0.3"])
    x, chain = beam.problem.field(beam.problem.initial()), beam.problem.chain
    deep = {gain: sign_net(*digits(), (32,) * 8, Bend(gain)) for gain in (0.1, 1.5)}
    figure = Figure(figsize=(10.0, 3.9), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(5, 9))
    for beta, colour in ((64.0, COLOURS[1]), (1.0, COLOURS[0])):
        way = way_back(chain.at({"physical.beta": beta}), x, "compliance", "stiffness")
        label = rf"projection $\beta$ = {beta:g}"
        left.plot(range(len(way)), list(way.values()), "o-", color=colour, label=label)
        left.set_xticks(range(len(way)), list(way), rotation=25, ha="right")
        print(label, {name: round(value, 2) for name, value in way.items()})
    for (gain, net), colour in zip(deep.items(), COLOURS[1::-1], strict=True):
        way = way_back(net.chain, net.initial(), "loss", "logits")
        del way["weights"]  # a leaf for every layer, not a stage behind the last
        right.plot(range(len(way)), list(way.values()), "o-", color=colour, label=f"tanh({gain:g} z)")
        print(gain, {name: round(value, 2) for name, value in way.items()})
    right.set_xticks(range(0, len(way), 2), list(way)[::2], rotation=25, ha="right")
    left.set(
        ylabel="powers of ten",
        title="A beam: log10 of the costate, from the\nadjoint solution (stiffness) to the design",
    )
    right.set(title="A net of eight layers, as drawn: the same,\nfrom the logits to the first layer")
    for axes in (left, right):
        axes.axhline(0.0, color="#dddddd", zorder=0)
        axes.legend(frameon=False, loc="center right")
    return figure


def way_back(chain: to.Chain, x: Array, of: str, since: str) -> dict[str, float]:
    """Return log10 of the costate's norm at every name on the way back since one, over that at this one."""
    found = chain.run(x).sensitivities(of)
    names = [name for name in (chain.source, *chain.names) if name in found]
    back = names[: names.index(since) + 1][::-1]
    norms = [float(np.log10(np.linalg.norm(found[name]))) for name in back]
    return {name: norm - norms[0] for name, norm in zip(back, norms, strict=True)}


def explained() -> Figure:
    """Draw what three methods hold responsible for one digit, in a net whose gates are sharpened."""
    saliency = runpy.run_path(str(HERE / "examples" / "saliency.py"))
    train, held_out, blank = (saliency[name] for name in ("TRAIN", "HELD_OUT", "BLANK"))
    image, label = held_out.inputs[3], int(held_out.labels[3])
    x = sign_net(train, held_out, (48,), SignGate()).start
    figure = Figure(figsize=(10.0, 5.2), dpi=100, layout="constrained")
    panels = figure.subplots(2, 4)
    for row, slope in zip(panels, (1.0, 256.0), strict=True):
        for step in (1.0,) if slope == 1.0 else (16.0, 256.0):
            x = saliency["sharpened"](x, step)
        chain = saliency_chain(sign_net(train, held_out, (48,), SignGate(slope)), x, label)
        found = {
            "gradient": gradient(chain, image, blank),
            "integrated gradients": integrated(chain, image, blank, points=100),
            "softened gates": softened(chain, image, blank),
        }
        row[0].imshow(image.reshape(8, 8), cmap="Greys")
        row[0].set_title(f"a {label}, slope {slope:g}")
        for axes, (name, one) in zip(row[1:], found.items(), strict=True):
            largest = np.abs(one.shares).max()
            axes.imshow(one.shares.reshape(8, 8), cmap="RdBu_r", vmin=-largest, vmax=largest)
            left = deletion(chain, image, blank, one)
            axes.set_title(f"{name}\nlargest {largest:.2g}, deletion {left:.2f}", fontsize=9)
    for axes in panels.ravel():
        axes.set(xticks=[], yticks=[])
    return figure


if __name__ == "__main__":
    main()
