import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

from kegnet_tf import figures


class Remembering:
    """Stands for a generator: keeps what it was asked, answers with images of its label."""

    num_classes = 3
    latent_dim = 2

    def __call__(self, inputs, training=None):
        self.y, self.z = (np.asarray(values) for values in inputs)
        self.training = training
        return tf.random.stateless_normal((len(self.y), 8, 8, 1), (0, 0))


def test_grid_of_grey_images_is_a_grey_png(tmp_path):
    images = np.random.default_rng(0).normal(size=(2, 3, 8, 8, 1))
    figures.image_grid(images, tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size > 0
    pixels = matplotlib.image.imread(tmp_path / "grid.png")[..., :3]
    assert np.ptp(pixels, axis=-1).max() == 0
    assert pixels.min() == 0.0
    assert pixels.max() == 1.0
    # 120 dots to 0.7 columns + 0.8 and 0.7 rows + 0.9 inches.
    assert pixels.shape[:2] == (276, 348)


def test_grid_of_colour_images_is_a_colour_png(tmp_path):
    images = np.zeros((1, 2, 8, 8, 3))
    images[0, 0, ..., 0] = 5.0  # all red, on its own scale
    images[0, 1, :4, :, 2] = -5.0  # below: all but blue, which is yellow; above it white
    figures.image_grid(images, tmp_path / "grid.png")
    pixels = matplotlib.image.imread(tmp_path / "grid.png")[..., :3]
    colours = {tuple(colour) for colour in np.round(pixels.reshape(-1, 3), 2)}
    assert (1.0, 0.0, 0.0) in colours
    assert (0.0, 0.0, 1.0) not in colours


def test_names_and_title_are_drawn(tmp_path):
    images = np.random.default_rng(0).normal(size=(2, 2, 8, 8, 1))
    figures.image_grid(images, tmp_path / "bare.png")
    figures.image_grid(images, tmp_path / "named.png", ["a", "b"], ["0", "1"], "Digits")
    bare, named = (matplotlib.image.imread(tmp_path / f"{name}.png") for name in ("bare", "named"))
    assert bare.shape == named.shape
    assert not np.array_equal(bare, named)


def test_image_of_one_value_is_drawn(tmp_path):
    with np.errstate(all="raise"):
        figures.image_grid(np.full((1, 1, 8, 8, 1), 2.0), tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size > 0


def test_generated_grid_has_a_column_for_each_class_and_z_0_on_top(tmp_path):
    generator = Remembering()
    figures.generated_grid(generator, tmp_path / "grid.png", ("a", "b", "c"), seed=0, rows=4)
    assert (tmp_path / "grid.png").stat().st_size > 0
    y, z = generator.y.reshape(4, 3, 3), generator.z.reshape(4, 3, 2)
    np.testing.assert_array_equal(y, np.broadcast_to(np.eye(3), (4, 3, 3)))
    np.testing.assert_array_equal(z[0], np.zeros((3, 2)))
    assert len(np.unique(z[:, 0], axis=0)) == 4
    np.testing.assert_array_equal(z, np.broadcast_to(z[:, :1], z.shape))
    assert generator.training is False


@pytest.mark.parametrize("seed", [0, 1])
def test_generated_grid_of_a_seed_is_the_same_each_time(seed, tmp_path):
    one, again, other = Remembering(), Remembering(), Remembering()
    figures.generated_grid(one, tmp_path / "one.png", "abc", seed, rows=2)
    figures.generated_grid(again, tmp_path / "again.png", "abc", seed, rows=2)
    figures.generated_grid(other, tmp_path / "other.png", "abc", seed + 1, rows=2)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert not np.array_equal(one.z, other.z)
