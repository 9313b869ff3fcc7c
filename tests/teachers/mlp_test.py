import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import compression, teachers
from kegnet_tf.configs import letter, pendigits, shuttle
from kegnet_tf.teachers.networks import mlp


def rows(size=4, features=8):
    return np.random.default_rng(0).normal(size=(size, features)).astype(np.float32)


def of_preset(preset):
    data = preset.get_config().data
    return mlp((data.num_features,), len(data.label_names), seed=0)


# Layer by layer, for 8 features: 8 * 100 + 100, ten times 100 * 100 + 100, and 100 * 7 + 7.
@pytest.mark.parametrize(
    ("preset", "parameters"), [(shuttle, 102_607), (pendigits, 103_710), (letter, 105_326)]
)
def test_mlp_of_the_presets_has_eleven_hidden_layers_of_100_units(preset, parameters):
    assert compression.trainable_parameters(of_preset(preset)) == parameters


@pytest.mark.parametrize(
    ("preset", "ratio"),
    [
        pytest.param(shuttle, 8.18, marks=pytest.mark.slow),  # paper: 8.17 with nine features
        pytest.param(pendigits, 8.07, marks=pytest.mark.slow),
        (letter, 4.13),
    ],
)
def test_students_of_the_presets_have_the_paper_s_compression_ratio(preset, ratio):
    teacher = of_preset(preset)
    (student,) = preset.get_config().students.values()
    made = compression.compress(teacher, **student.to_dict())
    assert_allclose(compression.compression_ratio(teacher, made), ratio, atol=0.01)
    dense = [layer for layer in made.layers if layer.name.startswith("fc")]
    assert all(isinstance(layer, compression.TuckerDense) for layer in dense)


def test_mlp_names_the_layers_that_presets_name():
    model = mlp((8,), 7, seed=0)
    named = [layer.name for layer in model.layers if layer.trainable_weights]
    assert named == [f"fc{number}" for number in range(1, 13)]
    shapes = [layer.kernel.shape for layer in model.layers if layer.trainable_weights]
    assert shapes == [(8, 100), *[(100, 100)] * 10, (100, 7)]


def test_mlp_answers_in_logits():
    logits = np.asarray(mlp((8,), 7, seed=0)(rows()))
    assert logits.min() < 0
    assert not np.allclose(logits.sum(axis=1), 1)


def test_rows_pass_as_they_are_until_the_first_layer_is_adapted_and_standardised_from_then_on():
    model = mlp((8,), 7, seed=0)
    first = model.get_layer("normalization")
    assert_allclose(first(rows()), rows(), rtol=1e-6)
    assert teachers.input_scale(model) == ((0.0,) * 8, (1.0,) * 8)
    raw = 3 + 5 * rows(100)
    first.adapt(raw)
    assert_allclose(teachers.input_scale(model), (raw.mean(0), raw.std(0)), rtol=1e-4)
    # Behind `standardised`, what the layers see is what it was given.
    seen = keras.Model(model.input, first.output)
    assert_allclose(teachers.standardised(seen)(rows()), rows(), atol=1e-5)


def test_dropout_acts_in_training_only():
    model = mlp((8,), 7, seed=0)
    assert_array_equal(model(rows()), model(rows()))
    assert not np.allclose(model(rows(), training=True), model(rows()))
    drops = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert drops == [0.15] * 11


def test_signal_neither_dies_nor_explodes_on_its_way_through_all_layers():
    logits = np.asarray(mlp((16,), 26, seed=0)(rows(200, 16)))
    assert 0.1 < logits.std() < 10


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    one, same, other = (mlp((8,), 7, seed=seed).trainable_weights for seed in (0, 0, 1))
    for a, b, c in zip(one, same, other, strict=True):
        assert_array_equal(a, b)
        assert a.ndim == 1 or not np.array_equal(a, c)


def test_same_seed_drops_the_same_units():
    one, same = (mlp((8,), 7, seed=0)(rows(), training=True) for _ in range(2))
    assert_array_equal(one, same)


def test_adapted_mlp_reloads_in_safe_mode(tmp_path):
    model = mlp((8,), 7, seed=0)
    model.get_layer("normalization").adapt(3 + 5 * rows(100))
    model.save(tmp_path / "mlp.keras")
    reloaded = keras.saving.load_model(tmp_path / "mlp.keras", safe_mode=True)
    assert_array_equal(reloaded(rows()), model(rows()))


@pytest.mark.parametrize("shape", [(4, 4, 1), ()])
def test_input_that_is_not_flat_is_refused(shape):
    with pytest.raises(ValueError, match=r"`input_shape` must be \(features,\). Received: \("):
        mlp(shape, 7)


@pytest.mark.parametrize("sizes", [{"units": 0}, {"hidden_layers": 0}, {"num_classes": 0}])
def test_size_that_is_not_positive_is_refused(sizes):
    with pytest.raises(ValueError, match="must be positive. Received: "):
        mlp(**{"input_shape": (8,), "num_classes": 7, **sizes})
