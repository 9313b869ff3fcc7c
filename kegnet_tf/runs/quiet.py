"""What libraries print, kept away from the user's terminal, and shown where a command fails by it.

TensorFlow greets on descriptor 2 whatever its settings say, and so do the processes that a run
starts. So a command keeps its user's standard error under another descriptor, as `sys.stderr`, and
descriptors 1 and 2 belong to a file that has no name and goes with the process.
"""

import contextlib
import faulthandler
import os
import sys
import tempfile
import warnings

LIMIT = 20_000  # characters of it that are shown; ours
_files: list = []  # the one with no name, and the user's standard error, once there are


def hush() -> None:
    """Sends what libraries and other processes print from now on, and warnings, to a file.

    A crash outside of Python still writes its traceback to the user's standard error. Nothing
    happens a second time, or where standard error is closed.
    """
    if _files or sys.stderr is None:
        return
    file = tempfile.TemporaryFile("w+b", buffering=0)  # noqa: SIM115 - as long as the process
    sys.stderr.flush()
    how = {"encoding": sys.stderr.encoding, "errors": "backslashreplace", "buffering": 1}
    shown = open(os.dup(2), "w", **how)  # noqa: SIM115 - the same
    os.dup2(file.fileno(), 2)
    _files[:] = file, shown
    sys.stderr = shown
    faulthandler.enable(shown)
    warnings.showwarning = _keep_warning


def descriptor() -> int:
    """Of the user's standard error."""
    return _files[1].fileno() if _files else 2


def columns() -> int:
    """Characters in a line of the user's terminal: `COLUMNS`, or as it says itself; 80 without."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    for number in (descriptor(), 0, 1):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(number).columns or 80
    return 80


def printed() -> str:
    """The end of what was sent to the file; "" without any."""
    if not _files:
        return ""
    sys.__stderr__.flush()
    file = _files[0].fileno()
    size = os.fstat(file).st_size
    # Read at a place of its own: other processes write where this descriptor stands.
    text = os.pread(file, LIMIT, max(0, size - LIMIT))
    return text.decode(errors="replace").strip()


def _keep_warning(message, category, filename, lineno, file=None, line=None):
    text = warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.__stderr__).write(text)
