import contextlib
import dataclasses
import importlib
import json
import pickle
import sys
import tempfile

import keras
import numpy as np
import pytest
from smallest import tiny_config, tiny_teacher, untimed
from smallest_runs import export_nothing, no_time

from kegnet_tf import experiments, export, runs, teachers
from kegnet_tf.runs import pictures, read_json


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose frontier converts nothing, of a teacher in a file."""
    monkeypatch.setattr(runs.Run, "convert", staticmethod(export_nothing))
    monkeypatch.setattr(runs.Run, "latencies", staticmethod(no_time))
    tiny_teacher().save(tmp_path / "teacher.keras")
    path = tmp_path / "run"
    return runs.Run(tiny_config(), path, teacher=str(tmp_path / "teacher.keras"))


class Elsewhere(experiments.Executor):
    """Stands for a cluster: tasks come to it pickled, and results go back so."""

    @contextlib.contextmanager
    def opened(self):
        def execute(function, tasks):
            for task in tasks:
                yield pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(task)))))

        yield execute


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ([], "`frontier` must hold 1 to 100 entries"),
        (["much"], "`frontier` must be a finite number. Received: 'much'"),
        ([0.5], "`frontier` must be 1 or more. Received: 0.5"),
        ([500], "`target_ratio` must"),
    ],
)
def test_wrong_ratio_is_refused_before_anything_is_written(run, ratios, message):
    with pytest.raises(ValueError, match=message):
        experiments.frontier(run, ratios)
    assert not run.workdir.exists()


def test_students_of_another_kind_are_refused(run):
    run = runs.Run(run.config, run.workdir, **run.given, students=["student"])
    with pytest.raises(ValueError, match="`frontier` must come without other students"):
        experiments.frontier(run, [2.0])
    assert not run.workdir.exists()


@pytest.mark.slow
def test_students_of_all_ratios_stand_beside_the_teacher_and_are_found_again(run):
    made = experiments.frontier(run, ["2", 1.5])
    folder = run.workdir
    assert [file["path"] for file in made.content["files"]] == [
        *("teacher/litert_float32.tflite", "frontier/ratio1_5/litert_float32.tflite"),
        "frontier/ratio2/litert_float32.tflite",
    ]
    sizes = made.content["parameters"]
    assert list(sizes) == ["ratio1_5", "ratio2"]
    assert sizes["ratio2"] < sizes["ratio1_5"] < tiny_teacher().count_params()
    assert json.loads((folder / "results.json").read_text()) == made.content
    assert (folder / "results.md").read_text() in made.text
    assert made.text.rstrip().splitlines()[-1].startswith("Recommended: ")
    assert (folder / "results.png").read_bytes()[1:4] == b"PNG"
    listed = read_json(folder / "manifest.json")["files"]
    assert {"results.png", "frontier/ratio2/litert_float32.tflite"} <= {*listed}
    kept = [*folder.glob("students/*"), *folder.glob("frontier/*/*")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    more = experiments.frontier(run, [2.0, 1.5, 1.25], executor=Elsewhere())
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert untimed(more.content)["files"][2:] == untimed(made.content)["files"][1:]


MINE = """
import keras
class Mine(keras.layers.Layer):
    def call(self, x):
        return x
"""


class Away(Elsewhere):
    """A cluster whose workers are in another folder, and know no modules of the user's."""

    def check(self):
        pass

    @contextlib.contextmanager
    def opened(self):
        def execute(function, tasks):
            tasks, before = [*tasks], [*sys.path]
            with contextlib.chdir(tempfile.gettempdir()):
                for task in tasks:
                    sys.path[:] = [path for path in before if not path.endswith("/home")]
                    sys.modules.pop("mine", None)
                    yield function(*pickle.loads(pickle.dumps(task)))
            sys.path[:] = before

        yield execute


@pytest.mark.slow
def test_relative_paths_and_own_modules_mean_the_same_on_workers(run, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.py").write_text(MINE)
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    mine, model = importlib.import_module("mine"), tiny_teacher()
    outputs = mine.Mine()(model.outputs[0])
    keras.Model(model.inputs, keras.layers.Dense(3)(outputs)).save("teacher.keras")
    loading = teachers.Loading(custom_objects=("mine:Mine",))
    config = tiny_config(num_generators=1)
    run = runs.Run(config, "run", teacher="teacher.keras", loading=loading)
    made = experiments.frontier(run, [2.0], executor=Away("ray"))
    assert list(made.content["parameters"]) == ["ratio2"]
    assert (home / "run" / "frontier" / "ratio2" / "export.json").exists()


def rows(name, accuracy=None):
    made = []
    for form, size in (("litert_float32", 400), ("litert_int8", 100)):
        row = export.ExportedFile(form, 1, f"{name}/{form}", size, milliseconds=size / 100)
        made.append(dataclasses.replace(row, teacher_agreement=0.9, accuracy=accuracy))
    return made


def drawn(series, chosen, path):
    from matplotlib import image

    pictures.frontier_chart(series, chosen, path)
    return image.imread(path)


@pytest.mark.slow
def test_chart_has_a_second_row_where_accuracy_is_known_and_rings_the_choice(tmp_path):
    without = drawn([("teacher", rows("t")), ("ratio2", rows("s"))], None, tmp_path / "a.png")
    known = [("teacher", rows("t", 0.8)), ("ratio2", rows("s", 0.9))]
    with_accuracy = drawn(known, None, tmp_path / "b.png")
    assert with_accuracy.shape[0] > 1.5 * without.shape[0]
    ringed = drawn(known, "s/litert_int8", tmp_path / "c.png")
    assert ringed.shape == with_accuracy.shape
    assert np.any(ringed != with_accuracy)
