"""SIGTERM ends a task as Ctrl-C does, with a code of its own."""

import os
import signal
import threading

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from deployer.tasks import ending, shell


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_task_that_is_told_to_end_cleans_up_and_says_so(number, code, capfd):
    closed = []

    @shell.task
    def long(_context):
        """Wait."""
        try:
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 5)
        finally:
            closed.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Exit) as caught:
            long(Context())
    finally:
        signal.signal(signal.SIGINT, before)
    assert (caught.value.code, closed) == (code, [True])
    assert "interrupted" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_who_hears_the_signal_already_goes_on_hearing_it():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(True))
    try:
        with ending.both_ways():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [True]


def test_a_thread_that_is_not_the_first_may_run_tasks_too():
    ended = []
    thread = threading.Thread(target=lambda: ended.append(ending.both_ways().__enter__()))
    thread.start()
    thread.join()
    assert ended == [None]
