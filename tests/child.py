"""What a new process of a test runs; it imports nothing that takes seconds."""

import os
import signal
import time


def number(*_, **__):
    return os.getpid()


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(path):
    """Writes the number of this process, and goes on for long."""
    with open(f"{path}.partial", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{path}.partial", path)
    time.sleep(600)


def function():
    return lambda: None


def raise_what_cannot_be_pickled():
    raise ValueError(lambda: None)
