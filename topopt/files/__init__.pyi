from .arrays import read_design
from .export import Plan, voxels
from .folder import RunFolder
from .job import Job, parse, read
from .json_schema import schema
from .reading import read_about, read_frames, read_history, read_problem
from .record import Recording
from .study import StudyFile, parse_study, read_study

__all__ = [
    "Job", "Plan", "Recording", "RunFolder", "StudyFile", "parse", "parse_study", "read", "read_about",
    "read_design", "read_frames", "read_history", "read_problem", "read_study", "schema", "voxels",
]  # fmt: skip
