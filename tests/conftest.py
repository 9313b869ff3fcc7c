import os
import pathlib

import keras
import numpy as np
import pytest

from kegnet_tf.networks.decoder import Decoder
from kegnet_tf.networks.generators import ImageGenerator


@pytest.fixture(scope="session")
def shared():
    """Folder of the authors' weights and other oracles; never part of the project."""
    folder = os.environ.get("KEGNET_SHARED")
    if not folder or not pathlib.Path(folder).is_dir():
        pytest.skip("KEGNET_SHARED names no folder with the authors' weights")
    return pathlib.Path(folder)


@pytest.fixture
def teacher():
    """Classifier of 8x8 grey images into 3 classes, with a BatchNorm that has seen data."""
    return tiny_teacher()


@pytest.fixture
def generator():
    """Generator of 8x8 grey images of 3 classes."""
    return tiny_generator()


@pytest.fixture
def decoder():
    """Decoder of 8x8 grey images."""
    return tiny_decoder()


def tiny_teacher():
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, 2, name="conv")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    seen = np.random.default_rng(0).normal(1.0, 2.0, (8, 8, 8, 1)).astype(np.float32)
    model(seen, training=True)
    return model


def tiny_generator(seed=1):
    return ImageGenerator((8, 8, 1), 3, latent_dim=2, units=(8,), filters=(4, 2), seed=seed)


def tiny_decoder(seed=2):
    return Decoder((8, 8, 1), latent_dim=2, units=8, seed=seed)
