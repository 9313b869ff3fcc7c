import pathlib

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kegnet_tf.runs import pictures, workdir
from kegnet_tf.runs.pictures import gallery


class Fake:
    """Stands for a generator of `shape`, three classes: all of an example is its first logit."""

    num_classes, latent_dim = 3, 2

    def __init__(self, *shape):
        self.shape = shape

    def __call__(self, inputs, training=None):
        y, z = (np.asarray(values) for values in inputs)
        level = np.arange(np.prod(self.shape)) * (1 + y[:, :1]) + z[:, :1]
        return level.reshape(-1, *self.shape).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Folder of two generators that were trained, but for the models."""
    for index in range(2):
        path = tmp_path / f"{index}.json"
        workdir.write_json(path, {"shares": [0.5, 0.25, 0.25]})
        lines = "epoch,accuracy,decoder_loss,loss\n0,0.5,1.0,3.0\n1,0.75,0.5,2.0\n"
        path.with_suffix(".csv").write_text(lines)
    return tmp_path


def teacher(*shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))


def draw(folder, *given):
    """Draws every picture; returns their names."""
    drawings = pictures.drawings(folder, *given)
    for name, drawing in drawings.items():
        drawing(folder / name)
    assert {path.name for path in [*folder.glob("*.png"), folder / "README.md"]} == {*drawings}
    return {*drawings}


CHARTS = {"losses.png", "class_balance.png", "README.md"}
IMAGES = {"classes.png", "averages.png", "walks.png", "generator-0.png", "generator-1.png"}


@pytest.mark.slow
def test_run_on_images_gets_charts_and_grids_and_with_real_data_both_beside_each_other(folder):
    generators = [Fake(8, 8, 1)] * 2
    given = folder, generators, teacher(8, 8, 1)
    assert draw(*given, ("a", "b", "c"), 0) == CHARTS | IMAGES
    test = np.ones((4, 8, 8, 1), np.float32), np.array([0, 0, 2, 2])
    assert draw(*given, (), 0, test) == CHARTS | IMAGES | {"real.png"}


def test_run_on_vectors_gets_charts_alone(folder):
    test = np.ones((4, 7), np.float32), np.array([0, 0, 2, 2])
    assert draw(folder, [Fake(7)] * 2, teacher(7), (), 0, test) == CHARTS


def test_charts_show_losses_without_other_columns_and_shares_of_answers(folder, monkeypatch):
    asked = {}
    for name in ("loss_curves", "class_balance"):

        def remember(values, path, *rest, name=name, **names):
            asked[name] = values
            pathlib.Path(path).touch()

        monkeypatch.setattr(gallery.charts, name, remember)
    draw(folder, [Fake(7)] * 2, teacher(7), (), 0)
    losses = {"decoder_loss": [1.0, 0.5], "loss": [3.0, 2.0]}
    names = ("generator 0", "generator 1")
    assert asked["loss_curves"] == dict.fromkeys(names, losses)
    assert asked["class_balance"] == dict.fromkeys(names, [0.5, 0.25, 0.25])


@pytest.mark.slow
def test_real_examples_stand_beside_generators_in_turn_and_missing_ones_are_nan(
    folder, monkeypatch
):
    found = []

    def remember(real, generated, path, names):
        found.extend((real, generated))
        pathlib.Path(path).touch()

    monkeypatch.setattr(gallery.images, "real_beside_generated", remember)

    class Dark(Fake):
        def __call__(self, inputs, training=None):
            return 0 * super().__call__(inputs)

    x = np.arange(3 * 64, dtype=np.float32).reshape(3, 8, 8, 1)
    test = x, np.array([2, 0, 2])
    draw(folder, [Fake(8, 8, 1), Dark(8, 8, 1)], teacher(8, 8, 1), (), 0, test)
    real, generated = found
    assert real.shape == generated.shape == (3, 8, 8, 8, 1)
    assert_array_equal(real[2, :2], x[[0, 2]])
    assert_array_equal(real[0, 0], x[1])
    assert np.isnan(real[1]).all()
    assert np.isnan(real[2, 2:]).all()
    assert generated[:, ::2].any(axis=(2, 3, 4)).all()
    assert not generated[:, 1::2].any()
