"""Work in a process of its own."""

import pathlib
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable

# Unlike multiprocessing's children, this one never runs the caller's own script again.
_CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
function, args, kwargs = pickle.load(sys.stdin.buffer)
try:
    outcome = function(*args, **kwargs), None
except Exception as error:
    outcome = None, error
with open(sys.argv[1], "wb") as file:
    pickle.dump(outcome, file)
"""


def apart(function: Callable, *args, **kwargs) -> object:
    """What a function returns, or raises, in a process of its own.

    Args:
        function: of a module; it and its arguments can be pickled.
        *args: of the function.
        **kwargs: of the function.

    Raises:
        ChildProcessError: if that process was ended.
    """
    call = pickle.dumps(sys.path) + pickle.dumps((function, args, kwargs))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "outcome"
        # Its own prints are notes.
        command = [sys.executable, "-c", _CHILD, str(path)]
        done = subprocess.run(command, input=call, stdout=sys.__stderr__, check=False)
        if done.returncode or not path.exists():
            raise ChildProcessError(f"The process was ended, exit code {done.returncode}.")
        value, error = pickle.loads(path.read_bytes())
    if error:
        raise error
    return value
