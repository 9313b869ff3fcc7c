"""One student at a time: trained or found finished, and its files beside the teacher's."""

import pathlib

from kegnet_tf.export import ExportRecord
from kegnet_tf.runs import export_folder, exporting, measuring, students


def deploy_student(run, name: str) -> ExportRecord:
    """Trains and exports one student of a run, to a folder of its own name in `frontier/`.

    It depends on the run, the name and the files of the generators, not on what was done before.

    Args:
        run: a `Run` that its folder belongs to.
        name: among the run's students; it learns from the last of the run's arms.

    Returns:
        The record of its files.
    """
    result = students.result(run, (name, run.config.arms[-1], 0))
    folder = place_of_student(run, name)
    exporting.deployed(run, measuring.report(run, [result]), result, folder)
    return ExportRecord.read(folder)


def place_of_student(run, name: str) -> pathlib.Path:
    """The folder of a student's files."""
    return run.workdir / export_folder.SEVERAL / name
