import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import extraction
from kegnet_tf.runs import pictures
from kegnet_tf.runs.pictures import draws
from kegnet_tf.runs.pictures import images as module


class Fake:
    """Stands for a generator: the first row of its images is y, the second z."""

    num_classes = 3
    latent_dim = 2

    def __init__(self):
        self.calls = []

    def __call__(self, inputs, training=None):
        y, z = (np.asarray(values) for values in inputs)
        self.calls.append((len(y), training))
        x = np.zeros((len(y), 8, 8, 1), np.float32)
        x[:, 0, : self.num_classes, 0], x[:, 1, :2, 0] = y, z
        return x


class Letters(Fake):
    num_classes = 8


class Vectors(Fake):
    def __call__(self, inputs, training=None):
        return np.zeros((len(inputs[0]), 16), np.float32)


def y_and_z(images):
    return images[..., 0, :3, 0], images[..., 1, :2, 0]


def random_images(*shape):
    return np.random.default_rng(0).normal(size=shape)


def read(path):
    return np.rint(255 * matplotlib.image.imread(path)[..., :3]).astype(np.uint8)


def place(path, canvas):
    """Where in a PNG a canvas stands, pixel for pixel: (row, column)."""
    pixels, (height, width, _) = read(path), canvas.shape
    canvas = np.broadcast_to(canvas, (height, width, 3))
    for row in range(len(pixels) - height + 1):
        for column in range(pixels.shape[1] - width + 1):
            part = pixels[row : row + height, column : column + width]
            if np.array_equal(part[0], canvas[0]) and np.array_equal(part, canvas):
                return row, column
    raise AssertionError("not found")


def enlarged(images, scale):
    return np.kron(pictures.tile(images), np.ones((scale, scale, 1), np.uint8))


