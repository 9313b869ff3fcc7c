"""The notebook runs from its first cell to its last, and leaves what it says."""

import pathlib

import nbclient
import nbformat
import pytest

NOTEBOOK = pathlib.Path(__file__).parents[1] / "docs" / "digits.ipynb"


@pytest.mark.slow
def test_notebook_goes_from_a_teacher_to_a_litert_file(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources=where
    ).execute()  # raises where a cell does
    assert (tmp_path / "student.keras").exists()
    assert (tmp_path / "export" / "student_int8.tflite").exists()


def test_notebook_is_small():
    assert NOTEBOOK.stat().st_size < 200_000
