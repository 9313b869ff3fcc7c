import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import ensemble, extraction
from kegnet_tf.networks.decoder import Decoder

SEEDS = 5, 6, 7


class InterruptAt(keras.callbacks.Callback):
    """Raises at the start of an epoch, as a kill after the one before."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise InterruptedError(epoch)


class Recorder(keras.callbacks.Callback):
    """Keeps what it is told of, and its generator's first weight at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.events, self.weights = [], []

    def on_train_begin(self, logs=None):
        self.events.append("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(epoch)
        self.weights.append(self.model.generator.get_weights()[0])
        self.steps = int(self.model.optimizer.iterations)

    def on_train_end(self, logs=None):
        self.events.append("end")


class StopAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == self.epoch


@pytest.fixture(scope="module")
def teacher():
    """Classifier of 4 features into 3 classes, with a BatchNorm that has seen data."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "elu"), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3)])
    model(np.random.default_rng(0).normal(1.0, 2.0, (8, 4)).astype(np.float32), training=True)
    return model


class Generator(keras.Model):
    """No gradient of it is 0, as those are that a norm takes away: Adam blows their rounding up."""

    num_classes, latent_dim = 3, 2

    def __init__(self, units, norm, seed):
        super().__init__()
        kernels = [keras.initializers.GlorotUniform(seed + each) for each in (0, 100)]
        hidden = keras.layers.Dense(units, "tanh", kernel_initializer=kernels[0])
        norms = [keras.layers.BatchNormalization(momentum=0.9)] * norm
        output = keras.layers.Dense(4, kernel_initializer=kernels[1])
        self.network = keras.Sequential([keras.Input((5,)), hidden, *norms, output])

    def call(self, inputs, training=None):
        return self.network(keras.ops.concatenate(inputs, axis=-1), training=training)


def pairs(members=3, units=6, norm=True):
    generators = [Generator(units, norm, index) for index in range(members)]
    return generators, [Decoder((4,), 2, 5, seed=10 + index) for index in range(members)]


SETTINGS = {"batch_size": 8, "steps_per_epoch": 5}


def together(teacher, epochs=4, networks=None, seeds=SEEDS, verbose=0, **kwargs):
    """Trains fresh networks, as a new process would; gives each one's weights and history."""
    generators, decoders = networks or pairs()
    histories = ensemble.extract_together(
        teacher,
        generators,
        decoders,
        seeds=seeds,
        epochs=epochs,
        verbose=verbose,
        **SETTINGS,
        **kwargs,
    )
    return [*map(weights, generators, decoders)], histories


def weights(generator, decoder):
    return generator.get_weights() + decoder.get_weights()


@pytest.fixture(scope="module")
def uninterrupted(teacher):
    """(weights, histories) of four epochs."""
    return together(teacher)


def assert_same_weights(members, expected):
    for own, other in zip(members, expected, strict=True):
        for one, another in zip(own, other, strict=True):
            assert_array_equal(one, another)


def assert_close(members, expected):
    for own, other in zip(members, expected, strict=True):
        for one, another in zip(own, other, strict=True):
            assert_allclose(one, another, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "members"), [({}, [1]), ({"beta": 2.0, "alpha": 0.5}, [0, 1, 2])]
)
def test_members_end_with_the_weights_and_logs_that_extract_gives_each_alone(
    teacher, uninterrupted, settings, members
):
    before_teacher = teacher.get_weights()
    trained, histories = together(teacher, **settings) if settings else uninterrupted
    assert_same_weights([teacher.get_weights()], [before_teacher])
    for index in members:
        generator, decoder = (networks[index] for networks in pairs())
        before = weights(generator, decoder)
        expected = extraction.extract(
            teacher,
            generator,
            decoder,
            seed=SEEDS[index],
            epochs=4,
            verbose=0,
            **SETTINGS,
            **settings,
        )
        alone = weights(generator, decoder)
        assert_close([trained[index]], [alone])
        assert all(np.any(a != b) for a, b in zip(alone, before, strict=True))
        history = histories[index]
        assert history.epoch == expected.epoch
        assert not history.model.stop_training
        assert set(history.history) == set(expected.history)
        for name, values in expected.history.items():
            assert_allclose(history.history[name], values, rtol=1e-3, atol=1e-5)


def test_step_compiled_by_xla_trains_as_one_that_is_not(teacher, uninterrupted):
    compiled, _ = together(teacher, jit_compile=True)
    assert_close(compiled, uninterrupted[0])


def test_networks_without_moving_statistics_train(teacher):
    networks = pairs(2, norm=False)
    before = networks[0][1].get_weights()[0]
    together(teacher, 1, networks, SEEDS[:2])
    assert np.any(networks[0][1].get_weights()[0] != before)


