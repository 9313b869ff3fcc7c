import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kegnet_tf.extraction import Decoder


@pytest.mark.parametrize("shape", [(8, 8, 1), (33, 20, 4), (5,)])
def test_decoder_answers_with_one_latent_for_each_example(shape):
    z = Decoder(shape, latent_dim=6, units=4, seed=0)(np.ones((2, *shape), np.float32))
    assert z.shape == (2, 6)


@pytest.mark.parametrize(("hidden_layers", "expected"), [(1, 337), (2, 367)])
def test_decoder_has_the_parameters_of_its_layers(hidden_layers, expected):
    # 64 pixels to 5 units (325), 5 to 5 (30), 5 to a latent of 2 (12).
    decoder = Decoder((8, 8, 1), latent_dim=2, units=5, hidden_layers=hidden_layers)
    assert sum(map(np.size, decoder.get_weights())) == expected


def test_decoder_has_elu_in_between_and_nothing_at_the_end():
    decoder = Decoder((1,), latent_dim=1, units=1)
    ones = [np.ones_like(weight) for weight in decoder.get_weights()]
    decoder.set_weights(ones)
    # elu(-3 + 1) + 1 = exp(-2) - 1 + 1, and elu(3 + 1) + 1 = 5.
    np.testing.assert_allclose(decoder(np.array([[-3.0], [3.0]])), [[np.exp(-2.0)], [5.0]], 1e-5)


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    one, same, other = (
        Decoder((4,), latent_dim=4, units=4, hidden_layers=2, seed=seed) for seed in (0, 0, 1)
    )
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        assert_array_equal(a, b)
    kernels = [
        weight for model in (one, other) for weight in model.get_weights() if weight.ndim > 1
    ]
    for index, kernel in enumerate(kernels):
        assert not any(np.array_equal(kernel, other) for other in kernels[:index])


@pytest.mark.parametrize("shape", [(8, 8, 1), (5,)])
def test_decoder_reloads_to_the_same_answers(shape, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    decoder = Decoder(shape, latent_dim=2, units=8, hidden_layers=2, seed=0)
    z = decoder(x)
    decoder.save(tmp_path / "decoder.keras")
    assert_array_equal(keras.saving.load_model(tmp_path / "decoder.keras")(x), z)


@pytest.mark.parametrize("name", ["latent_dim", "units", "hidden_layers"])
def test_size_that_is_not_positive_is_refused(name):
    with pytest.raises(ValueError, match=f"^`{name}` must be 1 or more. Received: 0.$"):
        Decoder((8, 8, 1), **{name: 0})
