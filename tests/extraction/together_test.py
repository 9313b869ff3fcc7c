import contextlib
import io

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import extraction
from kegnet_tf.extraction import latents

SEEDS = 5, 6, 7
SETTINGS = {"batch_size": 8, "steps_per_epoch": 1}


class InterruptAt(keras.callbacks.Callback):
    """Raises at the start of an epoch, as a kill after the one before."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise InterruptedError(epoch)


class Recorder(keras.callbacks.Callback):
    """Keeps what it hears of, and the weights of its networks at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.events, self.weights = [], []

    def on_train_begin(self, logs=None):
        self.events.append("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(epoch)
        self.weights.append(weights(self.model.generator, self.model.decoder))
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
    return generators, [extraction.Decoder((4,), 2, 5, seed=10 + index) for index in range(members)]


def weights(generator, decoder):
    return generator.get_weights() + decoder.get_weights()


def together(teacher, networks, epochs=4, seeds=SEEDS, callbacks=(), backup=None, **settings):
    """Trains networks as a new process would; gives each one's weights and history."""
    generators, decoders = networks
    histories = extraction.extract(
        teacher,
        generators,
        decoders,
        extraction.ExtractionSettings(epochs=epochs, **{**SETTINGS, **settings}),
        seeds=seeds,
        backup=backup,
        callbacks=callbacks,
        verbose=2,
    )
    return [*map(weights, generators, decoders)], histories


@pytest.fixture(scope="module")
def uninterrupted(teacher):
    """(weights, histories) of four epochs."""
    return together(teacher, pairs())


def assert_same_weights(members, expected):
    for own, other in zip(members, expected, strict=True):
        for one, another in zip(own, other, strict=True):
            assert_array_equal(one, another)


def assert_close(members, expected):
    for own, other in zip(members, expected, strict=True):
        for one, another in zip(own, other, strict=True):
            assert_allclose(one, another, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_members_end_with_the_weights_and_logs_that_each_has_alone_and_callbacks_see_them(
    teacher, tmp_path
):
    settings = {"alpha": 0.5, "beta": 2.0, "steps_per_epoch": 5}
    before_teacher = teacher.get_weights()
    recorders = [Recorder() for _ in SEEDS]
    callbacks = [
        [
            recorder,
            keras.callbacks.CSVLogger(tmp_path / f"{index}.csv"),
            keras.callbacks.TensorBoard(tmp_path / str(index), write_graph=False),
        ]
        for index, recorder in enumerate(recorders)
    ]
    networks, printed = pairs(), io.StringIO()
    with contextlib.redirect_stdout(printed):
        trained, histories = together(teacher, networks, callbacks=callbacks, **settings)
    assert_same_weights([teacher.get_weights()], [before_teacher])
    for index, (recorder, history) in enumerate(zip(recorders, histories, strict=True)):
        assert recorder.events == ["begin", 0, 1, 2, 3, "end"]
        assert recorder.steps == 20
        assert recorder.model.generator is networks[0][index]
        assert not any(map(np.array_equal, recorder.weights[2], recorder.weights[3]))
        assert_same_weights(trained[index : index + 1], recorder.weights[3:])
        header, *_, last = (tmp_path / f"{index}.csv").read_text().splitlines()
        logged = dict(zip(header.split(","), last.split(","), strict=True))
        assert float(logged["loss"]) == history.history["loss"][3]
        assert list((tmp_path / str(index)).rglob("events*"))
    losses = [history.history["loss"][3] for history in histories]
    assert len(set(losses)) == 3
    assert f" - loss: {np.mean(losses):.4f}" in printed.getvalue()
    for index in (0, 2):
        alone = [models[index : index + 1] for models in pairs()]
        before = weights(*(model for (model,) in alone))
        (expected_weights,), (expected,) = together(
            teacher, alone, seeds=SEEDS[index : index + 1], **settings
        )
        assert_close([trained[index]], [expected_weights])
        assert not any(map(np.array_equal, expected_weights, before))
        assert histories[index].epoch == expected.epoch
        assert not histories[index].model.stop_training
        assert set(histories[index].history) == set(expected.history)
        for name, values in expected.history.items():
            assert_allclose(histories[index].history[name], values, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("rates", [(), (0.0, 0.6)])
def test_members_under_dropout_end_with_the_weights_that_each_has_alone(teacher, rates):
    stochastic = keras.Sequential([*teacher.layers[:2], keras.layers.Dropout(0.3)])
    stochastic.add(teacher.layers[2])
    stochastic.build((None, 4))
    trained, _ = together(stochastic, pairs(), epochs=2, dropout=rates)
    plain, _ = together(stochastic, pairs(), epochs=2, dropout=(0.0,))
    for index in range(3):
        own = rates[index % 2 :][:1] if rates else ()
        assert np.allclose(trained[index][0], plain[index][0], rtol=1e-3) == (own == (0.0,))
        alone = [models[index : index + 1] for models in pairs()]
        expected, _ = together(
            stochastic, alone, epochs=2, seeds=SEEDS[index : index + 1], dropout=own
        )
        assert_close([trained[index]], expected)


@pytest.mark.slow  # `training_test` has the same law for one
def test_step_compiled_by_xla_trains_as_one_that_is_not(teacher, uninterrupted):
    compiled, _ = together(teacher, pairs(), jit_compile=True)
    assert_close(compiled, uninterrupted[0])


@pytest.mark.slow
def test_callback_stops_its_member_alone_and_training_ends_where_all_are_stopped(teacher):
    recorders = Recorder(), Recorder()
    callbacks = [[recorders[0], StopAt(2)], [recorders[1], StopAt(1)]]
    networks = pairs(2, norm=False)  # without moving statistics it trains as well
    trained, histories = together(teacher, networks, epochs=8, seeds=SEEDS[:2], callbacks=callbacks)
    assert [history.epoch for history in histories] == [[0, 1, 2], [0, 1]]
    assert [recorder.events[-1] for recorder in recorders] == ["end", "end"]
    # The member that was stopped first keeps that epoch's weights.
    assert_same_weights(trained, [recorder.weights[-1] for recorder in recorders])


def exploding():
    """Three pairs, the second of which overflows in its first step."""
    generators, decoders = pairs()
    kernel = decoders[1].trainable_variables[-2]
    kernel.assign(np.full(kernel.shape, 1e30))
    return generators, decoders


@pytest.mark.slow
def test_member_that_explodes_keeps_its_last_finite_weights_also_where_training_goes_on(
    teacher, uninterrupted, tmp_path
):
    backup, recorders = tmp_path / "all.npz", [Recorder(), Recorder()]
    initial = weights(*(models[1] for models in exploding()))
    with pytest.raises(InterruptedError):
        together(
            teacher, exploding(), backup=backup, callbacks=[[InterruptAt(2)], recorders[:1], []]
        )
    assert recorders[0].events == ["begin", 0, "end"]
    assert_same_weights([recorders[0].weights[0]], [initial])
    torn = extraction.partial_name(backup)  # killed while it wrote the next one
    torn.write_bytes(backup.read_bytes()[:1000])
    trained, histories = together(
        teacher, exploding(), backup=backup, callbacks=[[], recorders[1:], []]
    )
    # Nobody else is disturbed, by the explosion or the interruption.
    assert_same_weights(trained, [uninterrupted[0][0], initial, uninterrupted[0][2]])
    assert [history.epoch for history in histories] == [[2, 3], [0], [2, 3]]
    assert [history.model.stop_training for history in histories] == [False, True, False]
    assert recorders[1].events == []


def test_stream_together_is_each_seeds_stream():
    batches = next(iter(extraction.stream_together(SEEDS, 4, 3, 2, start=2)))
    for index, seed in enumerate(SEEDS):
        expected = latents.sample(seed, 2, 4, 3, 2, "onehot")
        for batch, own in zip(batches, expected, strict=True):
            assert_array_equal(batch[index], own)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0}, "`learning_rate` must be above 0. Received: 0."),
        ({"alpha": -1.0}, "`alpha` must be 0 or more. Received: -1.0."),
        ({"beta": 1.0, "distance": "cosine"}, "`distance` must be one of l1, l2"),
        ({"seeds": (1, 2)}, "`seeds` must be as many as `generators`.* Received: 2 and 3."),
        ({"callbacks": [[]]}, "`callbacks` must be as many as `generators`.* Received: 1 and 3."),
    ],
)
def test_argument_outside_its_range_is_refused(teacher, arguments, message):
    with pytest.raises(ValueError, match=message):
        together(teacher, pairs(), **arguments)


def test_networks_that_are_not_alike_are_refused(teacher):
    generators, decoders = pairs()
    with pytest.raises(ValueError, match="must be alike. Received: weights of other"):
        together(teacher, ([*generators[:2], *pairs(1, units=7)[0]], decoders))
    with pytest.raises(ValueError, match="`decoders` must be as many as `generators`"):
        extraction.Ensemble(teacher, generators, decoders[:2])


def test_generators_compiled_by_hand_have_a_seed_each(teacher):
    generators, decoders = pairs()
    ensemble = extraction.Ensemble(teacher, generators, decoders)
    ensemble.compile("adam")
    assert [*ensemble.seed] == [0, 1, 2]
    with pytest.raises(ValueError, match="`seeds` must be as many as `generators`.* 2 and 3."):
        ensemble.compile("adam", seeds=(1, 2))
