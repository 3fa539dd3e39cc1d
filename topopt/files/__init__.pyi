from .export import Plan
from .folder import RunFolder
from .job import Job, parse, read
from .json_schema import schema
from .reading import read_about, read_frames, read_history, read_problem
from .record import Recording

__all__ = [
    "Job", "Plan", "Recording", "RunFolder", "parse", "read", "read_about", "read_frames", "read_history",
    "read_problem", "schema",
]  # fmt: skip