def test_callbacks_of_a_member_are_told_of_its_epochs_and_see_its_networks(
    teacher, tmp_path, capsys
):
    recorders = [Recorder() for _ in SEEDS]
    callbacks = [
        [
            recorder,
            keras.callbacks.CSVLogger(tmp_path / f"{index}.csv"),
            keras.callbacks.TensorBoard(tmp_path / str(index), write_graph=False),
        ]
        for index, recorder in enumerate(recorders)
    ]
    generators, decoders = pairs()
    _, histories = together(teacher, 2, (generators, decoders), callbacks=callbacks, verbose=2)
    for recorder, generator in zip(recorders, generators, strict=True):
        assert recorder.events == ["begin", 0, 1, "end"]
        assert recorder.steps == 10
        assert recorder.model.generator is generator
        assert np.any(recorder.weights[0] != recorder.weights[1])
        assert_array_equal(recorder.weights[1], generator.get_weights()[0])
    for index, history in enumerate(histories):
        header, _, last = (tmp_path / f"{index}.csv").read_text().splitlines()
        logged = dict(zip(header.split(","), last.split(","), strict=True))
        assert float(logged["loss"]) == history.history["loss"][1]
        assert list((tmp_path / str(index)).rglob("events*"))
    losses = [history.history["loss"][1] for history in histories]
    assert len(set(losses)) == 3
    assert f" - loss: {np.mean(losses):.4f}" in capsys.readouterr().out


def test_interrupted_training_that_is_called_again_ends_with_the_uninterrupted_weights(
    teacher, uninterrupted, tmp_path
):
    backup = tmp_path / "all.weights.h5"
    with pytest.raises(InterruptedError):
        together(teacher, backup=backup, callbacks=[[], [InterruptAt(2)], []])
    torn = tmp_path / "partial-all.weights.h5"  # killed while it wrote the next one
    torn.write_bytes(backup.read_bytes()[:1000])
    trained, histories = together(teacher, backup=backup)
    assert [history.epoch for history in histories] == [[2, 3]] * 3  # it did go on
    assert_same_weights(trained, uninterrupted[0])


def exploding():
    """Three pairs, the second of which overflows in its first step."""
    generators, decoders = pairs()
    kernel = decoders[1].trainable_variables[-2]
    kernel.assign(np.full(kernel.shape, 1e30))
    return generators, decoders


def test_member_that_explodes_keeps_its_last_sound_weights_and_disturbs_no_other(
    teacher, uninterrupted
):
    networks = exploding()
    initial = weights(*(models[1] for models in networks))
    recorder = Recorder()
    trained, histories = together(teacher, networks=networks, callbacks=[[], [recorder], []])
    assert_same_weights(trained[::2], uninterrupted[0][::2])
    assert_same_weights(trained[1:2], [initial])
    assert [history.epoch for history in histories] == [[0, 1, 2, 3], [0], [0, 1, 2, 3]]
    assert [history.model.stop_training for history in histories] == [False, True, False]
    assert recorder.events == ["begin", 0, "end"]


def test_stopped_member_stays_stopped_where_training_goes_on(teacher, uninterrupted, tmp_path):
    backup = tmp_path / "all.weights.h5"
    with pytest.raises(InterruptedError):
        together(teacher, networks=exploding(), backup=backup, callbacks=[[InterruptAt(2)], [], []])
    networks, recorder = exploding(), Recorder()
    initial = weights(*(models[1] for models in networks))
    trained, histories = together(
        teacher, networks=networks, backup=backup, callbacks=[[], [recorder], []]
    )
    assert_same_weights(trained, [uninterrupted[0][0], initial, uninterrupted[0][2]])
    assert [history.epoch for history in histories] == [[2, 3], [0], [2, 3]]
    assert [history.model.stop_training for history in histories] == [False, True, False]
    assert recorder.events == []


def test_member_that_a_callback_stops_keeps_that_epochs_weights(teacher, uninterrupted):
    trained, histories = together(teacher, epochs=8, callbacks=[[StopAt(3)], [], [StopAt(1)]])
    assert_same_weights(trained[:1], uninterrupted[0][:1])
    assert [len(history.epoch) for history in histories] == [4, 8, 2]


def test_training_ends_where_all_members_are_stopped(teacher, tmp_path):
    backup = tmp_path / "all.weights.h5"
    trained, histories = together(teacher, epochs=9, learning_rate=1e38, backup=backup)
    assert all(len(history.epoch) < 9 and history.model.stop_training for history in histories)
    assert all(np.isfinite(values).all() for own in trained for values in own)


@pytest.mark.parametrize("name", ["learning_rate", "epochs"])
def test_number_that_is_not_above_0_is_refused(teacher, name):
    with pytest.raises(ValueError, match=f"`{name}` must be above 0. Received: 0."):
        together(teacher, **{name: 0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"seeds": (1, 2)},
            "`seeds` must be as many as `generators`, at least one. Received: 2 and 3.",
        ),
        (
            {"callbacks": [[]]},
            "`callbacks` must be as many as `generators`, at least one. Received: 1 and 3.",
        ),
        ({"alpha": -1.0}, "`alpha` must be 0 or more. Received: -1.0."),
        ({"beta": 1.0, "distance": "cosine"}, "`distance` must be 'l1' or 'l2'"),
    ],
)
def test_argument_outside_its_range_is_refused(teacher, arguments, message):
    with pytest.raises(ValueError, match=message):
        together(teacher, **arguments)


def test_networks_that_are_not_alike_are_refused(teacher):
    generators, decoders = pairs()
    with pytest.raises(ValueError, match="must be alike. Received: weights of other"):
        together(teacher, networks=([*generators[:2], *pairs(1, units=7)[0]], decoders))
    with pytest.raises(ValueError, match="`decoders` must be as many as `generators`"):
        together(teacher, networks=(generators, decoders[:2]))
