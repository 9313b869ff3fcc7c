import pytest
import tensorflow_datasets as tfds
from smallest import tiny_config

from kegnet_tf import runs, teachers
from kegnet_tf.configs import letter, mnist, svhn
from kegnet_tf.runs import read_json
from kegnet_tf.teachers.networks import mlp


@pytest.mark.slow
@pytest.mark.parametrize("preset", [mnist, svhn, letter])
def test_teacher_is_trained_on_mock_data_and_tells_how(preset, tmp_path):
    config = preset.get_config("quick")
    config.training.update(epochs=1, batch_size=4)
    config.data.splits = {"train": "train[:8]", "valid": "train[8:]", "test": "test"}
    # Eleven layers take seconds to trace.
    network = mlp((16,), 26, units=8, hidden_layers=1) if preset is letter else None
    with tfds.testing.mock_data(num_examples=12):
        line = runs.train_teacher(config, tmp_path / "t.keras", network=network)
    made = read_json(tmp_path / "t.json")
    assert made["digest"] == teachers.digest(teachers.load(tmp_path / "t.keras"))
    assert line == f"{tmp_path / 't.keras'}: accuracy {made['accuracy']:.4f} on 12 test examples"
    assert made["seed"] == 0


def test_teacher_is_refused_without_a_network_a_keras_path_or_on_several_devices(tmp_path):
    config = tiny_config()
    with pytest.raises(ValueError, match="`network` must be named by the preset"):
        runs.build_network(config)
    with pytest.raises(ValueError, match=r"`output` must end in .keras. Received: t.h5"):
        runs.train_teacher(config, "t.h5")
    for name in ("t.keras", "t.json"):  # of somebody else
        (tmp_path / name).write_text("mine")
        with pytest.raises(ValueError, match=f"`output` must be a new file. Received: .*{name}"):
            runs.train_teacher(config, tmp_path / "t.keras")
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    config.devices.mixed_precision = "float16"
    with pytest.raises(ValueError, match="`mixed_precision` must stay away from .*'float16'"):
        runs.train_teacher(config, tmp_path / "t.keras")
    assert not list(tmp_path.iterdir())
