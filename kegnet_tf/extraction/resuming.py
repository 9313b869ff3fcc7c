"""How the training of generators resumes after an interruption, and stays finite."""

import hashlib
import os
import pathlib
import secrets
import textwrap

import h5py
import keras
import numpy as np

# Of this process, in the names of files that it has not finished; workers take that of their run.
WRITER = os.environ.get("KEGNET_WRITER") or secrets.token_hex(8)
_DIGEST = "sha256"  # attribute of a backup


def partial_name(path: str | os.PathLike) -> pathlib.Path:
    """Where a file is written before it gets its name: beside it, and nobody else's.

    Args:
        path: of the file; the suffix stays.
    """
    path = pathlib.Path(path)
    return path.with_name(f"partial-{WRITER}-{secrets.token_hex(4)}-{path.name}")


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

    def restore(self) -> int:
        """Takes the state of the file, if there is one, into the trainer.

        Returns:
            Epochs that it was trained for.

        Raises:
            ValueError: if the file is not as `Backup` wrote it.
        """
        if self.path.exists():
            try:
                with h5py.File(self.path) as file:
                    intact = file.attrs.get(_DIGEST) == _digest(file)
                if not intact:
                    raise OSError("its checksum is another")
                self.model.load_weights(self.path)
            except Exception as error:  # a broken file can make Keras raise anything
                reason = textwrap.shorten(str(error), 100)
                raise ValueError(
                    "`backup` must be as it was written; without the file, training starts anew. "
                    f"Received: {self.path} ({reason})."
                ) from error
        return int(self.model.epochs_done.numpy())

    def _save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_name(self.path)
        try:
            self.model.save_weights(partial)
            with h5py.File(partial, "a") as file:
                file.attrs[_DIGEST] = _digest(file)
            os.replace(partial, self.path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _digest(file):
    """SHA-256 of all arrays in an HDF5 file, under their names."""
    sha = hashlib.sha256()

    def add(name, found):
        if isinstance(found, h5py.Dataset):
            sha.update(name.encode())
            sha.update(np.ascontiguousarray(found[()]))

    file.visititems(add)
    return sha.hexdigest()
