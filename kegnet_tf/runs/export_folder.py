"""The folder of an export: whose it is, whether it stands, and how a new one takes its place."""

import logging
import pathlib

from kegnet_tf.export import ExportRecord
from kegnet_tf.runs import manifest
from kegnet_tf.runs.workdir import set_aside

_RECORD = "export.json"
# Of a run: for a student's files, for its teacher's, and for folders of several students'.
FOLDERS = ("export", "teacher")
SEVERAL = "frontier"
logger = logging.getLogger(__name__)


def check_folder(folder: pathlib.Path, workdir: pathlib.Path) -> None:
    """Refuses a folder that an export must not take the place of.

    Args:
        folder: where the files are to land.
        workdir: the run's folder.

    Raises:
        ValueError: if the folder holds what no export wrote, or is, contains or lies inside the
            work directory, but where a run exports to.
    """
    folder, workdir = folder.resolve(), workdir.resolve()
    related = folder == workdir or workdir in folder.parents or folder in workdir.parents
    own = is_own(folder, workdir)
    if related and not own:
        raise ValueError(f"`output` must lie outside of the work directory. Received: {folder}.")
    ours = (folder / _RECORD).is_file() or (folder.is_dir() and not any(folder.iterdir()))
    if own:
        ours |= f"{folder.relative_to(workdir).as_posix()}/{_RECORD}" in (
            manifest.known(workdir) or {}
        )
    if folder.exists() and not ours:
        rule = "be a folder that is new or empty, or one that an export made"
        raise ValueError(f"`output` must {rule}. Received: {folder}, which is something else.")


def is_own(folder: pathlib.Path, workdir: pathlib.Path) -> bool:
    """Whether a run exports to this folder."""
    place = folder.relative_to(workdir).parts if workdir in folder.parents else ()
    return place in [(name,) for name in FOLDERS] or place[:-1] == (SEVERAL,)


def check_own(workdir: pathlib.Path) -> None:
    """Refuses a work directory in whose `FOLDERS` lies what no export wrote, as `check_folder`."""
    for name in FOLDERS:
        check_folder(workdir / name, workdir)


def stands(folder: pathlib.Path, record: ExportRecord) -> bool:
    """Whether the folder holds an export of just this record, each file as it was written."""
    found = _read(folder)
    if found is None or found.settings != record.settings:
        return False
    return len(found.intact(folder)) == len(found.files)


def retire(folder: pathlib.Path) -> None:
    """Makes room for a new export.

    Files go that are as an earlier export wrote them. What else lies there is set aside, with the
    folder.
    """
    if not folder.exists():
        return
    record = _read(folder)
    written = {*record.intact(folder), folder / _RECORD} if record else set()
    there = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    strangers = {*there} - written
    if strangers:
        (folder,) = set_aside(f"holds {min(strangers).name}, which no export wrote,", folder)
        return
    for path in there:  # whatever else a record of a stranger may name
        path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):  # the innermost first
        path.rmdir()
    folder.rmdir()


def _read(folder):
    """The record of an earlier export; None where there is none, or it is not as it was written."""
    try:
        return ExportRecord.read(folder)
    except FileNotFoundError:
        return None
    except ValueError as error:
        logger.warning("%s", error)
        return None
