import shutil

import keras
import numpy as np
import pytest
from smallest_runs import export_nothing, no_time, tiny_run

from kegnet_tf import compression, distillation, runs, teachers
from kegnet_tf.runs import exporting, integers, records


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run(finished, tmp_path):
    """A finished run that converts nothing, whose training is noted in place of done."""
    folder = shutil.copytree(finished.workdir, tmp_path, dirs_exist_ok=True)
    config = finished.config.copy_and_resolve_references()
    config.export.update(qat_steps=4, formats=("litert_int8",))
    run = runs.Run(config, folder, teacher=finished.classifier)
    run.measured, run.generators = finished.measured, finished.generators
    run.convert, run.latencies, run.rivals = export_nothing, no_time, None
    x = np.random.default_rng(0).normal(size=(12, 8, 8, 1)).astype(np.float32)
    run.held_out = run.unseen = x, keras.ops.softmax(run.teacher(x)).numpy()
    return run


def trained(monkeypatch, change):
    """Puts a function of the learner in the place of training; gives what it was called with."""
    calls = []

    def distil(learner, data, held_out, settings, **given):
        calls.append((settings, given))
        for kernel in learner.trainable_variables:
            kernel.assign(change * kernel)

    monkeypatch.setattr(distillation, "distil", distil)
    return calls


def deployed(run, student=0):
    folder = run.workdir / "export"
    exporting.deployed(run, run.measured, run.students[student], folder)
    return exporting.ExportRecord.read(folder).integers


@pytest.mark.slow
def test_without_training_the_ranges_alone_are_fixed_and_the_weights_stay(run, monkeypatch):
    calls = trained(monkeypatch, -1.0)
    run.config.export.qat = "off"
    found = deployed(run)
    assert not calls
    assert found["trained"] is False
    assert found["agreements"].keys() == {"float", "rounded"}
    assert found["agreements"]["float"] == 1.0
    model = keras.models.load_model(integers.path(run, run.students[0]))
    floats = compression.folded(run.classifier)
    compression.equalise(floats)
    for one, other in zip(model.trainable_variables, floats.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [row["tensor"] for row in found["roundings"]]


@pytest.mark.slow
def test_training_that_does_harm_is_left_where_it_is_not_asked_for(run, monkeypatch):
    trained(monkeypatch, -1.0)  # turns every answer round
    monkeypatch.setattr(integers, "SPARED", -1.0)  # whatever rounding costs, it is tried
    found = deployed(run)
    assert found["trained"] is False
    assert found["agreements"]["trained"] < found["agreements"]["rounded"]
    run.config.export.qat = "on"
    assert deployed(run)["trained"] is True


@pytest.mark.slow
def test_nothing_is_trained_where_rounding_costs_nothing(run, monkeypatch):
    calls = trained(monkeypatch, 1.0)
    monkeypatch.setattr(integers, "SPARED", 1.0)
    assert deployed(run)["trained"] is False
    assert not calls


@pytest.mark.slow
def test_student_learns_by_the_loss_that_it_was_distilled_by_for_the_steps_asked_for(
    run, monkeypatch
):
    calls = trained(monkeypatch, 1.0)
    run.config.export.update(qat="on", qat_steps=250, qat_learning_rate=0.5)
    deployed(run)
    ((settings, given),) = calls
    assert (settings.epochs, settings.steps_per_epoch) == (3, 84)
    assert settings.learning_rate == 0.5 * integers.FOLDED  # the student has BatchNorm
    assert settings.loss == "logits"
    assert given["backup"].parent == run.paths["integers"]


@pytest.mark.slow
def test_what_stands_is_found_and_another_setting_makes_it_anew(run, monkeypatch):
    calls = trained(monkeypatch, 1.0)
    run.config.export.qat = "on"
    for settings in ({}, {"tolerance": 0.5}, {"qat_steps": 5}, {"headroom": 3.0}):
        run.config.export.update(settings)
        shutil.rmtree(run.workdir / "export", ignore_errors=True)
        deployed(run)
    assert len(calls) == 3  # the tolerance has no part in it
    assert records.read(run.paths["integers"] / "student-kegnet-0.json") is not None


@pytest.mark.slow
def test_run_that_is_opened_again_keeps_what_was_trained_and_trains_nothing(run, monkeypatch):
    calls = trained(monkeypatch, 1.0)
    run.config.export.qat = "on"
    deployed(run)
    monkeypatch.setattr(runs.Run, "teacher_at_hand", False)  # a student stands for the teacher
    shutil.rmtree(run.workdir / "export")
    assert deployed(run)["trained"] is True
    shutil.rmtree(run.workdir / "export")
    shutil.rmtree(run.paths["integers"])
    assert deployed(run)["trained"] is False
    assert len(calls) == 1


@pytest.mark.slow
def test_formats_without_integers_ask_for_nothing(run, monkeypatch):
    calls = trained(monkeypatch, 1.0)
    run.config.export.update(qat="on", formats=("litert_float32",))
    assert deployed(run) == {}
    assert not calls
    assert not run.paths["integers"].exists()


@pytest.mark.slow
def test_training_for_real_ends_with_the_same_bytes_and_leaves_no_backup(run):
    run.config.export.update(qat="on", qat_steps=3)
    files = []
    for _ in range(2):
        shutil.rmtree(run.paths["integers"], ignore_errors=True)
        shutil.rmtree(run.workdir / "export", ignore_errors=True)
        found = deployed(run)
        assert found["trained"] is True
        model = keras.models.load_model(integers.path(run, run.students[0]))
        files.append([weight.tobytes() for weight in model.get_weights()])
        assert not list(run.paths["integers"].glob("*.backup*"))
    assert files[0] == files[1]


@pytest.mark.slow
def test_kernels_of_four_bits_are_a_record_of_their_own(run, monkeypatch):
    trained(monkeypatch, 1.0)
    run.config.export.update(formats=("litert_int4",), qat="on")
    folder = run.workdir / "export"
    exporting.deployed(run, run.measured, run.students[0], folder)
    record = exporting.ExportRecord.read(folder)
    assert record.integers == {}
    assert record.lean["trained"] is True
    assert record.lean["agreements"].keys() == {"float", "rounded", "trained"}
    path = integers.path(run, run.students[0], 4)
    assert path.name.endswith(".int4.keras")
    folded = compression.folded(run.classifier)
    model = keras.models.load_model(path)
    for one, other in zip(model.trainable_variables, folded.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not integers.path(run, run.students[0]).exists()


@pytest.mark.parametrize("bits", [8, 4])
def test_preprocessing_of_pictures_is_no_weight_and_standardised_data_reach_it(bits):
    keras.utils.set_random_seed(0)
    first = keras.layers.Rescaling(1 / 16)
    body = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 8, 1)), first, *body, keras.layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(200, 8, 8, 1)).astype(np.float32)

    def start():
        made = compression.ranged(model) if bits == 8 else compression.folded(model)
        if bits == 8:
            compression.fit_ranges(made, 8 + 4 * x)
        return made

    learner = start()
    assert len(learner.trainable_variables) == len(model.trainable_variables)
    kind = integers._Kind(model, bits, start)
    answers = kind.standardised(learner)(x).numpy()
    own = teachers.standardised(model)(x).numpy()
    assert np.mean(answers.argmax(axis=1) == own.argmax(axis=1)) > 0.95
