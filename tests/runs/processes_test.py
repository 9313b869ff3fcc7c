import os
import subprocess
import sys

import child
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
