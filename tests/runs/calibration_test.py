import types

import keras
import pytest
from smallest import tiny_config

from kegnet_tf.runs import calibration


@pytest.mark.parametrize(
    ("first", "data", "told"),
    [
        ([], {}, "of mean 0 and deviation 1, as no layer tells; if not, say --input_mean"),
        ([keras.layers.Rescaling(1 / 16)], {}, "by its first layer of mean 8, deviation 4"),
        ([], {"mean": (0.5,), "std": (0.25,)}, "pixels in [0, 1], less 0.5 and divided by 0.25"),
    ],
)
def test_plan_says_what_real_data_are_taken_to_be(first, data, told):
    flat = keras.layers.Flatten()
    model = keras.Sequential([keras.Input((8, 8, 1)), *first, flat, keras.layers.Dense(3)])
    config = tiny_config()
    config.data.update(mean=(), std=())
    config.data.update(data)
    run = types.SimpleNamespace(config=config, classifier=model)
    assert told in calibration.inputs(run)
