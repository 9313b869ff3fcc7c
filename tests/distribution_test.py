import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_decoder, tiny_generator, tiny_teacher

from kegnet_tf import compression, distillation, distribution, extraction, synthesis


@pytest.mark.slow
def test_two_devices_train_what_one_does():
    done = subprocess.run(
        [sys.executable, "mirrored.py"],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["devices"] == 2
    assert found["teacher"]
    assert found["extraction"] < 1e-4
    assert found["distillation"] < 1e-4
    assert_allclose(*found["curves"])
    assert 0 < found["half"] < 0.1


def test_without_a_choice_the_models_themselves_are_trained():
    models = [tiny_teacher()]
    with distribution.copies(models, 4) as made:
        assert made is models


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_copies_compute_in_half_precision_and_give_their_weights_back(precision):
    policy = f"mixed_{precision}"
    models = [tiny_teacher(), tiny_generator(), tiny_decoder()]
    with distribution.copies(models, 4, mixed_precision=precision) as made:
        for copy in made:
            compute = {layer.dtype_policy.name for layer in copy._flatten_layers() if layer.weights}
            assert compute == {policy}
            assert {weight.dtype for weight in copy.weights} == {"float32"}
        made[0].set_weights([weight + 1 for weight in models[0].get_weights()])
        before = models[0].get_weights()
    for weight, old in zip(models[0].get_weights(), before, strict=True):
        assert_array_equal(weight, old + 1)
    assert keras.config.dtype_policy().name == "float32"


def test_copies_of_a_nested_and_decomposed_model_answer_as_it_does():
    nested = keras.Sequential([keras.Input((8, 8, 1)), tiny_teacher()])
    student = compression.compress(tiny_teacher(), ranks=0.5)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    models = [nested, student]
    with distribution.copies(models, 4, mixed_precision="bfloat16") as made:
        for model, copy in zip(models, made, strict=True):
            assert copy(x).dtype == "bfloat16"
            assert_allclose(np.float32(copy(x)), model(x), atol=0.1)


@pytest.mark.parametrize("precision", [pytest.param("bfloat16", marks=pytest.mark.slow), "float16"])
def test_training_in_half_precision_stays_finite_and_close(precision):
    def train(**settings):
        teacher, generator, decoder = tiny_teacher(), tiny_generator(), tiny_decoder()
        history = extraction.extract(
            teacher,
            generator,
            decoder,
            seed=0,
            beta=1.0,
            gamma=1.0,
            batch_size=8,
            epochs=2,
            steps_per_epoch=2,
            verbose=0,
            **settings,
        )
        held_out = synthesis.synthesise(teacher, "gaussian", 8, seed=1)
        student = distillation.distil(
            compression.compress(teacher, ranks=0.5),
            synthesis.stream(teacher, "gaussian", batch_size=8, seed=0),
            held_out,
            epochs=2,
            steps_per_epoch=2,
            verbose=0,
            **settings,
        )
        return history.history["loss"] + student.history["loss"] + student.history["val_loss"]

    losses = train(mixed_precision=precision)
    assert np.isfinite(losses).all()
    assert_allclose(losses, train(), rtol=0.1)


@pytest.mark.slow
def test_backup_goes_on_in_half_precision(tmp_path):
    settings = {"seed": 0, "batch_size": 4, "steps_per_epoch": 2, "verbose": 0}
    settings |= {"mixed_precision": "float16", "backup": tmp_path / "a.weights.h5"}

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise InterruptedError

    def train(**kwargs):
        models = tiny_teacher(), tiny_generator(), tiny_decoder()
        extraction.extract(*models, epochs=2, **settings, **kwargs)
        return models[1].get_weights()

    with pytest.raises(InterruptedError):
        train(callbacks=[Stop()])
    resumed = train()
    (tmp_path / "a.weights.h5").unlink()
    for one, other in zip(resumed, train(), strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "parallel"}, r"`strategy` must be one of '', 'mirrored'.*'parallel'"),
        ({"mixed_precision": "int8"}, r"`mixed_precision` must be one of .*'int8'"),
    ],
)
def test_unknown_choices_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        distribution.check(**{"strategy": "", "mixed_precision": "", **settings})