@pytest.fixture
def drawn(monkeypatch):
    """The figures of matplotlib that a test draws."""
    figures_drawn = []

    class Kept(Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures_drawn.append(self)

    monkeypatch.setattr(module, "Figure", Kept)
    return figures_drawn


@pytest.mark.parametrize("channels", [1, 3])
def test_tile_scales_each_image_from_its_own_least_to_its_own_greatest_value(channels):
    images = random_images(2, 3, 4, 5, channels)
    canvas = pictures.tile(images * 10.0 ** np.arange(6).reshape(2, 3, 1, 1, 1) - 7, gap=2)
    assert canvas.dtype == np.uint8
    assert canvas.shape == (2 * 4 + 2, 3 * 5 + 4, channels)
    for row, column in np.ndindex(2, 3):
        image = images[row, column]
        part = canvas[6 * row : 6 * row + 4, 7 * column : 7 * column + 5]
        assert (part.min(), part.max()) == (0, 255)
        assert_allclose(part, 255 * (image - image.min()) / np.ptp(image), atol=0.51)


def test_tile_puts_white_between_images_and_none_around_them():
    canvas = pictures.tile(np.zeros((2, 2, 2, 2, 1)), gap=1)[..., 0]
    expected = np.zeros((5, 5))
    expected[2], expected[:, 2] = 255, 255
    assert_array_equal(canvas, expected)
    assert not pictures.tile(np.zeros((2, 2, 2, 2, 1)), gap=0).any()


@pytest.mark.parametrize("value", [0.0, 2.0, -1e30, np.nan])
def test_tile_of_an_image_of_one_value_is_black(value):
    images = np.stack([np.full((1, 8, 8, 1), value), random_images(1, 8, 8, 1)], axis=1)
    with np.errstate(all="raise"):
        canvas = pictures.tile(images, gap=0)
    assert not canvas[:, :8].any()
    assert canvas[:, 8:].max() == 255


@pytest.mark.parametrize(
    "shape", [(2, 3, 8, 8), (2, 3, 8, 8, 2), (2, 3, 8, 8, 0), (0, 3, 8, 8, 1), (64,)]
)
def test_tile_refuses_what_is_no_grid_of_grey_or_colour_images(shape, tmp_path):
    with pytest.raises(ValueError, match=r"`images` must be \[rows, .* Received: \("):
        pictures.tile(np.zeros(shape))
    with pytest.raises(ValueError, match=r"`images` must be \[rows, .* Received: \("):
        pictures.image_grid(np.zeros(shape), tmp_path / "grid.png")


def test_grid_of_a_generator_of_vectors_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`images` must be .* Received: \("):
        pictures.class_grid([Vectors()], tmp_path / "grid.png", "abc", seed=0)


def test_class_images_have_a_column_for_each_one_hot_class_and_a_row_for_each_z():
    generator, z = Fake(), np.arange(8.0).reshape(4, 2)
    y, seen = y_and_z(pictures.class_images(generator, z))
    assert_array_equal(y, np.broadcast_to(np.eye(3), (4, 3, 3)))
    assert_array_equal(seen, np.broadcast_to(z[:, None], (4, 3, 2)))
    assert generator.calls == [(12, False)]


def test_class_images_are_the_same_in_small_batches(monkeypatch):
    generator, z = Fake(), np.arange(8.0).reshape(4, 2)
    whole = pictures.class_images(generator, z)
    monkeypatch.setattr(draws, "BATCH", 5)
    assert_array_equal(pictures.class_images(generator, z), whole)
    assert [size for size, _ in generator.calls] == [12, 5, 5, 2]


def test_mean_images_are_the_mean_of_the_class_images_over_z():
    generator = Fake()
    _, z = extraction.sample(3, 0, 120, 3, 2, "onehot")
    expected = pictures.class_images(generator, np.asarray(z)).mean(0, keepdims=True)
    images = pictures.mean_images(generator, seed=3, size=120)
    assert images.shape == (1, 3, 8, 8, 1)
    assert_allclose(images, expected, atol=1e-6)


def test_label_walk_moves_the_evidence_evenly_at_z_0():
    y, z = y_and_z(pictures.label_walk(Fake(), 2, 0, steps=5))
    expected = [[0, 0, 1], [0.25, 0, 0.75], [0.5, 0, 0.5], [0.75, 0, 0.25], [1, 0, 0]]
    assert_array_equal(y, [expected])
    assert not z.any()


def test_label_walk_starts_and_ends_at_class_images(generator):
    walk = pictures.label_walk(generator, 0, 2)
    classes = pictures.class_images(generator, np.zeros((1, 2), np.float32))
    assert walk.shape == (1, 10, 8, 8, 1)
    assert_allclose(walk[:, [0, -1]], classes[:, [0, 2]], atol=1e-4)


def test_latent_walk_moves_straight_between_two_random_latents_in_every_class():
    y, z = y_and_z(pictures.latent_walk(Fake(), seed=3, steps=5))
    first, last = extraction.sample(3, 0, 2, 3, 2, "onehot")[1].numpy()
    assert_array_equal(y, np.broadcast_to(np.eye(3)[:, None], (3, 5, 3)))
    assert_allclose(z, np.broadcast_to(np.linspace(first, last, 5), (3, 5, 2)), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "scale"), [(8, 8), (28, 3), (32, 2), (100, 1)])
def test_image_grid_draws_each_pixel_as_an_exact_square(side, scale, channels, tmp_path):
    images = random_images(2, 2, side, side - 2, channels)
    names = (["first", "a much longer name"], ["0", "1"], "Title")
    pictures.image_grid(images, tmp_path / "grid.png", *names)
    place(tmp_path / "grid.png", enlarged(images, scale))


def test_image_grid_leaves_room_for_names_and_title(tmp_path):
    images, path = random_images(2, 2, 8, 8, 1), tmp_path / "grid.png"
    canvas = enlarged(images, 8)
    pictures.image_grid(images, path)
    row, column = place(path, canvas)
    pictures.image_grid(images, path, row_names=["a long name", "b"])
    assert place(path, canvas)[1] > column + 50
    pictures.image_grid(images, path, column_names=["0", "1"])
    named, _ = place(path, canvas)
    assert named > row
    pictures.image_grid(images, path, column_names=["0", "1"], title="Title")
    titled, _ = place(path, canvas)
    assert titled > named
    pictures.image_grid(images, path, column_names=["0", "too wide for a column"])
    assert place(path, canvas)[0] > titled


@pytest.mark.parametrize("names", [{"row_names": "abc"}, {"column_names": ["a"]}])
def test_image_grid_refuses_too_few_or_too_many_names(names, tmp_path):
    with pytest.raises(ValueError, match=r"Names must be 2, or none. Received: "):
        pictures.image_grid(np.zeros((2, 2, 8, 8, 1)), tmp_path / "grid.png", **names)
    assert not (tmp_path / "grid.png").exists()


def test_class_grid_has_z_0_and_the_mean_of_each_generator(tmp_path, drawn, generator):
    pictures.class_grid([Fake(), generator], tmp_path / "grid.png", "abc", seed=3)
    z, rows = np.zeros((1, 2), np.float32), []
    for each in (Fake(), generator):
        rows += [pictures.class_images(each, z), pictures.mean_images(each, seed=3)]
    place(tmp_path / "grid.png", enlarged(np.concatenate(rows), 8))
    names = [text.get_text() for text in drawn[0].texts]
    own = ["generator 0, z = 0", "mean over z", "generator 1, z = 0", "mean over z"]
    assert names == ["a", "b", "c", *own, "what generators draw of each class"]


def test_mean_grid_shows_the_mean_images(tmp_path):
    pictures.mean_grid([Fake(), Fake()], tmp_path / "grid.png", "abc", seed=3)
    rows = [pictures.mean_images(Fake(), seed=3)] * 2
    place(tmp_path / "grid.png", enlarged(np.concatenate(rows), 8))


def test_walk_grid_has_a_row_for_each_pair_and_generator(tmp_path, drawn):
    pictures.walk_grid([Fake(), Fake()], tmp_path / "grid.png", "abc", [(0, 2), (1, 0)])
    rows = [pictures.label_walk(Fake(), *pair) for pair in ((0, 2), (0, 2), (1, 0), (1, 0))]
    place(tmp_path / "grid.png", enlarged(np.concatenate(rows), 8))
    names = [text.get_text() for text in drawn[0].texts]
    assert names[:10:9] == ["0%", "100%"]
    assert names[10:12] == ["a → c\ngenerator 0", "a → c\ngenerator 1"]


def test_walk_grid_pairs_the_first_labels_with_those_half_the_classes_further_on(tmp_path, drawn):
    pictures.walk_grid([Letters()], tmp_path / "grid.png", "abcdefgh")
    names = [text.get_text().splitlines()[0] for text in drawn[0].texts[10:-1]]
    assert names == ["a → e", "b → f", "c → g"]


def test_generated_grid_has_z_0_on_top_and_random_z_below(tmp_path):
    pictures.generated_grid(Fake(), tmp_path / "grid.png", ("a", "b", "c"), seed=3, rows=4)
    z = extraction.sample(3, 0, 4, 3, 2, "onehot")[1].numpy()
    z[0] = 0
    place(tmp_path / "grid.png", enlarged(pictures.class_images(Fake(), z), 8))


def test_variety_is_the_mean_difference_of_a_value_within_a_class_and_between_classes():
    rows = [[[0.0, 0.0], [1.0, 1.0]], [[2.0, 0.0], [3.0, 1.0]], [[4.0, 0.0], [5.0, 1.0]]]
    # z differ by 2, 2 and 4 in one of two values: 8/6; classes by 1 in both.
    assert_allclose(pictures.variety(rows), (8 / 6, 1.0))


def test_generated_grid_tells_the_variety_of_what_is_drawn_at_random_z(tmp_path, drawn):
    pictures.generated_grid(Fake(), tmp_path / "grid.png", "abc", seed=3, rows=4, index=7)
    z = extraction.sample(3, 0, 4, 3, 2, "onehot")[1].numpy()
    within, between = pictures.variety(pictures.class_images(Fake(), z[1:]))
    title = drawn[0].texts[-1].get_text()
    assert title.startswith("generator 7; ")
    assert f"{within:.2f} between two z of a class, {between:.2f} between two classes" in title


@pytest.mark.parametrize("channels", [1, 3])
def test_real_images_stand_on_the_left_of_generated_ones(channels, tmp_path, drawn):
    real, generated = random_images(2, 3, 2, 8, 8, channels)[:, :, :2]
    pictures.real_beside_generated(real, generated, tmp_path / "grid.png", "abc")
    row, column = place(tmp_path / "grid.png", enlarged(real, 8))
    again, right = place(tmp_path / "grid.png", enlarged(generated, 8))
    assert again == row
    assert right > column + enlarged(real, 8).shape[1]
    assert [text.get_text() for text in drawn[0].texts] == ["real", "generated", *"abc"]
    with pytest.raises(ValueError, match="Names must be 3"):
        pictures.real_beside_generated(real, generated, tmp_path / "grid.png", "ab")


def test_names_of_26_classes_are_drawn(tmp_path, drawn):
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    pictures.image_grid(random_images(1, 26, 8, 8, 1), tmp_path / "grid.png", None, names)
    assert [text.get_text() for text in drawn[0].texts[:26]] == list(names)


def test_same_input_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        pictures.generated_grid(Fake(), tmp_path / name, ["a", "b", "long name"], 0, rows=2)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert (tmp_path / "one").read_bytes()[1:4] == b"PNG"


def test_generated_grid_of_another_seed_is_another(tmp_path):
    pictures.generated_grid(Fake(), tmp_path / "one", "abc", 0, rows=2)
    pictures.generated_grid(Fake(), tmp_path / "other", "abc", 1, rows=2)
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()
