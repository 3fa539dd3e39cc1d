"""From cotangents to numbers: when is a sensitivity dead, where did it die, and which alarm should ring."""

from topopt.vanishing.reading import Reading, read
from topopt.vanishing.ringing import ALARMS, OPEN, WINDOW, alarms

__all__ = ["ALARMS", "OPEN", "WINDOW", "Reading", "alarms", "read"]
