import keras
import numpy as np
import pytest
from keras import layers

from kegnet_tf import compression, conversion, graphs


def written(folder, model, form="litert_float32"):
    conversion.save(model, folder / "saved_model", batch=1)
    x = np.random.default_rng(0).normal(size=(9, *model.input_shape[1:])).astype(np.float32)
    path = folder / f"{form}.tflite"
    path.write_bytes(conversion.convert(folder / "saved_model", form, x))
    return path


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, (3, 2)), 4 * 5 * 5 * (3 * 2 * 2)),
        (layers.Conv2D(4, 3, groups=1, strides=2, padding="same"), 3 * 3 * 4 * (3 * 3 * 2)),
        (layers.DepthwiseConv2D(3), 4 * 4 * 2 * (3 * 3)),
        (layers.Conv2DTranspose(5, 2, 2), 6 * 6 * 2 * (2 * 2 * 5)),  # each input to 2x2x5 outputs
        (layers.Dense(7), 6 * 6 * 7 * 2),
        (layers.MaxPooling2D(), 0),
    ],
)
def test_multiply_adds_are_those_of_convolutions_and_products(tmp_path, layer, expected):
    model = keras.Sequential([keras.Input((6, 6, 2)), layer])
    assert graphs.multiply_adds(written(tmp_path, model)) == expected


def test_product_of_two_inputs_counts(tmp_path):
    inputs = keras.Input((3, 4))
    model = keras.Model(inputs, layers.Dot((2, 2))([inputs, inputs + 1.0]))
    assert graphs.multiply_adds(written(tmp_path, model)) == 3 * 3 * 4


def test_multiply_adds_of_a_student_are_those_that_compression_reports(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(6, 3, strides=2, name="conv"),
            layers.Flatten(),
            layers.Dense(20, name="dense"),
        ]
    )
    student = compression.compress(model, ranks={"conv": (2, 3), "dense": (5, 4)})
    before, after = zip(
        *(row["multiply_adds"] for row in compression.layer_report(model, student)), strict=True
    )
    assert graphs.multiply_adds(written(tmp_path, student)) == sum(after)
    assert graphs.multiply_adds(written(tmp_path, model)) == sum(before)


def test_arena_holds_input_and_output_at_once_and_constants_never(tmp_path):
    model = keras.Sequential([keras.Input((100,)), layers.Dense(10, "relu")])
    assert graphs.arena(written(tmp_path, model)) == 4 * (100 + 10)


def test_arena_shares_memory_between_layers_and_shrinks_with_int8(tmp_path):
    model = keras.Sequential([keras.Input((64,)), *(layers.Dense(64, "relu") for _ in range(6))])
    floats = graphs.arena(written(tmp_path, model))
    # Input and output of a layer, and LiteRT keeps the input of the model; never all seven.
    assert 2 * 4 * 64 <= floats <= 3 * 4 * 64
    assert graphs.arena(written(tmp_path, model, "litert_int8_integer_only")) < floats / 2
