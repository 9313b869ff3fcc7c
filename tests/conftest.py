"""Fixtures. Each imports what it needs: xdist's first process reads this file, and runs no test."""

import gc
import os
import pathlib

import pytest

# Workers share the cores: threads of one would only wait for those of another.
for _threads in ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
# Networks are small and many, and looking for garbage among all that TensorFlow holds takes longer.
gc.set_threshold(100_000, 50, 100)


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
    import smallest

    return smallest.tiny_teacher()


@pytest.fixture
def generator():
    """Generator of 8x8 grey images of 3 classes."""
    import smallest

    return smallest.tiny_generator()


@pytest.fixture
def decoder():
    """Decoder of 8x8 grey images."""
    import smallest

    return smallest.tiny_decoder()
