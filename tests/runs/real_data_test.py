import dataclasses

import keras
import numpy as np
import pytest
from smallest import tiny_config, tiny_teacher

from kegnet_tf import runs


def save(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.save_img(path, np.full((8, 8, 1), value, np.uint8), scale=False)


@pytest.fixture
def folder(tmp_path):
    """Folder of three classes, a picture each."""
    for value, name in enumerate(("ant", "bee", "cow")):
        save(tmp_path / "test" / name / "0.png", 51 * value)
    return tmp_path / "test"


def real(classifier=None, settings=None, **options):
    given = classifier or tiny_teacher()
    return runs.RealData(tiny_config(**(settings or {})), runs.DataOptions(**options), given)


def test_test_data_and_names_of_classes_come_from_class_folders(folder):
    found = real(eval_data=str(folder))
    assert found.label_names == ("ant", "bee", "cow")
    x, label = found.raw_test
    assert label.tolist() == [0, 1, 2]
    assert x[:, 0, 0, 0].tolist() == [0.0, 51.0, 102.0]
    assert real().label_names == ()
    named = {"data.label_names": ("cow", "bee", "ant")}
    found = real(settings=named, eval_data=str(folder))
    assert found.label_names == ("cow", "bee", "ant")  # the preset's, and its labels
    assert found.raw_test[1].tolist() == [0, 1, 2]
    assert found.raw_test[0][:, 0, 0, 0].tolist() == [102.0, 51.0, 0.0]


def test_unlabeled_pictures_are_standardised_as_test_data_are(folder):
    scale = {"data.mean": (0.2,), "data.std": (0.5,)}
    found = real(settings=scale, eval_data=str(folder), unlabeled=str(folder))
    np.testing.assert_array_equal(found.unlabeled, found.test[0])
    np.testing.assert_allclose(found.unlabeled[:, 0, 0, 0], [-0.4, 0.0, 0.4], atol=1e-6)
    inputs = keras.Input((8, 8, 1))
    rescaled = keras.layers.Rescaling(1 / 255)(inputs)
    flat = keras.layers.Flatten()(rescaled)
    model = keras.Model(inputs, keras.layers.Dense(3)(flat))
    # Pixels in [0, 1] are taken to have mean 0.5 and deviation 0.25.
    x = real(model, unlabeled=str(folder)).unlabeled
    np.testing.assert_allclose(x[:, 0, 0, 0], [-2.0, -1.2, -0.4], atol=1e-6)


def test_unlabeled_data_may_be_a_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    np.testing.assert_array_equal(real(unlabeled=str(tmp_path / "x.npz")).unlabeled, x)
    for path, message in (
        ("y.npz", "be a .npz file. Received"),
        ("y", "be a .npz file or a folder of pictures. Received"),
    ):
        with pytest.raises(ValueError, match=f"^`unlabeled` must {message}"):
            real(unlabeled=str(tmp_path / path)).unlabeled
    assert real().unlabeled is None


@pytest.mark.slow
def test_digest_tells_other_pictures_from_the_same(folder):
    digests = [real(unlabeled=str(folder)).unlabeled_digest for _ in range(2)]
    save(folder / "ant" / "1.png", 7)
    digests.append(real(unlabeled=str(folder)).unlabeled_digest)
    assert digests[0] == digests[1] != digests[2]
    assert real().unlabeled_digest == ""


@pytest.mark.slow
def test_file_is_measured_on_class_folders(folder, tmp_path):
    teacher = tiny_teacher()
    teacher.save(tmp_path / "teacher.keras")
    data = runs.DataOptions(eval_data=str(folder))
    found = runs.evaluate_file(tiny_config(), tmp_path / "teacher.keras", data=data)
    x, label = real(eval_data=str(folder)).raw_test
    assert found["accuracy"] == dataclasses.asdict(runs.evaluate(teacher, x, label))["accuracy"]
    assert len(found["recall"]) == 3
