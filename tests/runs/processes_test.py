import os
import signal
import subprocess
import sys
import threading
import time

import child
import psutil
import pytest

from kegnet_tf.runs import processes


def test_function_runs_in_another_process_and_gives_its_value_back():
    assert processes.apart(child.number) != os.getpid()


def test_what_it_raises_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        processes.apart(divmod, 1, 0)


def test_process_that_is_ended_is_an_error_of_its_own():
    with pytest.raises(ChildProcessError, match="ended, exit code -9"):
        processes.apart(child.die)


def test_plain_script_needs_no_guard(tmp_path):
    # multiprocessing would run the script again in each child, without end.
    script = tmp_path / "script.py"
    script.write_text(
        "from kegnet_tf.runs import processes\nprint('once')\nprint(processes.apart(max, 1, 2))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "once\n2\n"


def test_outcome_that_cannot_be_pickled_is_an_error_in_one_line(capfd):
    for function in (child.function, child.raise_what_cannot_be_pickled):
        with pytest.raises(ChildProcessError, match="The process failed"):
            processes.apart(function)
    assert "Traceback" not in capfd.readouterr().err


def test_what_it_prints_goes_to_standard_error(capfd):
    assert processes.apart(print, "a note") is None
    assert capfd.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_process_ends_with_the_one_that_asked_for_it(tmp_path, number):
    script = f"""
from kegnet_tf.runs import processes
import child
processes.apart(child.sleep, {str(tmp_path / "number")!r})
"""
    paths = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": paths}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "number").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    sleeping = psutil.Process(int((tmp_path / "number").read_text()))
    parent.send_signal(number)
    parent.wait(60)
    sleeping.wait(10)  # raises where it goes on


def test_interruption_ends_the_other_process_without_a_word(tmp_path, capfd):
    def interrupt():
        while not (tmp_path / "number").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        processes.apart(child.sleep, str(tmp_path / "number"))
    assert not psutil.pid_exists(int((tmp_path / "number").read_text()))
    assert capfd.readouterr().err == ""
