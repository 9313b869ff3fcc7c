import keras
import numpy as np
import pytest

from kegnet_tf.extraction.resuming import WRITER, Backup, LastFinite, partial_name


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


@pytest.fixture
def backup(model, tmp_path):
    """The state of a trainer after two epochs, in a file."""
    model.epochs_done = model.add_weight(trainable=False, initializer="zeros", name="epochs_done")
    model.compile("adam", "mse", run_eagerly=True)  # nothing is traced
    keeper = Backup(tmp_path / "state.npz")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    keeper.set_model(model)
    keeper.set_params({"epochs": 3})
    keeper.on_epoch_end(1)
    return keeper


def test_backup_holds_the_whole_state_and_leaves_nothing_beside_it(backup, model):
    before = [np.asarray(value) for value in (*model.weights, *model.optimizer.variables)]
    model.fit(np.zeros((4, 2)), np.ones((4, 1)), verbose=0)
    assert backup.restore() == 2
    after = [np.asarray(value) for value in (*model.weights, *model.optimizer.variables)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [path.name for path in backup.path.parent.iterdir()] == ["state.npz"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "other networks"])
def test_spoilt_backup_is_refused_and_named(backup, damage):
    whole = backup.path.read_bytes()
    if damage == "flipped":  # in a number, which any reader takes for a good one
        place = whole.index(backup.model.get_weights()[0].tobytes())
        backup.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    elif damage == "other networks":
        np.savez(backup.path, **{"0": np.zeros((2, 1))})
    else:
        backup.path.write_bytes(whole[:-100] if damage == "cut" else b"mine")
    with pytest.raises(ValueError, match=r"without the file, training starts anew.*state\.npz"):
        backup.restore()


def test_partial_names_are_of_this_process_and_no_two_alike(tmp_path):
    one, other = (partial_name(tmp_path / "a.npz") for _ in range(2))
    assert one != other
    assert one.parent == tmp_path
    assert one.name.startswith(f"partial-{WRITER}-")
    assert one.name.endswith("-a.npz")
