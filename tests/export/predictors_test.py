import os
import shutil
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from smallest import tiny_teacher

from kegnet_tf import export
from kegnet_tf.export import predictors


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def saved(x, tmp_path_factory):
    """(folder, model): a model in each kind of file."""
    folder, model = tmp_path_factory.mktemp("saved"), tiny_teacher()
    model.save(folder / "m.keras")
    export.save(model, folder / "any")
    export.save(model, folder / "one", batch=1)
    for source in ("any", "one"):
        for form in ("litert_float32", "litert_int8_integer_only"):
            content = export.convert(folder / source, form, x)
            (folder / f"{form}_{source}.tflite").write_bytes(content)
    return folder, model


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["m.keras", "any", "litert_float32_any.tflite", "litert_float32_one.tflite"]
)
def test_predictor_answers_batches_of_any_size_as_the_model_does(saved, x, name):
    folder, model = saved
    predict = export.predictor(folder / name)
    assert (predict.input_shape, predict.num_classes) == ((8, 8, 1), 3)
    for size in (8, 1, 3):
        outputs = predict(x[:size])
        assert isinstance(outputs, np.ndarray)
        assert_allclose(outputs, model(x[:size]), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["any", "one"])
def test_file_of_integers_is_fed_and_read_in_real_numbers(saved, x, source):
    folder, model = saved
    path = folder / f"litert_int8_integer_only_{source}.tflite"
    (scale, zero_point), (step, _) = export.quantisation(path)
    # The range of 0 and the calibration data in 255 steps.
    assert_allclose(scale, (x.max() - x.min()) / 255, rtol=1e-5)
    assert zero_point == round(-x.min() / scale)
    predict = export.predictor(path)
    outputs = predict(x)
    assert outputs.dtype == np.float32
    assert_allclose(outputs, model(x), atol=8 * step)
    # What lies outside of the range is cut, not wrapped.
    far = np.full_like(x[:1], 1e6)
    edge = np.full_like(x[:1], x.max())
    assert_allclose(predict(far), predict(edge))


@pytest.mark.slow
def test_floats_have_no_scale(saved):
    folder, _ = saved
    assert export.quantisation(folder / "litert_float32_one.tflite") == ((0.0, 0), (0.0, 0))


@pytest.mark.parametrize("name", ["broken.tflite", "broken.keras", "saved_model", "absent.tflite"])
def test_file_that_is_no_model_is_refused_with_its_path(tmp_path, name):
    if name == "saved_model":
        (tmp_path / name).mkdir()
    elif not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"no model at all")
    kinds = "complete .keras file" if name.endswith(".keras") else ".keras file, a SavedModel's"
    message = f"`model` must be a {kinds}.* Received: .*{name}"
    with pytest.raises(ValueError, match=message):
        export.predictor(tmp_path / name)


@pytest.mark.parametrize("name", ["m.keras", "m.tflite", "m"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_path_that_is_no_regular_file_is_refused_unopened(tmp_path, name, kind):
    path = tmp_path / name
    if not path.suffix:
        path.mkdir()
        path /= "saved_model.pb"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=f"`model` must be a .*{tmp_path / name} .*no .*file"):
        export.predictor(tmp_path / name)


@pytest.mark.slow
def test_saved_model_whose_variables_are_spoilt_is_refused(saved, tmp_path):
    shutil.copytree(saved[0] / "any", tmp_path / "m")
    (path,) = (tmp_path / "m" / "variables").glob("*.data*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`model` must be a .*Checksum does not match") as error:
        export.predictor(tmp_path / "m")
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_saved_model_that_does_not_fit_in_memory_is_refused(saved, tmp_path):
    shutil.copytree(saved[0] / "any", tmp_path / "m")
    with (tmp_path / "m" / "variables" / "more").open("wb") as file:
        file.truncate(2**42)  # of holes
    with pytest.raises(ValueError, match="`model` must be a .*fit in memory"):
        export.predictor(tmp_path / "m")


@pytest.mark.slow
def test_file_that_ends_or_halts_the_interpreter_is_refused(saved, tmp_path, monkeypatch):
    path = tmp_path / "m.tflite"
    path.write_bytes((saved[0] / "litert_float32_any.tflite").read_bytes())
    for trial, reason in (
        ("import os\nos.kill(os.getpid(), 11)", "it ended its process, -11"),
        ("import time\ntime.sleep(60)", "it did not answer in 0.5 seconds"),
    ):
        monkeypatch.setattr(predictors, "_TRIAL", trial)
        monkeypatch.setattr(predictors, "_TRIAL_SECONDS", 0.5)
        with pytest.raises(ValueError, match=f"`model` must be a .*m.tflite .{reason}"):
            export.predictor(path)


@pytest.mark.slow
def test_spoilt_file_answers_or_is_refused(saved, tmp_path):
    content = (saved[0] / "litert_float32_one.tflite").read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(3):
        spoilt = bytearray(content)
        for place in generator.integers(len(spoilt), size=8):
            spoilt[place] = generator.integers(256)
        answers_or_is_refused(tmp_path / "m.tflite", spoilt)


@pytest.mark.slow
def test_many_spoilt_files_answer_or_are_refused(saved, tmp_path):
    for name in ("litert_float32_any", "litert_int8_integer_only_one"):
        content = (saved[0] / f"{name}.tflite").read_bytes()
        generator = np.random.default_rng(0)
        for _ in range(100):
            spoilt = bytearray(content[: generator.integers(len(content) // 2, 2 * len(content))])
            for place in generator.integers(len(spoilt), size=generator.integers(1, 9)):
                spoilt[place] = generator.integers(256)
            answers_or_is_refused(tmp_path / "m.tflite", spoilt)


def answers_or_is_refused(path, content):
    path.write_bytes(content)
    try:
        predict = export.predictor(path)
    except ValueError as error:
        said = str(error)
    else:
        said = f"`model` must answer {predict.num_classes}"
    assert said.startswith("`model` must ")
    assert "\n" not in said


def test_saved_model_of_another_hand_is_read_by_its_only_input(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.export(tmp_path / "theirs", format="tf_saved_model", verbose=False)
    x = tf.ones((3, 4))
    assert_allclose(export.predictor(tmp_path / "theirs")(x), model(x), atol=1e-6)


def test_latency_calls_ten_times_more_than_count_and_is_never_negative():
    batches = []
    assert export.latency(batches.append, "batch", repeats=5) >= 0
    assert batches == ["batch"] * 15


def test_latency_is_the_median_in_milliseconds(monkeypatch):
    # Each call takes two looks at the clock; the ten that do not count are slow.
    seconds = [100.0] * 10 + [0.002, 9.0, 0.001]
    clock = iter(np.repeat(np.cumsum([0.0, *seconds]), 2)[1:-1])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert export.latency(lambda batch: batch, None, repeats=3) == pytest.approx(2.0)


def test_code_in_a_file_answers_only_where_it_is_let_in(tmp_path):
    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x)]).save(path)
    with pytest.raises(ValueError, match="`model` must hold no Lambda layers"):
        export.predictor(path)
    predict = export.predictor(path, safe_mode=False)
    assert_allclose(predict(np.ones((3, 4), np.float32)), np.full((3, 4), 2.0))
