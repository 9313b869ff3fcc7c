"""A classifier that no preset knows, from its file to an exported student."""

import importlib
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from smallest import tiny_config
from smallest_runs import HereRun

from kegnet_tf import export, runs, teachers

ARMS = ("tucker", "kegnet")


def tiny(**overrides):
    asked = {"students.student.target_ratio": 3.0}
    return tiny_config(num_generators=1, arms=ARMS, **asked, **overrides)


def images_teacher(path, *front, activation="softmax"):
    keras.Sequential(
        [
            keras.Input((12, 9, 3)),
            *front,
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4, activation=activation),
        ]
    ).save(path)
    return str(path)


@pytest.mark.slow
def test_images_in_raw_pixels_go_in_and_a_student_of_raw_pixels_comes_out(tmp_path):
    teacher = images_teacher(tmp_path / "raw.keras", layers.Rescaling(1 / 255))
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (20, 12, 9, 3)).astype(np.uint8)
    source = teachers.load(teacher)
    np.savez(tmp_path / "test.npz", x=x, y=source.predict_on_batch(x.astype(np.float32)).argmax(1))
    data = runs.DataOptions(str(tmp_path / "test.npz"))
    run = HereRun(tiny(), tmp_path / "run", teacher=teacher, data=data)
    assert run.report.dataset == "raw"
    assert run.report.teacher.accuracy == 1.0  # the labels are its own answers
    for row in run.students:
        assert row.compression_ratio == pytest.approx(3.0, rel=0.1)
    path = export.ExportRecord.read(tmp_path / "run" / "export").student
    (exported,) = [row for row in run.students if row.stem in path]
    row = runs.evaluate_file(
        tiny(), tmp_path / "run" / "export" / "student_float32.tflite", data=data
    )
    assert row["accuracy"] == exported.accuracy


@pytest.mark.slow
def test_vectors_go_in_and_charts_but_no_images_come_out(tmp_path):
    model = keras.Sequential(
        [keras.Input((7,)), layers.Dense(40, "relu"), layers.Dense(40, "relu"), layers.Dense(1)]
    )
    model.save(tmp_path / "two.keras")
    run = HereRun(tiny(), tmp_path / "run", teacher=str(tmp_path / "two.keras"))
    assert run.report.teacher.accuracy is None
    figures = {path.name for path in (tmp_path / "run" / "figures").glob("*.png")}
    assert figures == {"losses.png", "class_balance.png"}
    predict = export.predictor(tmp_path / "run" / "export" / "student_float32.tflite")
    assert predict(np.zeros((3, 7), np.float32)).shape == (3, 2)  # one logit becomes two classes


@pytest.mark.slow
def test_student_of_another_architecture_learns_from_its_own_weights(tmp_path):
    teacher = images_teacher(tmp_path / "t.keras")
    own = keras.Sequential([keras.Input((12, 9, 3)), layers.Flatten(), layers.Dense(4)])
    own.save(tmp_path / "own.keras")
    given = {"teacher": teacher, "student": str(tmp_path / "own.keras")}
    run = HereRun(tiny(), tmp_path / "run", **given)
    assert run.report.students[0].parameters == own.count_params()
    start, learned = (
        keras.saving.load_model(tmp_path / "run" / "students" / f"student-{arm}-0.keras")
        for arm in ("tucker", "kegnet")
    )
    np.testing.assert_array_equal(start.get_weights()[0], own.get_weights()[0])
    assert np.any(learned.get_weights()[0] != own.get_weights()[0])
    small = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(4)])
    small.save(tmp_path / "small.keras")
    given["student"] = str(tmp_path / "small.keras")
    with pytest.raises(ValueError, match="`student` must map the teacher's inputs"):
        HereRun(tiny(), tmp_path / "other", **given).report
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_softmax_headed_and_logits_headed_copies_give_identical_students(tmp_path):
    softmax = keras.saving.load_model(images_teacher(tmp_path / "softmax.keras"))
    logits = keras.saving.load_model(images_teacher(tmp_path / "logits.keras", activation=None))
    logits.set_weights(softmax.get_weights())
    logits.save(tmp_path / "logits.keras")
    weights = []
    for name in ("softmax", "logits"):
        HereRun(tiny(), tmp_path / name, teacher=tmp_path / f"{name}.keras").report
        student = tmp_path / name / "students" / "student-kegnet-0.keras"
        weights.append(keras.saving.load_model(student, compile=False).get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_custom_layer_of_the_users_module_goes_all_the_way(tmp_path, monkeypatch):
    (tmp_path / "userlayers.py").write_text(
        "import keras\n\n\nclass Doubled(keras.layers.Layer):\n"
        "    def call(self, x):\n        return x * 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    doubled = importlib.import_module("userlayers").Doubled()
    teacher = images_teacher(tmp_path / "custom.keras", doubled)
    loading = teachers.Loading(custom_objects=("userlayers:Doubled",))
    run = runs.Run(tiny(), tmp_path / "run", teacher=teacher, loading=loading)
    assert [row.agreement for row in run.report.exports] == [1.0, 1.0, 1.0, 1.0]


def test_misspelt_policy_is_refused_before_anything_is_written(tmp_path):
    teacher = images_teacher(tmp_path / "t.keras")
    config = tiny()
    config.students = {"student": {"enrgy": 0.9}}
    with pytest.raises(ValueError, match="`students.student` must hold .*energy.*'enrgy'"):
        runs.Run(config, tmp_path / "run", teacher=teacher).report
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_digits_teacher_goes_through_the_binary_and_its_student_beats_its_start(tmp_path):
    digits = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x, y = digits.load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1300], order[1300:]
    normalise = layers.Normalization(axis=-1)
    normalise.adapt(x[train])
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            normalise,
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[train], y[train], 64, 20, verbose=0)
    model.save(tmp_path / "digits.keras")
    np.savez(tmp_path / "test.npz", x=x[test], y=y[test])
    command = [
        *(sys.executable, shutil.which("kegnet"), "--quick"),
        *(
            f"--{name}={tmp_path / value}"
            for name, value in (
                ("teacher", "digits.keras"),
                ("eval_data", "test.npz"),
                ("workdir", "run"),
            )
        ),
        "--config.students.student.target_ratio=6",
    ]
    subprocess.run(command, check=True, env={**os.environ, "TFDS_DATA_DIR": str(tmp_path)})
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    accuracy = {row["arm"]: row["accuracy"] for row in report["students"]}
    assert report["teacher"]["accuracy"] > 0.97
    assert accuracy["kegnet+"] > accuracy["tucker"] + 0.02
