import keras
import numpy as np
from keras import layers
from numpy.testing import assert_allclose

from kegnet_tf import compression


def two_layers():
    """1 to 1 twice, both kernels 1, with ranges of 255 steps of 1, the last one of 1 / 25.5."""
    inputs = keras.Input((1,))
    x = layers.Dense(1, "relu", use_bias=False, name="first")(inputs)
    model = compression.ranged(
        keras.Model(inputs, layers.Dense(1, use_bias=False, name="second")(x))
    )
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    for each, high in zip(compression.ranges(model), (255.0, 255.0, 10.0), strict=True):
        each.set(0.0, high)
    return model


def test_noise_is_what_rounding_and_cutting_have_added_up_to_and_the_worst_comes_first():
    model = two_layers()
    before = model.get_weights()
    rows = compression.roundings(model, np.float32([[8.25], [12.0]]), rows=1)
    assert [row.tensor for row in rows] == ["second", "x", "first"]
    # 8.25 is held as 8 by the first two, error .25, and 12 is cut to 10 by the last
    signal = (8.25**2 + 12**2) / 2
    assert_allclose(rows[1].decibels, 10 * np.log10(signal / (0.25**2 / 2)), rtol=1e-5)
    held = np.round(8 / (10 / 255)) * 10 / 255
    noise = ((8.25 - held) ** 2 + 2**2) / 2
    assert_allclose(rows[0].decibels, 10 * np.log10(signal / noise), rtol=1e-5)
    assert [row.cut for row in rows] == [0.5, 0.0, 0.0]
    for weight, same in zip(model.get_weights(), before, strict=True):
        assert_allclose(weight, same)
    assert all(each.watch is None for each in compression.ranges(model))


def test_what_is_held_exactly_has_no_noise_and_stands_last():
    rows = compression.roundings(two_layers(), np.float32([[10.0]]))
    assert [row.decibels for row in rows] == [None] * 3
    table = compression.rounding_table(rows, most=2).splitlines()
    assert len(table) == 4
    assert [cell.strip() for cell in table[2].split("|")[1:-1]] == ["x", "", "0.00%", "0 to 255"]
