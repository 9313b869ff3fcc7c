"""How the training of generators resumes after an interruption, and stays finite."""

import os
import pathlib

import keras
import numpy as np


class LastFinite(keras.callbacks.Callback):
    """Ends training where a number is not finite any more, and takes the epoch before back.

    `keras.callbacks.TerminateOnNaN` ends it too, but leaves the weights as they are, and does not
    see those that the epoch's last step ruined.
    """

    def on_train_begin(self, logs=None):
        self.weights = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.get_weights()
        if all(np.isfinite(values).all() for values in (*logs.values(), *weights)):
            self.weights = weights
        else:
            self.model.set_weights(self.weights)
            self.model.stop_training = True


class Backup(keras.callbacks.Callback):
    """Writes the trainer's state after each epoch but the last, in one file that is never half.

    `keras.callbacks.BackupAndRestore` keeps weights and epoch in two files and writes them in
    place: killed between the two, it resumes with weights of one epoch and the number of another.
    Here a weight of `KegNet`, inside the one file, tells the epoch.

    Args:
        path: of the file, ending in .weights.h5; its folder is made where it is missing.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path = pathlib.Path(path)

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 < self.params["epochs"] and not self.model.stop_training:
            self.model.epochs_done.assign(epoch + 1)
            self._save()

    def _save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f"partial-{self.path.name}")
        try:
            self.model.save_weights(partial)
            os.replace(partial, self.path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
