"""How a command ends before its time: in one line, and whatever ends it, in the same way."""

import contextlib
import errno
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

from absl import logging as absl_logging

from kegnet_tf.runs import quiet

_FULL = ("No space left on device", f"errno = {errno.ENOSPC}")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 2.5  # seconds from a signal to the end, whatever the process is busy with; ours
told = threading.Event()  # set once an interruption was told
_places: list[str] = []  # the folders that go on where they were
_last: list[str] = []  # the line about an interruption, at the moment of the signal


def interrupt_on_signals() -> None:
    """SIGTERM and SIGHUP interrupt as Ctrl-C does; a second one of any ends the process at once.

    One that the process was started to ignore, as by `nohup`, stays ignored. What is raised where
    nobody can catch it is only logged, for those who ask for more.

    Python hears of a signal only between two of its own steps, and one call of TensorFlow may take
    minutes. So a thread hears it too, says at once how to go on, and has the process ended after
    `PATIENCE` with exit code 1: all that a run keeps is whole at any moment.
    """
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _log
    threading.excepthook = _log
    heard, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    threading.Thread(target=_end_after_signal, args=(heard,), daemon=True).start()


@contextlib.contextmanager
def going_on(folder: str | os.PathLike) -> Iterator[None]:
    """While it lasts, the line about an interruption says that this folder goes on where it was."""
    _places.append(str(folder))
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(interrupted())
        raise
    finally:
        _places.pop()


def interrupted() -> str:
    """The line about an interruption of now."""
    if not _places:
        return "interrupted."
    return f"interrupted. The same command goes on where it was, in {_places[0]}."


def line_of(error: BaseException) -> str | None:
    """What to tell of an exception, in one line; None where it is a fault of this program.

    Args:
        error: what a command was ended by.
    """
    if any(isinstance(each, KeyboardInterrupt) for each in _chain(error)):
        notes = [note for each in _chain(error) for note in getattr(each, "__notes__", ())]
        text = notes[0] if notes else interrupted()
    elif any(_is_full(each) for each in _chain(error)):
        where = next((each.filename for each in _chain(error) if _named(each)), "")
        text = f"the disk is full{f' at {where}' * bool(where)}; with more room, the same command "
        text += "goes on where it was."
    elif isinstance(error, MemoryError):
        text = f"out of memory ({error})."
    elif isinstance(error, (OSError, ValueError)):
        text = str(error)
    else:
        return None
    return " ".join(text.split())


def is_fault(error: BaseException) -> bool:
    """Whether a command was ended by this program's fault, or by one of its processes'.

    Args:
        error: what it was ended by.
    """
    return line_of(error) is None or any(
        isinstance(each, ChildProcessError) for each in _chain(error)
    )


def _interrupt(number, frame):
    for each in SIGNALS:
        if signal.getsignal(each) == _interrupt:
            signal.signal(each, signal.SIG_DFL)
    _last.append(interrupted())  # now, as what is raised leaves the folder
    raise KeyboardInterrupt


def _end_after_signal(heard):
    """Says how it goes on, and ends the process where a signal has not ended it after a while."""
    while True:
        numbers = os.read(heard, 1)
        if numbers and numbers[0] in SIGNALS:
            break
    # By a thread of C: what is freed on the way out may wait for TensorFlow, and nobody runs then.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=nowhere)
    line = f"{os.path.basename(sys.argv[0])}: {(_last or [interrupted()])[0]}\n"
    logging.disable()
    shown = quiet.descriptor()
    last = os.dup(shown)
    for each in {shown, 2}:  # a bar may be drawn, and TensorFlow be on its way in, and greet
        os.dup2(nowhere, each)
    if os.isatty(last):
        line = f"\r\x1b[2K{line}\x1b[?25h"  # in place of a bar, which hid the cursor
    os.write(last, line.encode(errors="backslashreplace"))
    told.set()


def _log(found):
    absl_logging.debug("Could not be raised: %s", found.exc_value)


def _chain(error) -> Iterator[BaseException]:
    """An exception and all that led to it."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_full(error):
    return getattr(error, "errno", None) == errno.ENOSPC or any(
        text in str(error) for text in _FULL
    )


def _named(error):
    return isinstance(error, OSError) and error.filename
