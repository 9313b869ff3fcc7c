import json
import os
import subprocess
import sys

import pytest

from kegnet_tf.extraction import WRITER, partial_name
from kegnet_tf.runs import lock

DEAD = "0123456789abcdef"
HOLDS = """
import os, pathlib, signal, sys
from kegnet_tf.extraction import partial_name
from kegnet_tf.runs import lock
folder = pathlib.Path(sys.argv[1])
with lock.held(folder):
    (folder / "students").mkdir()
    partial_name(folder / "students" / "a.keras").write_text("half")
    try:
        with lock.held(folder):
            print("twice")
    except ValueError as error:
        print(error, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_folder_is_held_by_one_and_the_second_is_told_by_whom(tmp_path):
    folder = tmp_path / "run"
    with lock.held(folder):
        message = rf"nobody else works in. Received: {folder}, where .* \(process {os.getpid()} on "
        with pytest.raises(ValueError, match=message), lock.held(folder):
            raise AssertionError
    with lock.held(folder):
        pass
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_what_a_process_leaves_unfinished_goes_with_its_lock(tmp_path):
    with lock.held(tmp_path):
        partial_name(tmp_path / "a.keras").write_text("half")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_lock_of_a_dead_owner_is_taken_over_and_what_it_left_removed(tmp_path):
    run, output = tmp_path / "run", tmp_path / "output"
    owner = {"writer": DEAD, "places": [str(output)]}
    for folder in (run, output):
        (folder / f"partial-{DEAD}-1-export").mkdir(parents=True)
        (folder / "partial-export").mkdir()
    (run / ".owner.json").write_text(json.dumps(owner))
    with lock.held(run):
        assert json.loads((run / ".owner.json").read_text())["writer"] == WRITER
    assert {path.name for path in run.iterdir()} == {".lock", "partial-export"}
    assert {path.name for path in output.iterdir()} == {"partial-export"}


@pytest.mark.parametrize("text", ["", "[]", '{"writer": 3}', '{"writer": "*", "places": ["/"]}'])
def test_owner_that_cannot_be_read_is_nobody(tmp_path, text):
    (tmp_path / "partial-export").mkdir()
    (tmp_path / ".owner.json").write_text(text)
    with lock.held(tmp_path):
        assert json.loads((tmp_path / ".owner.json").read_text())["process"] == os.getpid()
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "partial-export"}


@pytest.mark.slow
def test_killed_process_gives_its_lock_back(tmp_path):
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode < 0
    assert "`workdir` must be one that nobody else works in." in done.stdout
    assert len([*(tmp_path / "students").iterdir()]) == 1
    with lock.held(tmp_path):
        assert not [*(tmp_path / "students").iterdir()]
