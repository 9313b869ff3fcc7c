import shutil

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_decoder, tiny_generator, tiny_teacher

from kegnet_tf import extraction
from kegnet_tf.extraction import pacing
from kegnet_tf.extraction.resuming import Backup, partial_name


class InterruptAt(keras.callbacks.Callback):
    """Raises at the start of an epoch, as a kill after the one before."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise InterruptedError(epoch)


class RuinAt(keras.callbacks.Callback):
    """Makes a weight of the generator NaN at the end of an epoch, as an exploded step does."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == self.epoch + 1:
            weight = self.model.generator.trainable_variables[0]
            weight.assign(np.full(weight.shape, np.nan))


@pytest.fixture(scope="module")
def classifier():
    """Of 4 features into 3 classes."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def networks(seed=1):
    generator = extraction.DenseGenerator(4, 3, latent_dim=2, units=(6,), seed=seed)
    return generator, extraction.Decoder((4,), latent_dim=2, units=5, seed=seed + 1)


def weights(generator, decoder):
    return generator.get_weights() + decoder.get_weights()


def extract(teacher, epochs=4, seed=0, callbacks=(), backup=None, devices=None, **settings):
    """Trains fresh networks, as a new process would; gives their weights and the history."""
    generator, decoder = networks()
    settings = {"epochs": epochs, "batch_size": 4, "steps_per_epoch": 1, **settings}
    (history,) = extraction.extract(
        teacher,
        [generator],
        [decoder],
        extraction.ExtractionSettings(**settings),
        seeds=[seed],
        devices=devices,
        backup=backup,
        callbacks=[callbacks],
        verbose=0,
    )
    return weights(generator, decoder), history


@pytest.fixture(scope="module")
def uninterrupted(classifier, tmp_path_factory):
    """(weights, history, the backup that is left) of four epochs."""
    backup = tmp_path_factory.mktemp("uninterrupted") / "a.npz"
    return *extract(classifier, backup=backup), backup


class InterruptAfter:
    """Raises as Ctrl-C does, after some executions of training."""

    def __init__(self, executions):
        self.left = executions

    def __call__(self, done, logs):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


class Listen(keras.callbacks.Callback):
    """Lets a function hear what a `Paced` trainer tells."""

    def __init__(self, listener):
        super().__init__()
        self.listener = listener

    def on_train_begin(self, logs=None):
        self.model.listeners.append(self.listener)


class Logs(keras.callbacks.Callback):
    """Collects what each epoch measured."""

    def __init__(self, logs):
        super().__init__()
        self.logs = logs

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(logs)


def assert_same_weights(trained, expected):
    for one, other in zip(trained, expected, strict=True):
        assert_array_equal(one, other)


@pytest.mark.slow
def test_training_lowers_every_loss_and_leaves_the_teacher_bit_identical():
    teacher, generator, decoder = tiny_teacher(), tiny_generator(), tiny_decoder()
    before, initial = teacher.get_weights(), weights(generator, decoder)
    settings = extraction.ExtractionSettings(
        beta=1.0, gamma=0.1, learning_rate=2e-2, batch_size=8, epochs=5, steps_per_epoch=30
    )
    (history,) = extraction.extract(teacher, [generator], [decoder], settings, seeds=[0], verbose=0)
    assert_same_weights(teacher.get_weights(), before)
    assert teacher.trainable
    assert not any(map(np.array_equal, weights(generator, decoder), initial))
    answers = {"accuracy", "confidence", "class_balance"}
    assert set(history.history) == {"loss", *extraction.TERMS} | answers
    for loss in extraction.TERMS:
        first, *_, last = history.history[loss]
        assert last < 0.6 * first


@pytest.mark.slow
def test_losses_of_weight_0_are_absent_from_the_history(uninterrupted):
    _, history, _ = uninterrupted
    names = {"loss", "classifier_loss", "decoder_loss", "accuracy", "confidence", "class_balance"}
    assert set(history.history) == names
    assert history.epoch == [0, 1, 2, 3]
    assert not history.model.stop_training


@pytest.mark.slow
def test_interrupted_training_that_is_called_again_ends_with_the_uninterrupted_weights(
    classifier, uninterrupted, tmp_path
):
    backup = tmp_path / "0.npz"
    with pytest.raises(InterruptedError):
        extract(classifier, backup=backup, callbacks=[InterruptAt(2)])
    torn = partial_name(backup)  # killed while it wrote the next one
    torn.write_bytes(backup.read_bytes()[:1000])
    trained, history = extract(classifier, backup=backup)
    assert history.epoch == [2, 3]  # it did go on, not begin anew
    assert_same_weights(trained, uninterrupted[0])
    assert {*tmp_path.iterdir()} == {backup, torn}


@pytest.mark.slow
def test_interruption_after_the_last_step_repeats_the_last_epoch(
    classifier, uninterrupted, tmp_path
):
    expected, _, left = uninterrupted
    backup = shutil.copy(left, tmp_path)
    trained, history = extract(classifier, backup=backup)
    assert history.epoch == [3]
    assert_same_weights(trained, expected)


@pytest.mark.slow
@pytest.mark.parametrize("executions", [1, 3, 4, pytest.param(0, id="between")])
def test_training_goes_on_where_it_was_interrupted_with_all_that_was_measured(
    classifier, tmp_path, executions, monkeypatch
):
    monkeypatch.setattr(pacing, "SECONDS", 0.0)  # every step is an execution
    given = {"steps_per_epoch": 3, "epochs": 2, "backup": tmp_path / "0.npz"}
    logs = [], []
    expected, _ = extract(classifier, **given | {"backup": None}, callbacks=[Logs(logs[0])])
    stop = Listen(InterruptAfter(executions)) if executions else InterruptAt(1)
    with pytest.raises((KeyboardInterrupt, InterruptedError)):
        extract(classifier, **given, callbacks=[Logs(logs[1]), stop])
    steps = []
    after = Listen(lambda done, logs: steps.append(done))
    trained, history = extract(classifier, **given, callbacks=[Logs(logs[1]), after])
    assert history.epoch == ([0, 1] if 0 < executions <= 3 else [1])
    assert steps == [1, 2, 3, 1, 2, 3][executions or 3 :]
    assert_same_weights(trained, expected)
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_training_ends_with_the_last_finite_epoch_and_its_backup_where_a_weight_is_not_finite(
    classifier, uninterrupted, tmp_path
):
    backup = tmp_path / "0.npz"
    trained, history = extract(classifier, epochs=8, callbacks=[RuinAt(4)], backup=backup)
    assert history.epoch == [0, 1, 2, 3, 4]  # the ruined epoch is the last
    assert history.model.stop_training
    assert_same_weights(trained, uninterrupted[0])
    trained, history = extract(classifier, epochs=6, backup=backup)
    assert history.epoch == [4, 5]
    assert all(np.isfinite(values).all() for values in trained)


@pytest.mark.slow
def test_training_that_explodes_at_once_keeps_the_initial_state(classifier):
    trained, history = extract(classifier, epochs=9, callbacks=[RuinAt(0)])
    assert history.epoch == [0]
    assert history.model.stop_training
    assert_same_weights(trained, weights(*networks()))


def test_backup_that_cannot_be_written_leaves_the_one_before_and_no_half_file(
    tmp_path, monkeypatch
):
    class Trainer:
        stop_training, epochs_done = False, keras.Variable(0.0)
        state = [epochs_done]

    def full(path, **arrays):
        path.write_text("half")
        raise OSError("no space")

    monkeypatch.setattr(np, "savez", full)
    path = tmp_path / "0.npz"
    path.write_text("before")
    backup = Backup(path)
    backup.set_params({"epochs": 3})
    backup.set_model(Trainer())
    with pytest.raises(OSError, match="no space"):
        backup.on_epoch_end(0)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == "before"


@pytest.mark.slow
def test_generators_trained_one_after_another_have_a_seed_callbacks_and_a_backup_each(
    classifier, uninterrupted, tmp_path
):
    generators, decoders = zip(networks(), networks(), strict=True)
    epochs = [], []
    callbacks = [
        [
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs, own=own: own.append(epoch)
            )
        ]
        for own in epochs
    ]
    histories = extraction.extract(
        classifier,
        generators,
        decoders,
        extraction.ExtractionSettings(epochs=2, batch_size=4, steps_per_epoch=1),
        seeds=[0, 1],
        devices=extraction.Devices(mixed_precision="float16"),  # so they are not trained together
        backup=tmp_path / "a.npz",
        callbacks=callbacks,
        verbose=0,
    )
    assert epochs == ([0, 1], [0, 1])
    assert [history.epoch for history in histories] == [[0, 1], [0, 1]]
    assert {path.name for path in tmp_path.iterdir()} == {"a-0.npz", "a-1.npz"}
    # They start alike, and differ by their seeds; half precision gives about what float32 gives.
    assert not any(map(np.array_equal, *map(weights, generators, decoders)))
    expected = uninterrupted[1].history["loss"][:2]
    assert_allclose(histories[0].history["loss"], expected, rtol=0.02)
    assert not np.allclose(histories[1].history["loss"], expected, rtol=0.02)


def test_vectors_are_trained_together_on_one_device_in_their_own_precision(classifier):
    assert extraction.trained_together(classifier)
    assert extraction.trained_together(classifier, extraction.Devices())
    assert not extraction.trained_together(classifier, extraction.Devices("mirrored"))
    assert not extraction.trained_together(tiny_teacher())


@pytest.mark.parametrize("name", ["decoders", "seeds", "callbacks"])
def test_list_of_another_length_than_that_of_the_generators_is_refused(classifier, name):
    generator, decoder = networks()
    lists = {"decoders": [decoder], "seeds": [0], "callbacks": [[]], name: [None, None]}
    with pytest.raises(ValueError, match=f"`{name}` must be as many as `generators`.*2 and 1"):
        extraction.extract(classifier, [generator], **lists)


def test_settings_outside_their_range_are_refused(classifier):
    with pytest.raises(ValueError, match="`learning_rate` must be above 0. Received: -1.0."):
        extract(classifier, learning_rate=-1.0)


@pytest.mark.slow
def test_step_compiled_by_xla_trains_as_one_that_is_not(classifier, uninterrupted):
    compiled, history = extract(classifier, jit_compile=True)
    for name, values in uninterrupted[1].history.items():
        assert_allclose(values, history.history[name], rtol=1e-4, atol=1e-6)
    # The beta of the hidden BatchNorm has no gradient but rounding: the last one takes it away.
    (beta,) = [
        index for index, each in enumerate(networks()[0].weights) if each.path.endswith("beta")
    ]
    for index, (one, other) in enumerate(zip(uninterrupted[0], compiled, strict=True)):
        if index != beta:
            assert_allclose(one, other, atol=1e-4)
