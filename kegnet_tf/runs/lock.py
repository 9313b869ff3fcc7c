"""One process at a time in a run's folder."""

import contextlib
import datetime
import json
import os
import pathlib
import socket
import sys
from collections.abc import Iterator, Sequence

import filelock

from kegnet_tf.extraction import WRITER
from kegnet_tf.runs import endings
from kegnet_tf.runs.workdir import sweep, write_json

FILES = (".lock", ".owner.json")


@contextlib.contextmanager
def held(folder: pathlib.Path, places: Sequence[pathlib.Path] = ()) -> Iterator[None]:
    """Keeps other processes out of a run's folder.

    The operating system gives the lock back when its owner ends, however that comes about; what a
    killed owner left unfinished is then removed. The file `.lock` stays.

    Args:
        folder: of the run; made where it is missing.
        places: other folders that this process writes into.

    Raises:
        OSError: if the folder cannot be written, or its file system has no locks.
        ValueError: if another process works there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, owner = (folder / name for name in FILES)
    try:
        taken = filelock.FileLock(lock, timeout=0).acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"`workdir` must be one that nobody else works in. Received: {folder}, where "
            f"{_described(_read(owner))}."
        ) from error
    with taken:
        dead = _read(owner)
        for place in (folder, *map(pathlib.Path, dead.get("places", ()))):
            sweep(place, str(dead.get("writer")))
        since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        work = {
            "command": os.path.basename(sys.argv[0]) or "python",
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": since,
            "writer": WRITER,
            "places": [str(place) for place in places],
        }
        write_json(owner, work)
        try:
            with endings.going_on(folder):
                yield
        finally:
            sweep(folder, WRITER)
            owner.unlink(missing_ok=True)


def _read(owner):
    """What the file of an owner says; {} where there is none, or it is not whole."""
    try:
        found = json.loads(owner.read_text())
    except (OSError, ValueError):
        found = {}
    return found if isinstance(found, dict) else {}


def _described(work):
    """Who works in a folder, for people."""
    if not work:
        return "another process has just begun"
    about = "{command} (process {process} on {host}) has worked since {since}"
    return about.format_map({"command": "?", "process": "?", "host": "?", "since": "?"} | work)
