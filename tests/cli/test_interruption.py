"""Signals: the first waits for the iteration, the second does not, an ignored one stays ignored."""

from __future__ import annotations

import signal

import pytest

from topopt.cli.interruption import Request, at_once, handled


def test_the_first_request_waits_and_the_second_does_not(capfd: pytest.CaptureFixture[str]) -> None:
    request = Request()
    before = signal.getsignal(signal.SIGINT)
    with handled(request):
        signal.raise_signal(signal.SIGINT)
        assert request.made
        with pytest.raises(KeyboardInterrupt, match="asked twice"):
            signal.raise_signal(signal.SIGTERM)
    assert capfd.readouterr().err == "stopping after this iteration (again: at once)\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_handlers_nest() -> None:
    request = Request()
    with handled(at_once):
        with handled(request):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt, match="signal 15"):
            signal.raise_signal(signal.SIGTERM)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handled(at_once):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
