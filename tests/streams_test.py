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
import logging, os, subprocess, sys
from kegnet_tf.runs import flags
def main(config):
    logging.getLogger("kegnet_tf.runs.run").info("a note")
    logging.getLogger("kegnet_tf.export.parity").warning("a warning")
    logging.getLogger("h5py").warning("of no interest")
    logging.getLogger("h5py").error("an error of another library")
    print("a print")
    os.write(1, b"a print of C\\n")
    subprocess.run([sys.executable, "-S", "-c", "print('of another process')"])
    return '{"accuracy": 0.5}'
flags.run(main)
"""


def noisy(*arguments):
    command = [sys.executable, "-P", "-c", NOISY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_result_stands_alone_on_standard_output_and_notes_are_plain_lines():
    done = noisy()
    assert done.stdout == '{"accuracy": 0.5}\n'
    assert done.stderr.splitlines() == [
        *("a note", "a warning", "an error of another library"),
        *("a print", "a print of C", "of another process"),
    ]


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
