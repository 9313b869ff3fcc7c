"""What a process holds does not grow with how long it works."""

import ctypes
import gc

import keras
import psutil
import pytest
from smallest import tiny_config, tiny_decoder, tiny_generator, tiny_teacher

from kegnet_tf import extraction, runs
from kegnet_tf.runs import students

BOUND = 50 * 2**20  # bytes


def held():
    """Bytes that this process holds, without what was freed."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


class Held(keras.callbacks.Callback):
    """Notes at the end of each epoch what the process holds."""

    def on_train_begin(self, logs=None):
        self.bytes = []

    def on_epoch_end(self, epoch, logs=None):
        self.bytes.append(held())


@pytest.mark.slow
def test_memory_stays_flat_over_ten_thousand_steps_of_extraction(tmp_path):
    settings = extraction.ExtractionSettings(
        batch_size=32, epochs=100, steps_per_epoch=100, beta=1.0, gamma=1.0
    )
    memory = Held()
    extraction.extract(
        tiny_teacher(),
        [tiny_generator()],
        [tiny_decoder()],
        settings,
        seeds=[0],
        backup=tmp_path / "backup.npz",
        callbacks=[[memory, keras.callbacks.TensorBoard(tmp_path / "log")]],
        verbose=0,
    )
    assert max(memory.bytes[10:]) - memory.bytes[9] < BOUND


@pytest.mark.slow
def test_memory_stays_flat_over_thirty_students(tmp_path):
    settings = {"num_seeds": 36, "arms": ("kegnet+",), "num_generators": 1}
    run = runs.Run(tiny_config(**settings), tmp_path, teacher=tiny_teacher())
    run.claim()
    memory = []
    for key in students.keys(run):
        students.result(run, key)
        memory.append(held())
    assert max(memory[6:]) - memory[5] < BOUND
