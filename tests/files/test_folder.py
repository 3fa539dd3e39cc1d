"""Two runs never share a folder, a user's files are never touched, and what is damaged is refused."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from topopt.errors import InputError, RunFolderError
from topopt.files.checkpoint import Checkpoint
from topopt.files.environment import differences, environment
from topopt.files.folder import Recording, RunFolder
from topopt.files.frames import read_frames
from topopt.files.reading import read_history
from topopt.files.status import Status, read_status, verdict


def finished(folder: RunFolder, run: tuple[Any, ...]) -> Path:
    with folder:
        *_, last = folder.steps(*run)
        folder.finish(last)
    return folder.path


def test_a_taken_name_gets_a_number_and_a_note(tmp_path: Path) -> None:
    folders = [RunFolder.create(tmp_path, "bridge") for _ in range(3)]
    assert [folder.path.name for folder in folders] == ["bridge", "bridge-2", "bridge-3"]
    assert folders[0].notes == ()
    assert folders[1].notes == (f"{tmp_path / 'bridge'} is taken; the results go to {tmp_path / 'bridge-2'}",)
    for folder in folders:
        folder.close()


def test_processes_that_start_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    code = "import sys, topopt.files.folder as f; print(f.RunFolder.create(sys.argv[1], 'x').path.name)"
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    names = [child.communicate(timeout=60)[0].strip() for child in children]
    assert sorted(names) == ["x", "x-2", "x-3"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", ".hidden", " x", "c:d"])
def test_a_name_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name: expected a plain name for the run folder"):
        RunFolder.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(RunFolderError, match=r"results.run: cannot be made"):
        RunFolder.create(tmp_path / "results", "run")


def test_overwriting_removes_what_the_run_wrote_and_nothing_else(cheap: Any, tmp_path: Path) -> None:
    path = finished(
        RunFolder.create(tmp_path, "run", "old: 1\n", recording=Recording(frames_every=1)), cheap()
    )
    before = {file.name for file in path.iterdir()}
    assert {"history.csv", "design.npz", "design.stl", "frames", "problem.yaml"} <= before
    (path / "notes.txt").write_text("mine")
    (path / "frames" / "mine.png").write_text("mine")
    (path / "design.old.npz").write_text("mine")
    with RunFolder.create(tmp_path, "run", overwrite=True) as folder:
        assert folder.path == path
        assert folder.notes == (
            f"{path}: overwritten; files that no run wrote are kept: design.old.npz, frames, notes.txt",
        )
        names = {file.name for file in path.iterdir()}
        ours = {"lock", "manifest.txt", "run.json", "status.json"}
        assert names == ours | {"notes.txt", "design.old.npz", "frames"}
        assert [file.name for file in (path / "frames").iterdir()] == ["mine.png"]
        assert folder.resolved is None


def test_overwriting_follows_no_manifest_out_of_the_folder(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "run").close()
    (tmp_path / "precious").write_text("mine")
    with (tmp_path / "run" / "manifest.txt").open("a") as file:
        file.write(f"../precious\n{tmp_path / 'precious'}\n..\n.\n\n")
    RunFolder.create(tmp_path, "run", overwrite=True).close()
    assert (tmp_path / "precious").read_text() == "mine"


def test_overwriting_refuses_a_folder_that_no_run_made(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("mine")
    with pytest.raises(RunFolderError, match="thesis: exists and is no run folder, so it is not overwritten"):
        RunFolder.create(tmp_path, "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_overwriting_a_running_run_is_refused(tmp_path: Path) -> None:
    with (
        RunFolder.create(tmp_path, "run"),
        pytest.raises(RunFolderError, match=r"run: in use by another process"),
    ):
        RunFolder.create(tmp_path, "run", overwrite=True)


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    code = "import sys; from topopt.files.folder import RunFolder; RunFolder.open(sys.argv[1])"
    with RunFolder.create(tmp_path, "run") as folder:
        child = [sys.executable, "-c", code, str(folder.path)]
        found = subprocess.run(child, capture_output=True, text=True, timeout=60)
        assert "RunFolderError" in found.stderr
        assert "in use by another process (process " in found.stderr
        assert read_status(folder.path).state == "running"
    assert subprocess.run(child, timeout=60).returncode == 0


def test_the_resolved_problem_comes_back(tmp_path: Path) -> None:
    text = "name: brücke\nstop: {}\n"
    RunFolder.create(tmp_path, "run", text, solver="cholmod: asked for", seed=3).close()
    with RunFolder.open(tmp_path / "run") as folder:
        assert folder.resolved == text
        assert folder.name == "run"
        assert folder.environment["solver"] == "cholmod: asked for"
        assert folder.environment["seed"] == 3
        assert folder.environment["versions"]["numpy"] == np.__version__
        assert folder.notes == ()


def damage(path: Path, what: str) -> None:
    about = json.loads((path / "run.json").read_text())
    if what == "marker":
        (path / "run.json").unlink()
    elif what == "torn marker":
        (path / "run.json").write_text('{"form')
    elif what == "version":
        (path / "run.json").write_text(json.dumps(about | {"format": 99}))
    elif what == "problem":
        (path / "problem.yaml").write_text("name: other\n")
    elif what == "no problem":
        (path / "problem.yaml").unlink()
    elif what == "checkpoint":
        data = bytearray((path / "checkpoint.npz").read_bytes())
        data[len(data) // 2] ^= 255
        (path / "checkpoint.npz").write_bytes(data)
    elif what == "empty checkpoint":
        (path / "checkpoint.npz").write_bytes(b"")
    elif what == "short history":
        lines = (path / "history.csv").read_text().splitlines(keepends=True)
        (path / "history.csv").write_text("".join(lines[:-1]))
    elif what == "gap":
        lines = (path / "history.csv").read_text().splitlines(keepends=True)
        (path / "history.csv").write_text("".join(lines[:2] + lines[3:]))
    elif what == "garbled":
        text = (path / "history.csv").read_text().replace("\n1,", "\none,")
        (path / "history.csv").write_text(text)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("marker", r"not a run folder: there is no run\.json in it"),
        ("torn marker", r"run\.json: damaged"),
        (
            "version",
            r"written in format 99, this topopt reads format 3; resume it with the version that wrote it",
        ),
        ("problem", r"problem\.yaml: changed since the run began; undo the change"),
        ("no problem", r"problem\.yaml: missing"),
        ("checkpoint", r"checkpoint\.npz: damaged .*; remove it to start again from the first iteration"),
        ("empty checkpoint", r"checkpoint\.npz: damaged"),
        ("short history", r"history\.csv has 7 whole iterations, the checkpoint 8; the table was cut"),
        ("gap", r"history\.csv: damaged: the iterations do not count 1, 2, 3"),
        ("garbled", r"history\.csv or vanishing\.csv is damaged"),
    ],
)
def test_a_damaged_folder_is_refused(cheap: Any, tmp_path: Path, what: str, message: str) -> None:
    path = finished(RunFolder.create(tmp_path, "run", "name: run\n"), cheap())
    damage(path, what)
    with pytest.raises(RunFolderError, match=message):
        RunFolder.open(path)
    with RunFolder.create(tmp_path, "run", overwrite=True):  # the lock was let go
        pass


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for read in (RunFolder.open, read_history, read_status):
        with pytest.raises(RunFolderError, match=r"not a run folder|no such folder"):
            read(tmp_path / "nowhere")


def test_the_status_follows_the_run(cheap: Any, tmp_path: Path) -> None:
    run = cheap()
    folder = RunFolder.create(tmp_path, "run")
    assert folder.status() == Status("running")
    for step in folder.steps(*run):
        last = step
    folder.finish(last)
    status = folder.status()
    folder.close()
    assert (status.state, status.iterations, status.reason) == ("finished", 8, last.reason)
    assert status.objective == last.iteration.objective
    assert status.violation == last.iteration.violation
    assert status.verdict == verdict(last.iteration.violation)


def test_a_run_without_a_process_counts_as_interrupted(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    assert read_status(folder.path).state == "running"
    folder.close()
    assert read_status(folder.path) == Status("interrupted", reason="its process ended without a word")


def test_an_error_is_noted_as_the_reason(cheap: Any, tmp_path: Path) -> None:
    def broken() -> None:
        with RunFolder.create(tmp_path, "run") as folder:
            next(folder.steps(*cheap()))
            raise ZeroDivisionError("by nought")

    with pytest.raises(ZeroDivisionError, match="by nought"):
        broken()
    status = read_status(tmp_path / "run")
    assert (status.state, status.iterations, status.reason) == (
        "interrupted",
        1,
        "ZeroDivisionError: by nought",
    )


@pytest.mark.parametrize(
    ("violation", "text"),
    [(-0.1, "meets its limits"), (0.0011, "violates a limit by 0.11 %"), (float("-inf"), "has no limits")],
)
def test_the_verdict(violation: float, text: str) -> None:
    assert verdict(violation) == text


def test_frames_are_written_as_asked_and_at_the_end(cheap: Any, tmp_path: Path) -> None:
    path = finished(RunFolder.create(tmp_path, "run", recording=Recording(frames_every=3)), cheap())
    frames = dict(read_frames(path / "frames"))
    assert list(frames) == [1, 4, 7, 8]
    density = np.load(path / "design.npz")["density"]
    assert frames[8].shape == density.shape == (6, 4)
    assert np.abs(frames[8] / 255 - density).max() <= 0.5 / 255
    assert not (
        finished(RunFolder.create(tmp_path, "none", recording=Recording(0)), cheap()) / "frames"
    ).exists()


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    (tmp_path / "000003.npz").write_bytes(b"PK")
    with pytest.raises(RunFolderError, match=r"000003\.npz: damaged"):
        list(read_frames(tmp_path))


def test_further_files_are_noted_and_the_folder_s_own_are_safe(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder:
        folder.write_text("diagnosis.txt", "ä\n")
        assert (folder.path / "diagnosis.txt").read_bytes() == "ä\n".encode()
        for name in ("history.csv", "lock", "../x", "", "a/b"):
            with pytest.raises(InputError, match="cannot be written into a run folder"):
                folder.write_text(name, "")
    with RunFolder.create(tmp_path, "run", overwrite=True):
        assert not (folder.path / "diagnosis.txt").exists()


def test_the_checkpoint_keeps_every_bit(tmp_path: Path) -> None:
    arrays = {
        "zeros": np.array([0.0, -0.0, 0.0]),
        "negative": np.full(5, -0.0),
        "same": np.full(7, 1 / 3),
        "nan": np.full(4, np.nan),
        "empty": np.zeros(0),
        "one": np.array([2.5]),
        "matrix": np.ones((3, 2)),
        "count": np.array(12),
        "scale": np.array(0.1 + 0.2),
    }
    tiny = np.nextafter(np.zeros(3), 1)
    Checkpoint(4, tiny, "a.B", arrays, None, {11: -tiny, 4: tiny}).save(tmp_path / "c.npz")
    back = Checkpoint.load(tmp_path / "c.npz")
    assert back is not None
    assert (back.number, back.memory, back.output) == (4, "a.B", None)
    for one, other in [
        (back.x, tiny),
        (back.kept[4], tiny),
        (back.kept[11], -tiny),
        *((back.state[k], v) for k, v in arrays.items()),
    ]:
        assert one is not None
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    assert back.state.keys() == arrays.keys()
    assert list(back.kept) == [4, 11]


def test_the_environment_is_plain_and_tells_differences() -> None:
    now = environment("superlu: asked for", seed=1)
    assert json.loads(json.dumps(now)) == now
    then = json.loads(json.dumps(now))
    assert differences(then, now) == ()
    then["versions"]["numpy"] = "1.0"
    then["solver"] = "cholmod: the fastest"
    assert differences(then, now) == (
        f"versions: numpy was 1.0, is {np.__version__}",
        "solver: was 'cholmod: the fastest', is 'superlu: asked for'",
    )


def test_opening_drops_what_lies_beyond_the_checkpoint_and_drafts(cheap: Any, tmp_path: Path) -> None:
    path = finished(RunFolder.create(tmp_path, "run", recording=Recording(frames_every=1)), cheap())
    left = [path / "frames" / "000009.npz", path / "frames" / ".tmp-000009.npz", path / ".tmp-checkpoint.npz"]
    for file in left:
        file.write_bytes(b"PK")
    with (path / "history.csv").open("a") as table:
        table.write("9,torn")
    tables = [path / "vanishing.csv", path / "checkpoint.npz", path / "frames" / "000008.npz"]
    before = [file.read_bytes() for file in tables]
    with RunFolder.open(path) as folder:
        assert len(folder.history) == 8
        assert folder.status() == Status.of(folder.history, "running")
    assert not any(file.exists() for file in left)
    assert [file.read_bytes() for file in tables] == before
    assert (path / "history.csv").read_text() == folder.history.tables()[0]


def test_the_status_keeps_up_with_slow_iterations(cheap: Any, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder, mock.patch("topopt.files.folder.OFTEN", 0.0):
        for step in folder.steps(*cheap()):
            assert folder.status().iterations == step.iteration.number


def test_a_slow_iteration_is_told_at_once(cheap: Any, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder:
        told = []
        for _ in folder.steps(*cheap(3)):
            told.append(folder.status().iterations)
            time.sleep(0.25)
        assert told[1:] == [2, 3]


def test_a_run_without_its_checkpoint_starts_again_and_says_so(cheap: Any, tmp_path: Path) -> None:
    path = finished(RunFolder.create(tmp_path, "run"), cheap())
    with RunFolder.open(path) as folder:
        assert folder.notes == ()
    (path / "checkpoint.npz").unlink()
    with RunFolder.open(path) as folder:
        assert folder.notes == ("no checkpoint: starting again; the old tables are dropped",)
        assert len(folder.history) == folder.status().iterations == 0
    with RunFolder.open(path) as folder:
        assert folder.notes == ()


@pytest.mark.parametrize("victim", ["history.csv", "checkpoint.npz", "000003.npz"])
def test_a_full_disk_is_told_by_the_file_that_failed_first(cheap: Any, tmp_path: Path, victim: str) -> None:
    write, full = io.FileIO.write, [False]

    class Filling(io.FileIO):
        def write(self, data: Any) -> int:
            full[0] = full[0] or (steps == 2 and victim in str(self.name))
            if full[0]:
                write(self, bytes(data)[:7])
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(self, data)

    def opened(path: Path, mode: str = "r", buffering: int = -1, **more: Any) -> Any:
        return plain(path, mode, buffering, **more) if buffering else Filling(path, mode.replace("b", ""))

    plain, steps = Path.open, 0
    recording = Recording(frames_every=1)
    with (
        mock.patch.object(Path, "open", opened),
        pytest.raises(
            RunFolderError, match=rf"{victim}: cannot be written: No space left on device"
        ) as refusal,
        RunFolder.create(tmp_path, "run", recording=recording) as folder,
    ):
        for steps, _ in enumerate(folder.steps(*cheap()), 1):  # noqa: B007
            pass
    assert "2 iterations are on record: `topopt resume" in str(refusal.value)
    assert "goes on once there is space" in str(refusal.value)
    assert not list(tmp_path.rglob(".tmp-*"))
    path = finished(RunFolder.open(tmp_path / "run"), cheap())
    assert read_status(path).iterations == 8


def test_a_file_in_the_way_is_named(cheap: Any, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder:
        (folder.path / "vanishing.csv").mkdir()
        with pytest.raises(RunFolderError, match=r"vanishing\.csv: cannot be read: Is a directory"):
            next(folder.steps(*cheap()))
