import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose
from smallest import nested_classifier

from kegnet_tf import teachers
from kegnet_tf.compression import (
    Policy,
    TuckerConv2D,
    compress,
    int8_bytes,
    layer_report,
    multiply_adds,
    spectra,
)
from kegnet_tf.teachers.networks import lenet5


def separable():
    """Most of its parameters are in `fc`, and nearly all of its multiply-adds in `conv`."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((16, 16, 16)),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2D(24, 3, padding="same", activation="relu", name="conv"),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dense(32, activation="relu", name="fc"),
            layers.Dense(3, name="logits"),
        ]
    )


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("build", [separable, lenet5])
def test_multiply_adds_are_reached_from_below_within_a_tenth(build, share):
    model = build()
    student = compress(model, target_macs=share, start="svd")
    assert 0.9 * share <= multiply_adds(student) / multiply_adds(model) <= share


def test_each_target_squeezes_what_costs_most_in_its_own_unit():
    model = separable()
    squeezed = {
        name: [row.name for row in layer_report(model, student) if row.ranks]
        for name, student in (
            ("ratio", compress(model, target_ratio=1.3, start="svd")),
            ("macs", compress(model, target_macs=0.7, start="svd")),
        )
    }
    assert "fc" in squeezed["ratio"]
    assert squeezed["macs"] == ["conv"]


def test_size_of_the_int8_file_is_reached_by_its_estimate():
    model = lenet5(num_classes=3, seed=0)
    student = compress(model, target_kb=30, start="svd")
    assert 0.97 * 30_000 <= int8_bytes(student) <= 30_000
    assert multiply_adds(compress(model, target_kb=1e6, start="svd")) == multiply_adds(model)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"target_macs": 1e-3}, r"`target_macs` must lie in \[0.\d+, 1\] for this .*: 0.001"),
        ({"target_kb": 1.0}, r"`target_kb` must lie in \[\d.*, any size\] for this .*: 1.0"),
        ({"target_macs": 1.5}, r"`target_macs` must lie in \(0, 1\]. Received: 1.5"),
        ({"target_latency": 0}, r"`target_latency` must lie in \(0, 1\]. Received: 0"),
        ({"target_kb": -1}, "`target_kb` must be above 0. Received: -1"),
        ({"target_macs": 0.5, "target_ratio": 2}, "At most one of .*target_kb.* Received: 2, 0.5"),
    ],
)
def test_what_cannot_be_reached_is_refused_with_the_bounds(asked, message):
    with pytest.raises(ValueError, match=message):
        compress(separable(), **asked)


def test_multiply_adds_of_an_open_size_are_no_target():
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, layers.Conv2D(8, 3)(inputs))
    with pytest.raises(ValueError, match="`target_macs` must be asked of a model whose input's"):
        compress(model, target_macs=0.5)


def test_layers_that_are_skipped_stay_whole_whatever_the_target():
    model = separable()
    student = compress(model, target_ratio=1.2, skip="fc", start="svd")
    assert {row.name: row.note for row in layer_report(model, student)}["fc"] == "not chosen"


def test_policy_names_its_target():
    assert Policy(target_kb=3).target == "target_kb"
    assert Policy(0.5).target == ""


@pytest.mark.parametrize(
    ("shape", "ranks"), [((3, 3, 6, 8), (2, 5)), ((3, 3, 6, 8), (6, 4)), ((1, 1, 9, 5), (3, 3))]
)
def test_truncation_is_the_tucker_layer_without_iterations(shape, ranks):
    layer = layers.Conv2D(shape[-1], shape[:2])
    layer.build((None, 8, 8, shape[2]))
    layer.kernel.assign(np.random.default_rng(0).normal(size=shape))
    spectrum = spectra.Spectrum(layer)
    kernel = spectrum.truncated(ranks)
    expected = TuckerConv2D.from_layer(layer, ranks, iterate=False).dense_kernel()
    assert_allclose(kernel, expected, atol=1e-5)
    (index,) = np.flatnonzero((spectrum.ranks == ranks).all(axis=1))
    dense = layer.kernel.numpy().astype(float)
    assert_allclose(spectrum.kept[index], np.sum(kernel**2) / np.sum(dense**2), rtol=1e-6)


def test_menu_loses_ever_less_for_ever_more():
    layer = teachers.calls_of_kinds(nested_classifier(), [layers.Conv2D])
    spectrum = spectra.Spectrum(*layer)
    cost = np.prod(spectrum.ranks, axis=1)
    ranks, cost, losses = spectra.menu(spectrum, cost, 12)
    assert len(ranks) == len(cost) - 1 == len(losses) - 1
    assert (np.diff(cost) > 0).all()
    assert (np.diff(losses) < 0).all()
    assert (cost[-1], losses[-1]) == (12, 0)
