"""Work in a process of its own, which ends with the one that asked for it."""

import ctypes
import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

# Unlike multiprocessing's children, this one never runs the caller's own script again. It holds the
# pipe of its outcome under a number of its own, so that whatever prints goes to standard error.
_CHILD = """
import os, pickle, sys
outcome = os.dup(1)
os.dup2(2, 1)
sys.path[:] = pickle.load(sys.stdin.buffer)
from kegnet_tf.runs import processes
processes.serve(int(sys.argv[1]), outcome)
"""


def apart(function: Callable, *args, **kwargs) -> object:
    """What a function returns, or raises, in a process of its own.

    That process ends when this one does, however that comes about. It has a session of its own, so
    that Ctrl-C meets this process alone, which then ends it.

    Args:
        function: of a module; it and its arguments can be pickled.
        *args: of the function.
        **kwargs: of the function.

    Raises:
        ChildProcessError: if that process was ended, or what it returned cannot be pickled.
    """
    call = pickle.dumps(sys.path) + pickle.dumps((function, args, kwargs))
    command = [sys.executable, "-c", _CHILD, str(os.getpid())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": sys.__stderr__}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ  # what fails raises as well
    with subprocess.Popen(command, **pipes, env=quiet, start_new_session=True) as child:
        try:
            outcome, _ = child.communicate(call)
        except BaseException:
            child.kill()
            child.wait()  # what it was writing may be removed after this
            raise
    if child.returncode:
        raise ChildProcessError(f"The process was ended, exit code {child.returncode}.")
    value, error = pickle.loads(outcome)
    if error:
        raise error
    return value


def serve(parent: int, outcome: int) -> None:
    """The other side of `apart`: does what standard input asks for.

    Args:
        parent: number of the process that asks; when it ends, this one does.
        outcome: file descriptor that gets (value, error), pickled.
    """
    _end_with(parent)
    faulthandler.enable()  # on standard error, which the parent shows where this process dies
    try:
        function, args, kwargs = pickle.load(sys.stdin.buffer)
        answer = _pickled(function(*args, **kwargs), None)
    except Exception as error:  # raised again by `apart`
        answer = _pickled(None, error)
    with open(outcome, "wb") as file:
        file.write(answer)


def _pickled(value, error):
    try:
        answer = pickle.dumps((value, error))
        pickle.loads(answer)  # an exception may take other arguments than it keeps
    except Exception as failed:
        reason = f"{type(error or failed).__name__}: {error or failed}"
        answer = pickle.dumps((None, ChildProcessError(f"The process failed ({reason}).")))
    return answer


def _end_with(parent):
    """Ends this process as soon as its parent is gone."""
    if sys.platform == "linux":  # even in the middle of a long call of C
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
