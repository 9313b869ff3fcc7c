import keras
import numpy as np
import pytest
import smallest_runs
from smallest import tiny_config, tiny_teacher

from kegnet_tf import runs


def test_model_and_its_file_have_the_same_accuracy(tmp_path):
    model = tiny_teacher()
    x = np.random.default_rng(0).normal(size=(12, 8, 8, 1)).astype(np.float32)
    label = model.predict_on_batch(x).argmax(axis=1)
    label[:3] = (label[:3] + 1) % 3
    model.save(tmp_path / "m.keras")
    measures = runs.evaluate(model, x, label)
    assert measures.accuracy == 0.75
    assert runs.evaluate(tmp_path / "m.keras", x, label) == measures


def test_file_without_data_still_has_size_and_latency(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    row = runs.evaluate_file(tiny_config(), tmp_path / "m.keras")
    assert (row["accuracy"], row["recall"]) == (None, None)
    assert row["bytes"] == (tmp_path / "m.keras").stat().st_size
    assert row["milliseconds"] > 0


@pytest.mark.parametrize("name", ["m.keras", "m.tflite", "folder"])
def test_broken_file_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="`model` must be a .*.keras file"):
        runs.evaluate_file(tiny_config(), tmp_path / name)


@pytest.mark.parametrize("name", ["m.keras", "saved_model"])
def test_file_of_an_export_that_is_not_as_it_was_written_is_refused_by_its_name(name, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    (tmp_path / "saved_model" / "variables").mkdir(parents=True)
    spoilt = tmp_path / "m.keras" if name == "m.keras" else tmp_path / name / "variables" / "index"
    if name == "saved_model":
        spoilt.write_text("index")
    smallest_runs.RECORD.write(tmp_path)
    if name == "m.keras":
        assert runs.evaluate_file(tiny_config(), tmp_path / name)["bytes"] > 0
    content = spoilt.read_bytes()
    spoilt.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=f"`model` must be as it was exported. .*{spoilt.name}"):
        runs.evaluate_file(tiny_config(), tmp_path / name)
