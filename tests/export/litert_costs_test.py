import keras
import numpy as np
import pytest
from keras import layers

from kegnet_tf import compression, export


def written(folder, model, *forms):
    """Paths of a model as LiteRT files of one example at a time."""
    export.save(model, folder / "saved_model", batch=1)
    x = np.random.default_rng(0).normal(size=(9, *model.input_shape[1:])).astype(np.float32)
    paths = [folder / f"{form}.tflite" for form in forms]
    for path in paths:
        path.write_bytes(export.convert(folder / "saved_model", path.stem, x))
    return paths


@pytest.mark.slow
def test_multiply_adds_are_those_of_convolutions_and_products(tmp_path):
    costs = [
        (layers.Conv2D(5, (3, 2)), 4 * 5 * 5 * (3 * 2 * 2)),
        (layers.Conv2D(4, 3, strides=2, padding="same"), 3 * 3 * 4 * (3 * 3 * 2)),
        (layers.DepthwiseConv2D(3), 4 * 4 * 2 * (3 * 3)),
        (layers.Conv2DTranspose(5, 2, 2), 6 * 6 * 2 * (2 * 2 * 5)),  # each input to 2x2x5 outputs
        (layers.Dense(7), 6 * 6 * 7 * 2),
        (layers.MaxPooling2D(), 0),
    ]
    inputs = keras.Input((6, 6, 2))
    vectors = layers.Reshape((36, 2))(inputs)
    outputs = [layer(inputs) for layer, _ in costs]
    outputs.append(layers.Dot((2, 2))([vectors, vectors + 1.0]))  # [36, 36]
    outputs = layers.Concatenate()([layers.Flatten()(each) for each in outputs])
    (path,) = written(tmp_path, keras.Model(inputs, outputs), "litert_float32")
    assert export.multiply_adds(path) == sum(cost for _, cost in costs) + 36 * 36 * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, (3, 2)), 4 * 5 * 5 * (3 * 2 * 2)),
        (layers.DepthwiseConv2D(3), 4 * 4 * 2 * (3 * 3)),
        (layers.Conv2DTranspose(5, 2, 2), 6 * 6 * 2 * (2 * 2 * 5)),
        (layers.Dense(7), 6 * 6 * 7 * 2),
        (layers.MaxPooling2D(), 0),
    ],
)
def test_multiply_adds_of_each_kind_of_layer(tmp_path, layer, expected):
    model = keras.Sequential([keras.Input((6, 6, 2)), layer])
    (path,) = written(tmp_path, model, "litert_float32")
    assert export.multiply_adds(path) == expected


@pytest.mark.slow
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
    rows = compression.layer_report(model, student)
    before, after = zip(*(row.multiply_adds for row in rows), strict=True)
    for each, expected in ((student, after), (model, before)):
        (path,) = written(tmp_path, each, "litert_float32")
        assert export.multiply_adds(path) == sum(expected)


@pytest.mark.slow
def test_arena_holds_input_and_output_at_once_and_constants_never(tmp_path):
    model = keras.Sequential([keras.Input((100,)), layers.Dense(10, "relu")])
    (path,) = written(tmp_path, model, "litert_float32")
    assert export.arena(path) == 4 * (100 + 10)


@pytest.mark.slow
def test_arena_shares_memory_between_layers_and_shrinks_with_int8(tmp_path):
    model = keras.Sequential([keras.Input((64,)), *(layers.Dense(64, "relu") for _ in range(4))])
    paths = written(tmp_path, model, "litert_float32", "litert_int8_integer_only")
    floats, integers = map(export.arena, paths)
    # Input and output of a layer, and LiteRT keeps the input of the model; never all five.
    assert 2 * 4 * 64 <= floats <= 3 * 4 * 64
    assert integers < floats / 2
