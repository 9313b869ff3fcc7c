import keras
import numpy as np
import pytest

from kegnet_tf.extraction.resuming import LastFinite


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def epochs(model, *ends):
    """Passes epochs to the callback: each end is (what fills the weights then, its loss)."""
    callback = LastFinite()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, (value, loss) in enumerate(ends):
        model.set_weights([np.full(weight.shape, value) for weight in model.get_weights()])
        callback.on_epoch_end(epoch, {"loss": loss})
    return [float(weight.ravel()[0]) for weight in model.get_weights()]


@pytest.mark.parametrize("ruined", [(np.nan, 1.0), (np.inf, 1.0), (3.0, np.nan)])
def test_training_ends_with_the_last_epoch_in_which_weights_and_losses_are_finite(model, ruined):
    assert epochs(model, (1.0, 1.0), (2.0, 1.0), ruined) == [2.0, 2.0]
    assert model.stop_training


def test_training_whose_numbers_stay_finite_goes_on(model):
    model.stop_training = False
    assert epochs(model, (1.0, 1.0), (2.0, 1.0)) == [2.0, 2.0]
    assert not model.stop_training
