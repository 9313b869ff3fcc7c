import keras
import numpy as np
import pytest

from kegnet_tf.extraction.pacing import Paced
from kegnet_tf.extraction.resuming import INTERVAL, WRITER, Backup, LastFinite, partial_name


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


class Line(Paced):
    """Learns one weight, beside one of a teacher."""

    def __init__(self):
        super().__init__()
        self.slope, self.taught = self.add_weight(name="slope"), self.add_weight(name="taught")
        self.built = True

    @property
    def frozen(self):
        return [self.taught]

    def call(self, x):
        return x * self.slope + self.taught


@pytest.fixture
def trainer():
    line = Line()
    line.compile("adam", "mse", run_eagerly=True)  # nothing is traced
    return line


@pytest.fixture
def backup(trainer, tmp_path):
    """The state of a trainer after two epochs, in a file."""
    keeper = Backup(tmp_path / "state.npz")
    trainer.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    keeper.set_model(trainer)
    keeper.set_params({"epochs": 3})
    keeper.on_epoch_end(1)
    return keeper


def test_backup_holds_the_whole_state_and_leaves_nothing_beside_it(backup, trainer):
    before = [np.asarray(value) for value in trainer.state]
    assert len(before) > 8  # slope, epochs and steps, the loss, Adam's moments of all
    assert not any(variable is trainer.taught for variable in trainer.state)
    trainer.fit(np.zeros((4, 1)), np.ones((4, 1)), verbose=0)
    trainer.epochs_done.assign(0)
    backup.restore()
    assert trainer.epochs_done == 2
    after = [np.asarray(value) for value in trainer.state]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [path.name for path in backup.path.parent.iterdir()] == ["state.npz"]


def test_state_is_written_within_an_epoch_once_the_interval_is_over(backup):
    now, written = [0.0], []
    backup.clock, backup.keep = lambda: now[0], lambda: written.append(now[0])
    backup.on_train_begin()
    (listener,) = backup.model.listeners
    for now[0] in (0.5 * INTERVAL, INTERVAL + 1):
        listener(1, {})
    assert written == [INTERVAL + 1]


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "other networks"])
def test_spoilt_backup_is_refused_and_named(backup, damage):
    whole = backup.path.read_bytes()
    if damage == "flipped":  # in a number, which any reader takes for a good one
        place = whole.index(backup.model.slope.numpy().tobytes())
        backup.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    elif damage == "other networks":
        np.savez(backup.path, **{"state/0/0": np.zeros((2, 1))})
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
