import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf.configs import cifar10, cifar100, mnist
from kegnet_tf.datasets import ImageDataset


def dataset(**kwargs):
    arguments = {
        "name": "mnist",
        "image_shape": (14, 14, 1),
        "label_names": tuple("0123456789"),
        "mean": (0.1,),
        "std": (0.25,),
        "splits": {"train": "train[:50%]", "test": "test"},
    }
    return ImageDataset(**{**arguments, **kwargs})


def mocked(images, labels):
    """TFDS that holds these images, uint8, and no others."""
    data = tf.data.Dataset.from_tensor_slices({"image": images, "label": labels})
    return tfds.testing.mock_data(as_dataset_fn=lambda self, *args, **kwargs: data)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A TFDS_DATA_DIR that holds nothing."""
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))


def test_images_are_scaled_to_1_and_standardised():
    images = np.zeros((3, 28, 28, 1), np.uint8)
    images[1], images[2] = 51, 255
    with mocked(images, np.array([7, 0, 9])):
        x, label = dataset().load("test", download=True)
    # 51 / 255 = 0.2: (0 - 0.1) / 0.25, (0.2 - 0.1) / 0.25 and (1 - 0.1) / 0.25.
    assert_allclose(x[:, 0, 0, 0], [-0.4, 0.4, 3.6], rtol=1e-5)
    assert_allclose(x, np.broadcast_to(x[:, :1, :1], x.shape))
    assert_array_equal(label, [7, 0, 9])


def test_images_are_resized_bilinearly():
    images = np.zeros((1, 28, 28, 1), np.uint8)
    images[:, :, 13:] = 255  # the seventh pixel of 14 lies half in the dark
    with mocked(images, np.array([0])):
        x, _ = dataset(mean=(0.0,), std=(1.0,)).load("test", download=True)
    assert_allclose(x[0, :, :, 0], np.broadcast_to([0.0] * 6 + [0.5] + [1.0] * 7, (14, 14)))


def test_each_channel_has_its_own_mean_and_deviation():
    images = np.full((2, 32, 32, 3), 51, np.uint8)
    svhn = dataset(
        name="svhn_cropped", image_shape=(32, 32, 3), mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 0.5)
    )
    with mocked(images, np.array([0, 1])):
        x, _ = svhn.load("train", download=True)
    assert_allclose(x[1, 5, 6], [0.1, 0.0, -0.2], atol=1e-6)


@pytest.mark.parametrize(("shape", "size"), [((14, 14, 1), 3), ((32, 32, 1), 1001)])
def test_split_is_read_whole_in_the_asked_shape(shape, size):
    with tfds.testing.mock_data(num_examples=size):
        x, label = dataset(image_shape=shape).load("test", download=True)
    assert x.shape == (size, *shape)
    assert x.dtype == np.float32
    assert label.shape == (size,)
    assert label.dtype == np.int64
    assert set(label) <= set(range(10))


def test_split_is_asked_for_by_the_expression_of_the_preset():
    asked = []

    def remember(self, split, *args, **kwargs):
        asked.append(split)
        image = tf.zeros((1, 28, 28, 1), tf.uint8)
        return tf.data.Dataset.from_tensor_slices({"image": image, "label": [0]})

    with tfds.testing.mock_data(as_dataset_fn=remember):
        dataset(splits={"valid": "train[55000:]"}).load("valid", download=True)
    assert [str(split) for split in asked] == ["train[55000:]"]


def test_mnist_preset_names_three_splits_and_a_label_for_each_class():
    data = ImageDataset(**mnist.get_config().data)
    assert sorted(data.splits) == ["test", "train", "valid"]
    assert len(data.label_names) == 10
    assert data.image_shape == (32, 32, 1)


@pytest.mark.parametrize(("preset", "classes"), [(cifar10, 10), (cifar100, 100)])
def test_photographs_of_a_preset_are_read_in_colour_with_a_label_each(preset, classes):
    data = ImageDataset(**preset.get_config().data)
    with tfds.testing.mock_data(num_examples=5):
        x, label = data.load("test", download=True)
    assert x.shape == (5, 32, 32, 3)
    assert set(label) <= set(range(classes))
    assert len(set(data.label_names)) == classes


def test_unknown_split_is_refused():
    message = r"`split` must be one of \['test', 'train'\]. Received: 'valid'."
    with pytest.raises(ValueError, match=message):
        dataset().load("valid")


@pytest.mark.usefixtures("empty")
def test_absent_data_are_refused_unless_they_may_be_fetched():
    assert not dataset().is_prepared()
    message = "`TFDS_DATA_DIR` must hold 'mnist', or `download` be true. Received: nothing found."
    with pytest.raises(ValueError, match=message):
        dataset().load("test")


@pytest.mark.slow
@pytest.mark.data
def test_mnist_of_table_1_is_read_and_standardised():
    data = ImageDataset(**mnist.get_config().data)
    if not data.is_prepared():
        pytest.skip("TFDS_DATA_DIR holds no mnist")
    x, label = data.load("valid")
    assert x.shape == (5000, 32, 32, 1)
    # Mean and deviation are those of the training split before resizing, which smooths.
    assert_allclose(x.mean(), 0, atol=0.02)
    assert 0.9 < x.std() < 1.0
    assert np.unique_counts(label).counts.min() > 400
