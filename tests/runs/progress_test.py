import io
import logging
import os
import pty
import subprocess
import sys
import time

import pytest

from kegnet_tf.runs import progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_stage_tells_steps_measures_and_the_time_that_its_own_pace_leaves():
    clock = Clock()
    stage = progress.Stage("Generator 1 of 2", 300, clock)
    assert stage.line == "Generator 1 of 2: 0 of 300 steps, 0 s"
    clock.now = 50.0  # traced, and 200 steps were done before an interruption
    stage.tell(201, {"loss": 1.23456, "confidence": 0.5, "accuracy": 0.25})
    assert stage.line == "Generator 1 of 2: 201 of 300 steps, loss 1.23, recognised 0.25"
    clock.now = 70.0
    stage.tell(211, {"loss": 1.0})  # too few to tell
    assert stage.line == "Generator 1 of 2: 211 of 300 steps, loss 1"
    stage.tell(221, {"loss": 1.0})
    assert stage.line == "Generator 1 of 2: 221 of 300 steps, loss 1, 79 s left"
    stage.tell(300, {"val_agreement": 0.9})
    assert stage.line == "Generator 1 of 2: 300 of 300 steps, on held-out data 0.9, 70 s"


def test_time_left_does_not_count_what_pilots_took():
    clock = Clock()
    stage = progress.Stage("Student a", 100, clock)
    stage.tell(0, {"loss": 2.0})
    assert stage.line == "Student a: a pilot, loss 2"
    for now, done in ((60.0, 0), (600.0, 0), (601.0, 1), (610.0, 10)):
        clock.now = now
        stage.tell(done, {})
    assert stage.seconds_left == 90.0  # of a second each since the last pilot


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "1.5 min"), (7200, "2 h")]
)
def test_durations_are_in_units_that_people_use(seconds, text):
    assert progress.duration(seconds) == text


def test_log_gets_a_line_of_the_innermost_stage_before_it_was_silent_for_long(monkeypatch, caplog):
    monkeypatch.setattr(progress, "QUIET", 0.1)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO, "kegnet_tf")
    with progress.stage("Students"), progress.stage("Student a", 8) as stage:
        stage.tell(1, {"loss": 2.0})
        end = time.monotonic() + 30.0
        while not caplog.messages and time.monotonic() < end:  # by a thread, whatever this one does
            time.sleep(0.01)
        stage.tell(8, {"loss": 1.0})
    assert caplog.messages[0] == "Student a: 1 of 8 steps, loss 2"
    assert caplog.messages[-1].startswith("Student a: 8 of 8 steps, loss 1")


def test_heading_is_told_once_and_bold_on_terminals_alone(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "kegnet_tf")
    with progress.stage("Students", heading="they learn"):
        pass
    assert caplog.messages == ["\nStudents: they learn"]
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert progress.emphasised("a") == "\x1b[1ma\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert progress.emphasised("a") == "a"


def test_bar_gets_how_far_it_is_in_few_words():
    clock = Clock()
    stage = progress.Stage("student1, kegnet+", 400, clock)
    assert progress.Stage("Files").short == ""
    for now, done in ((0.0, 0), (10.0, 100)):
        clock.now = now
        stage.tell(done, {"loss": 1.0, "val_agreement": 0.87654})
    assert stage.short == "100/400, on held-out data 0.877, 30 s left"


@pytest.mark.slow
def test_terminal_gets_a_bar_that_leaves_the_last_line_alone():
    source = """
import logging, sys, time
from kegnet_tf.runs import progress
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
with progress.stage("kegnet"), progress.stage("Generator 1 of 2", 4) as stage:
    stage.tell(1, {"loss": 2.0})
    time.sleep(0.8)
    stage.tell(4, {"loss": 1.0})
"""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", source], stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 1000):
                shown += chunk
        except OSError:  # the other end is gone
            os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "1/4, loss 2" in text
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back
