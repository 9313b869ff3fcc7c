"""Results stand on standard output alone; notes, and all that others print, on standard error."""

import ast
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Notes, prints of a library, of C and of another process, and a result.
NOISY = """
import logging, os, subprocess, sys, warnings
from kegnet_tf.runs import flags
def main(config):
    logging.getLogger("kegnet_tf.runs.run").info("a note")
    logging.getLogger("kegnet_tf.export.parity").warning("a warning")
    logging.getLogger("h5py").warning("of no interest")
    logging.getLogger("h5py").error("an error of another library")
    print("a print")
    os.write(1, b"a print of C\\n")
    subprocess.run([sys.executable, "-S", "-c", "print('of another process')"])
    warnings.warn("a warning of another library")
    ENDING
flags.run(main, tensorflow=False)
"""
SHOWN = ["a note", "a warning", "an error of another library"]
PRINTED = ["a print", "a print of C", "of another process"]


def noisy(*arguments, ending="""return '{"accuracy": 0.5}'""", check=True):
    command = [sys.executable, "-P", "-c", NOISY.replace("ENDING", ending), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def test_result_stands_alone_on_standard_output_and_notes_are_plain_lines():
    done = noisy()
    assert done.stdout == '{"accuracy": 0.5}\n'
    assert done.stderr.splitlines() == SHOWN


def test_what_others_print_is_shown_where_it_is_asked_for():
    done = noisy("--verbose")
    assert done.stdout == '{"accuracy": 0.5}\n'
    lines = done.stderr.splitlines()
    assert [line for line in lines if line in SHOWN + PRINTED] == SHOWN + PRINTED
    assert "a warning of another library" in done.stderr


def test_bad_input_ends_in_one_line_without_what_others_printed():
    done = noisy(ending="raise ValueError('`seed` must be whole.')", check=False)
    assert done.stderr.splitlines() == [*SHOWN, "-c: `seed` must be whole."]


def test_fault_of_the_program_shows_what_others_printed_before_it():
    done = noisy(ending="raise RuntimeError('a bug')", check=False)
    lines = done.stderr.splitlines()
    assert {*PRINTED} <= {*lines}
    assert lines.index("a print of C") < lines.index("Traceback (most recent call last):")
    assert "a warning of another library" in done.stderr
    assert lines[-1] == "RuntimeError: a bug"
    assert done.stdout == ""


def test_process_that_dies_shows_what_it_said_and_the_last_line_is_the_commands():
    ending = "from kegnet_tf.runs import processes; processes.apart(os.abort)"
    done = noisy(ending=ending, check=False)
    assert "Fatal Python error: Aborted" in done.stderr
    assert {*PRINTED} <= {*done.stderr.splitlines()}
    assert done.stderr.splitlines()[-1] == "-c: The process was ended, exit code -6."


def test_crash_outside_of_python_still_says_something():
    done = noisy(ending="os.abort()", check=False)
    assert done.returncode == -6
    assert done.stderr.splitlines()[3:][:1] == ["Fatal Python error: Aborted"]


def test_verbosity_shows_what_other_libraries_note_and_still_spares_standard_output():
    done = noisy("--verbosity=0")
    assert done.stdout == '{"accuracy": 0.5}\n'
    assert {"a note", "a warning", "of no interest"} <= {*done.stderr.splitlines()}
    assert "a note" not in noisy("--verbosity=-1").stderr


@pytest.mark.parametrize("folder", ["kegnet_tf", "bin"])
def test_nothing_is_printed_but_by_the_flags(folder):
    printing = set()
    for path in (ROOT / folder).rglob("*"):
        if path.suffix not in ("", ".py") or not path.is_file():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("print", "sys.stdout.write", "keras.utils.io_utils.print_msg"):
                printing.add(path.name)
    assert printing <= {"flags.py", "endings.py"}  # the second tells how a command ended


@pytest.mark.slow
def test_evaluation_is_json_on_standard_output_with_and_without_data(tmp_path):
    import smallest

    smallest.tiny_teacher().save(tmp_path / "tiny.keras")
    x = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)
    np.savez(tmp_path / "test.npz", x=x, y=np.arange(6) % 3)
    command = [sys.executable, str(ROOT / "bin" / "kegnet-evaluate"), "--model=tiny.keras"]
    rows = []
    for data in ([], ["--eval_data=test.npz"]):
        done = subprocess.run(
            [*command, *data],
            cwd=tmp_path,
            env=os.environ | {"TFDS_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append(json.loads(done.stdout))
        assert ("No real test data" in done.stderr) == (not data)
    assert rows[0]["accuracy"] is None
    assert 0 <= rows[1]["accuracy"] <= 1
    assert rows[0].keys() == rows[1].keys()
