import contextlib
import errno
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from kegnet_tf.runs import endings


def caused(error, cause):
    error.__cause__ = cause
    return error


GOES_ON = "interrupted. The same command goes on where it was, in runs/mine."
FULL = OSError(errno.ENOSPC, "No space left on device", "/run/a.keras")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("`seed` must\n  be whole."), "`seed` must be whole."),
        (OSError("no"), "no"),
        (KeyboardInterrupt(), "interrupted."),
        (caused(ValueError("`teacher` must be whole"), KeyboardInterrupt()), "interrupted."),
        (FULL, "the disk is full at /run/a.keras; with more room, the same command goes on where"),
        (caused(ValueError("`teacher` must be whole"), FULL), "the disk is full at /run/a.keras;"),
        (RuntimeError("write failed: errno = 28, error"), "the disk is full; with more room"),
        (MemoryError("2 TiB"), "out of memory (2 TiB)."),
    ],
)
def test_command_ends_in_one_line_that_says_why(error, line):
    told = endings.line_of(error)
    assert told.startswith(line)
    assert "\n" not in told


def test_fault_of_the_program_keeps_its_traceback():
    assert endings.line_of(RuntimeError("a bug")) is None


@pytest.mark.parametrize("number", endings.SIGNALS)
def test_every_signal_interrupts_but_one_that_is_ignored(number):
    source = f"""
import signal
from kegnet_tf.runs import endings
if IGNORED:
    signal.signal({int(number)}, signal.SIG_IGN)
endings.interrupt_on_signals()
try:
    signal.raise_signal({int(number)})
    print("goes on")
except KeyboardInterrupt:
    print("interrupted")
"""
    for ignored, told in ((True, "goes on"), (False, "interrupted")):
        command = [sys.executable, "-c", source.replace("IGNORED", str(ignored))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == told


def test_second_signal_ends_the_process_at_once():
    source = """
import signal
from kegnet_tf.runs import endings
endings.interrupt_on_signals()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    signal.raise_signal(signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=False)
    assert done.returncode == -signal.SIGTERM
    assert done.stderr == b""


@pytest.mark.slow
def test_process_in_a_long_call_ends_within_five_seconds_and_says_how_it_goes_on():
    source = """
import ctypes, os, sys, threading
from kegnet_tf.runs import endings
sys.argv = ["kegnet"]
endings.interrupt_on_signals()
with endings.going_on("runs/mine"):
    threading.Timer(0.5, print, ["busy"], {"flush": True}).start()
    lock, library = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    library.pthread_mutex_lock(lock)
    threading.Timer(2.0, os.write, [2, b"a greeting of TensorFlow"]).start()
    library.pthread_mutex_lock(lock)  # waits for good
"""
    started = [sys.executable, "-c", source]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
    assert time.monotonic() - begun < 5
    assert process.returncode == 1
    assert told.decode() == "kegnet: " + GOES_ON + "\n"


def test_folder_is_named_where_what_is_raised_has_left_it_before_the_line_is_told():
    source = """
import os, signal, sys
from kegnet_tf.runs import endings
sys.argv = ["kegnet"]
sys.setswitchinterval(1.0)  # the thread that tells comes after
endings.interrupt_on_signals()
try:
    with endings.going_on("runs/mine"):
        os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    endings.told.wait(10)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.stderr == f"kegnet: {GOES_ON}\n"


@pytest.mark.slow
def test_line_about_an_interruption_takes_the_place_of_a_bar():
    source = """
import os, signal, sys, time
from kegnet_tf.runs import endings, progress
sys.argv = ["kegnet"]
endings.interrupt_on_signals()
try:
    with progress.stage("At work"), progress.stage("Generator 1 of 2", 4):
        time.sleep(0.6)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
except KeyboardInterrupt:
    endings.told.wait(10)
"""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", source], stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is gone
            while chunk := os.read(ours, 1000):
                shown += chunk
    os.close(ours)
    assert process.returncode == 0
    assert "Generator 1 of 2" in shown.decode()
    assert shown.decode().endswith("\r\x1b[2Kkegnet: interrupted.\r\n\x1b[?25h")


def test_interruption_names_the_folder_that_goes_on():
    with pytest.raises(KeyboardInterrupt) as caught, endings.going_on("runs/mine"):
        raise KeyboardInterrupt
    assert endings.line_of(caught.value) == GOES_ON
