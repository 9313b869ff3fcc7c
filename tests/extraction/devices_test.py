import json
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_decoder, tiny_generator, tiny_teacher

from kegnet_tf import compression, extraction, teachers


@pytest.mark.slow
def test_two_devices_train_what_one_does():
    done = subprocess.run(
        [sys.executable, "-m", "extraction.mirrored"],
        cwd=pathlib.Path(__file__).parents[1],
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
    with extraction.copies(models, 4) as made:
        assert made is models


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_copies_compute_in_half_precision_and_give_their_weights_back(precision):
    policy = f"mixed_{precision}"
    models = [tiny_teacher(), tiny_generator(), tiny_decoder()]
    devices = extraction.Devices(mixed_precision=precision)
    assert devices.policy == policy
    with extraction.copies(models, 4, devices) as made:
        for copy in made:
            compute = {
                layer.dtype_policy.name for layer in teachers.every_layer(copy) if layer.weights
            }
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
    devices = extraction.Devices(mixed_precision="bfloat16")
    with extraction.copies(models, 4, devices) as made:
        for model, copy in zip(models, made, strict=True):
            assert copy(x).dtype == "bfloat16"
            assert_allclose(np.float32(copy(x)), model(x), atol=0.1)


def extract(devices, epochs=2, backup=None, callbacks=(), **settings):
    """Trains fresh networks, as a new process would; gives the generator's weights and losses."""
    generator = tiny_generator()
    (history,) = extraction.extract(
        tiny_teacher(),
        [generator],
        [tiny_decoder()],
        extraction.ExtractionSettings(epochs=epochs, steps_per_epoch=2, **settings),
        seeds=[0],
        devices=devices,
        backup=backup,
        callbacks=[callbacks],
        verbose=0,
    )
    return generator.get_weights(), history.history["loss"]


@pytest.mark.slow  # `training_test` has it for vectors
def test_images_in_half_precision_stay_finite_and_close():
    settings = {"beta": 1.0, "gamma": 1.0, "batch_size": 8}
    _, expected = extract(extraction.Devices(), **settings)
    for precision in ("bfloat16", "float16"):
        _, losses = extract(extraction.Devices(mixed_precision=precision), **settings)
        assert np.isfinite(losses).all()
        assert_allclose(losses, expected, rtol=0.1)


@pytest.mark.slow
def test_backup_goes_on_in_half_precision(tmp_path):
    backup, half = tmp_path / "a.npz", extraction.Devices(mixed_precision="float16")

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        extract(half, backup=backup, callbacks=[Stop()], batch_size=4)
    resumed, losses = extract(half, backup=backup, batch_size=4)
    assert len(losses) == 1
    for one, other in zip(resumed, extract(half, batch_size=4)[0], strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["strategy", "mixed_precision"])
@pytest.mark.parametrize("choice", ["parallel", "int8", None, True, ["mirrored"]])
def test_unknown_choices_are_refused(name, choice):
    with pytest.raises(ValueError, match=f"^`{name}` must be one of '', .* Received: "):
        extraction.Devices(**{name: choice})


def test_batch_that_devices_cannot_share_is_refused_with_no_model_at_hand(monkeypatch):
    devices = [types.SimpleNamespace(name=f"CPU:{index}") for index in range(2)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    extraction.Devices("mirrored").check_batch(8)
    extraction.Devices().check_batch(7)
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of the 2 dev.*: 7"):
        extraction.Devices("mirrored").check_batch(7)
