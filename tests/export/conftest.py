"""What all tests of this room share."""

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def frozen_heap():
    """Keeps what imports made out of garbage collection.

    Each LiteRT conversion calls `gc.collect`, a third of its time where TensorFlow fills the heap.
    """
    gc.freeze()
    yield
    gc.unfreeze()
