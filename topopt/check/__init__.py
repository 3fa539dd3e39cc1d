"""The tests that every derivative has to pass, for the package's own stages and for yours."""

from __future__ import annotations

from topopt.check.conformance import dot, stage
from topopt.check.descent import InDouble, Surrogate, model
from topopt.check.remainder import Taylor, taylor
from topopt.check.report import Outcome, Report
from topopt.check.response import chain

__all__ = [
    "InDouble",
    "Outcome",
    "Report",
    "Surrogate",
    "Taylor",
    "chain",
    "dot",
    "model",
    "stage",
    "taylor",
]
