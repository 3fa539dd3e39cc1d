"""How long `topopt --help` takes: the best and the median of several fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 9
PROGRAM = "from topopt.cli import main; main()"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "topopt --help": ["-c", PROGRAM, "--help"],
    "topopt run --help": ["-c", PROGRAM, "run", "--help"],
    "topopt --version": ["-c", PROGRAM, "--version"],
    "what `topopt run` imports": ["-c", "import topopt.cli.running"],
}


def main() -> None:
    """Print the table."""
    print(f"{'command':28}{'best':>8}{'median':>8}  seconds, {RUNS} processes each")
    for name, words in COMMANDS.items():
        seconds = []
        for _ in range(RUNS):
            start = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        print(f"{name:28}{min(seconds):8.3f}{statistics.median(seconds):8.3f}")


if __name__ == "__main__":
    main()
