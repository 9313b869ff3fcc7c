import time

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from kegnet_tf.compression import compress, costs, latency, layer_report, multiply_adds, spectra

PIXEL = (1, 1), (1, 1), "valid", (1, 1)


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((16, 16, 16)),
            layers.Conv2D(48, 3, padding="same", activation="relu", name="conv"),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dense(3, name="logits"),
        ]
    )


def times_of(models):
    return [1.5 * multiply_adds(model) for model in models]


@pytest.fixture
def counted(monkeypatch):
    """Times as multiply-adds in place of measured ones; whole models take half of them again."""
    monkeypatch.setattr(latency, "milliseconds", costs.multiply_adds)
    monkeypatch.setattr(
        latency, "together", lambda models: [1.5 * multiply_adds(m) for m in models]
    )


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_time_of_the_whole_student_is_reached_though_layers_do_not_sum_up_to_it(counted, share):
    model = network()
    student = compress(model, target_latency=share, start="svd")
    assert multiply_adds(student) / multiply_adds(model) == pytest.approx(share, rel=0.15)


def test_time_that_no_ranks_reach_is_refused_with_what_they_do(counted):
    with pytest.raises(ValueError, match=r"`target_latency` must lie in \[0.\d+, 1\] .*: 0.001"):
        compress(network(), target_latency=0.001)


def test_layer_that_becomes_slower_by_being_split_stays_whole(counted, monkeypatch):
    def slower(layer, shapes, ranks):
        whole = costs.multiply_adds(layer, shapes, None)
        return whole if ranks is None else np.full(len(ranks), 1.1 * whole)

    monkeypatch.setattr(latency, "milliseconds", slower)
    model = network()
    student = compress(model, target_latency=1.0)
    assert {row.note for row in layer_report(model, student)} == {"would not shrink"}


@pytest.mark.parametrize(
    ("before", "after", "window", "sizes"),
    [
        ((9, 8), (4, 7), ((3, 2), (2, 1), "valid", (1, 1)), (4, 6)),
        ((8, 8), (8, 8), ((3, 3), (1, 1), "same", (2, 2)), (5, 3)),
        ((1, 1), (1, 1), PIXEL, (7, 9)),
    ],
)
def test_timed_file_is_the_convolution_that_it_stands_for(before, after, window, sizes):
    size, strides, padding, dilation = window
    layer = layers.Conv2D(sizes[1], size, strides, padding, dilation_rate=dilation)
    x = np.random.default_rng(0).normal(size=(1, *before, sizes[0])).astype(np.float32)
    layer.build(x.shape)
    layer.kernel.assign(np.full(layer.kernel.shape, 1e-3))
    layer.bias.assign(np.full(sizes[1], 1e-3))
    interpreter = Interpreter(model_content=latency.file_of(before, after, window, *sizes))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, layer(x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["conv", "logits"])
def test_times_are_of_the_ranks_that_run_well_and_grow_with_the_work(name):
    model = network()
    layer = model.get_layer(name)
    shapes = [(None, 16, 16, 16) if name == "conv" else (None, 4 * 4 * 48)]
    ranks = spectra.Spectrum(layer).ranks
    times = latency.milliseconds(layer, shapes, ranks)
    assert latency.milliseconds(layer, shapes, None) > 0
    timed = ranks[np.isfinite(times)]
    sizes = np.array(layer.kernel.shape[-2:])
    assert ((timed < 4) | (timed % 4 == 0) | (timed == sizes)).all()
    assert np.isinf(times).any() or name == "logits"


def test_times_are_the_threads_own_whatever_the_clock_on_the_wall_says(monkeypatch):
    wall = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: 1e4 * wall())
    layer = layers.Conv2D(40, 3)
    layer.build((None, 20, 20, 24))
    # 40 x 24 x 9 x 18 x 18 products, of which any processor makes more than 10 million in a second
    assert 0 < latency.milliseconds(layer, [(None, 20, 20, 24)], None) < 280


@pytest.mark.slow
def test_student_that_is_to_be_faster_is():
    model = network()
    times = latency.together([model, compress(model, target_latency=0.6, start="svd")])
    assert times[1] < 0.8 * times[0]
