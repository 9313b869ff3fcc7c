"""How a command ends before its time: in one line, and whatever ends it, in the same way."""

import errno
import signal
import sys
import threading
from collections.abc import Iterator

from absl import logging as absl_logging

_FULL = ("No space left on device", f"errno = {errno.ENOSPC}")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_on_signals() -> None:
    """SIGTERM and SIGHUP interrupt as Ctrl-C does; a second one of any ends the process at once.

    One that the process was started to ignore, as by `nohup`, stays ignored. What is raised where
    nobody can catch it is only logged, for those who ask for more.
    """
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _log
    threading.excepthook = _log


def line_of(error: BaseException) -> str | None:
    """What to tell of an exception, in one line; None where it is a fault of this program.

    Args:
        error: what a command was ended by.
    """
    if any(isinstance(each, KeyboardInterrupt) for each in _chain(error)):
        text = "interrupted."
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


def _interrupt(number, frame):
    for each in SIGNALS:
        if signal.getsignal(each) == _interrupt:
            signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt


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
