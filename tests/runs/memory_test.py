import math
import time

import numpy as np
import pytest
from smallest import tiny_config

from kegnet_tf.configs import base, fashion, letter, mnist, svhn
from kegnet_tf.extraction import DenseGenerator, ImageGenerator
from kegnet_tf.runs import memory


@pytest.fixture
def small(monkeypatch):
    """A machine of 1 MiB."""
    monkeypatch.setattr(memory, "total", lambda: 2.0**20)


@pytest.mark.parametrize("preset", [base, mnist, fashion, svhn])
def test_presets_fit_into_a_gigabyte(preset, monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: 2.0**30)
    memory.check_memory(preset.get_config(), (32, 32, 3), 10)
    memory.check_memory(letter.get_config(), (16,), 26)


# 1 MiB holds 2^18 numbers: of examples with 64 pixels and 3 answers, 3,912.
@pytest.mark.parametrize(
    "name", ["held_out", "save_synthetic", "synthetic_size", "batch_size", "calibration_size"]
)
def test_set_that_does_not_fit_is_refused_with_what_it_takes(name, small):
    key = f"export.{name}" if name == "calibration_size" else name
    memory.check_memory(tiny_config(**{key: 3912}), (8, 8, 1), 3)
    message = rf"`{name}` must fit into the 0.0 GiB of memory of this.*: 10000000, which takes 2.5 "
    with pytest.raises(ValueError, match=message):
        memory.check_memory(tiny_config(**{key: 10**7}), (8, 8, 1), 3)


@pytest.mark.parametrize(
    ("setting", "shape", "name"),
    [
        ({"generator.units": (300, 300)}, (8, 8, 1), "generator"),
        ({"generator.filters": (4,) * 10}, (8, 8, 1), "extraction.batch_size"),
        ({"dense_generator.units": (300, 300)}, (8,), "dense_generator"),
        ({"decoder.units": 2000}, (8, 8, 1), "decoder"),
        ({"extraction.batch_size": 10**5}, (8,), "extraction.batch_size"),
        ({"num_generators": 1000}, (8, 8, 1), "num_generators"),
    ],
)
def test_network_or_batch_that_does_not_fit_is_refused(setting, shape, name, small):
    with pytest.raises(ValueError, match=f"^`{name}` must fit into"):
        memory.check_memory(tiny_config(**setting), shape, 3)


@pytest.mark.parametrize("shape", [(8, 8, 1), (33, 20, 3), (5,)])
def test_size_of_a_generator_is_that_of_its_kernels(shape):
    config = tiny_config()
    if len(shape) == 3:
        settings, generator = config.generator, ImageGenerator(shape, 3, **config.generator)
    else:
        settings = config.dense_generator
        generator = DenseGenerator(*shape, 3, **settings)
    kernels = sum(math.prod(each.shape) for each in generator.weights if len(each.shape) > 1)
    made, layers = 0, generator.network.layers
    for layer in layers:
        if any(len(weight.shape) > 1 for weight in layer.weights):
            made += math.prod(layer.output.shape[1:])
    inputs = 3 + settings.latent_dim
    assert memory.generator_sizes(settings, shape, 3) == (
        kernels,
        pytest.approx(made + inputs, rel=0.3),
    )


def test_machine_tells_its_memory():
    assert np.log2(memory.total()) > 28


def test_peak_memory_is_that_of_a_call_alone():
    held = bytearray(1 << 25)
    assert memory.peak_memory(lambda: bytearray(b"\1") * (1 << 26)) == pytest.approx(
        1 << 26, rel=0.2
    )
    assert len(held) == 1 << 25


@pytest.mark.parametrize("forgets", [False, True])
def test_peak_memory_is_told_where_the_system_does_not_count(monkeypatch, forgets, tmp_path):
    def path(name):  # a system without /proc, or one that forgets nothing
        if forgets and name.endswith("status"):
            (tmp_path / "status").write_text("VmHWM:\t900000000 kB\n")
        return tmp_path / ("" if not forgets else name.rpartition("/")[2])

    monkeypatch.setattr(memory.pathlib, "Path", path)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())  # no malloc_trim

    def call():
        held = bytearray(b"\1") * (1 << 26)
        time.sleep(0.1)
        del held

    assert memory.peak_memory(call) == pytest.approx(1 << 26, rel=0.3)


def test_process_may_hold_what_it_holds_and_what_is_free():
    assert memory.held() < memory.free() <= memory.total()
