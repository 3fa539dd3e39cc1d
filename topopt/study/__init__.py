"""The same problems under different continuations, judged by one yardstick that never sees a schedule."""

from topopt.study.accuracy import SharpAccuracy
from topopt.study.comparison import Comparison
from topopt.study.dials import Range
from topopt.study.execution import carry_out
from topopt.study.outcome import Judgement, Outcome
from topopt.study.report import write_report
from topopt.study.starts import Starts
from topopt.study.stop import FairStop
from topopt.study.study import Study
from topopt.study.trial import Trial
from topopt.study.tuning import tune
from topopt.study.yardstick import Threshold, Yardstick

__all__ = [
    "Comparison",
    "FairStop",
    "Judgement",
    "Outcome",
    "Range",
    "SharpAccuracy",
    "Starts",
    "Study",
    "Threshold",
    "Trial",
    "Yardstick",
    "carry_out",
    "tune",
    "write_report",
]
