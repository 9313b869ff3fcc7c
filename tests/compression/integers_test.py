import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_teacher

from kegnet_tf import compression, distillation, teachers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 8, 8, 2)).astype(np.float32)


def network():
    """Two branches, an addition, a concatenation, pooling and an activation of its own."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 2))
    x = y = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(inputs)
    x = layers.BatchNormalization(name="norm")(
        layers.DepthwiseConv2D(3, padding="same", name="depth")(x)
    )
    x = layers.ReLU(name="relu")(layers.Add(name="sum")([x, y]))
    x = layers.Concatenate(name="both")([x, layers.Conv2D(2, 1, name="beside")(x)])
    x = layers.Flatten()(layers.MaxPooling2D(name="pool")(x))
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.Dense(4, "elu", name="fc")(x)))


@pytest.fixture(scope="module")
def ranged():
    model = compression.ranged(network())
    compression.fit_ranges(model, X)
    return model


def test_each_tensor_that_an_integer_file_keeps_has_one_range(ranged):
    names = [each.name.removesuffix("_range") for each in compression.ranges(ranged)]
    assert sorted(names) == sorted(
        ["x", "first", "depth", "relu", "both", "fc", "fc_activation", "head"]
    )


def test_layer_that_is_called_twice_has_a_range_a_call_and_no_name_is_taken_twice():
    inputs = keras.Input((4,), name="x")
    shared = layers.Dense(4, "elu", name="fc")
    x = layers.Activation("relu", name="fc_activation")(shared(shared(inputs)))
    model = keras.Model(inputs, layers.Dense(4, name="fc_range")(x))
    ranged = compression.ranged(model)
    assert len(compression.ranges(ranged)) == 1 + 2 * 2 + 1 + 1
    rows = RNG.normal(size=(9, 4)).astype(np.float32)
    compression.fit_ranges(ranged, rows)
    assert_allclose(ranged(rows), model(rows), atol=0.1)


def test_ranges_are_those_of_the_data_and_hold_zero():
    inputs = keras.Input((2,))
    model = compression.ranged(keras.Model(inputs, layers.Dense(1, name="head")(inputs)))
    model.get_layer("head").set_weights([np.ones((2, 1)), np.float32([10.0])])
    compression.fit_ranges(model, np.float32([[1.0, 2.0], [-3.0, 0.5]]), rows=1)
    found = {each.name: (float(each.low), float(each.high)) for each in compression.ranges(model)}
    assert found == {"x_range": (-3.0, 2.0), "head_range": (0.0, 13.0)}


def test_numbers_are_rounded_to_256_and_cut():
    layer = compression.Range()
    layer.build((None,))
    layer.set(0.0, 255.0)
    assert_array_equal(layer(np.float32([0.4, 0.6, 254.6, 300.0, -1.0])), [0, 1, 255, 255, 0])


def test_model_of_wide_ranges_answers_as_before_and_its_copy_on_disk_does(ranged, tmp_path):
    for row, same in zip(ranged(X), network()(X, training=False), strict=True):
        assert_allclose(row, same, atol=0.1)
    ranged.save(tmp_path / "m.keras")
    assert_array_equal(keras.models.load_model(tmp_path / "m.keras")(X), ranged(X))


def test_kernels_are_rounded_to_255_numbers_of_each_channel_and_gradients_pass():
    inputs = keras.Input((2,))
    model = compression.ranged(keras.Model(inputs, layers.Dense(2, name="head")(inputs)))
    for each in compression.ranges(model):
        each.set(-1e6, 1e6 + 1e6 / 127)  # of no account beside what is looked at
        each.watch = lambda tensor: tensor
    kernel = np.float32([[127.0, 1.27], [0.6, 0.006]])
    model.get_layer("head").set_weights([kernel, np.zeros(2)])
    rounded = compression.as_integers(model)
    assert_allclose(rounded(np.eye(2, dtype=np.float32)), [[127, 1.27], [1, 0.01]], rtol=1e-5)
    assert rounded.trainable_variables[0] is model.get_layer("head").kernel


@pytest.mark.slow
def test_student_learns_as_integers_through_the_distiller(ranged):
    model = compression.ranged(network())
    compression.fit_ranges(model, X)
    before = [weight.copy() for weight in model.get_weights()]
    p = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, len(X))]
    data = lambda start: _batches(X, p)  # noqa: E731
    settings = distillation.DistillationSettings(learning_rate=1e-2, epochs=2, steps_per_epoch=20)
    found = distillation.distil(compression.as_integers(model), data, (X, p), settings, verbose=0)
    losses = found.history.history["loss"]
    assert losses[1] < losses[0]
    changed = [np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    paths = [variable.path for variable in model.weights]
    assert all(changed[paths.index(path)] == ("range" not in path) for path in paths)


def _batches(x, p):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, p)).batch(20).repeat()


def test_standardised_data_reach_a_table_through_its_own_preprocessing():
    inputs = x = keras.Input((2,))
    x = layers.Normalization(mean=[1.0, 100.0], variance=[1.0, 1e4], name="norm")(x)
    model = compression.ranged(keras.Model(inputs, layers.Dense(1, name="head")(x)))
    names = [each.name for each in compression.ranges(model)]
    assert names == ["norm_range", "head_range"]
    compression.fit_ranges(model, np.float32([[2.0, 200.0], [0.0, 0.0]]))
    standardised = compression.as_integers(teachers.standardised(model))
    assert_allclose(standardised(np.float32([[1.0, 1.0]])), model(np.float32([[2.0, 200.0]])), 0.02)


def test_model_of_unknown_layers_is_left_to_the_converter():
    inputs = keras.Input((8, 8, 2))
    x = layers.Flatten()(layers.LayerNormalization()(inputs))
    assert not compression.rangeable(keras.Model(inputs, layers.Dense(2)(x)))
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    assert not compression.rangeable(
        keras.Model(inputs, layers.Dense(2, dtype=policy)(layers.Flatten()(inputs)))
    )
    assert compression.rangeable(network())
    assert compression.rangeable(tiny_teacher())
