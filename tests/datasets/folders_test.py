import os

import keras
import numpy as np
import psutil
import pytest

from kegnet_tf import datasets

SHAPE = (8, 8, 3)


def pictures(folder, count=2, shape=SHAPE, start=0):
    """Saves grey PNG files; the pixels of the n-th are all `start` plus 10 times n."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        x = np.full(shape, start + 10 * index, np.uint8)
        keras.utils.save_img(folder / f"{index}.png", x, scale=False)


@pytest.fixture
def classes(tmp_path):
    """Folder of the classes "bee" and "ant", with three and two pictures."""
    pictures(tmp_path / "test" / "bee", 3, start=100)
    pictures(tmp_path / "test" / "ant", 2)
    return tmp_path / "test"


def load(path, num_classes=2, **arguments):
    return datasets.load_class_folders(path, SHAPE, num_classes, **arguments)


def test_label_is_the_place_of_the_class_folder_in_the_alphabet(classes):
    x, label = load(classes)
    assert datasets.class_names(classes) == ("ant", "bee")
    assert label.tolist() == [0, 0, 1, 1, 1]
    assert label.dtype == np.int64
    assert x.dtype == np.float32
    # Without a mean, pixels from 0 to 255.
    assert x[:, 3, 3, 0].tolist() == [0, 10, 100, 110, 120]


def test_folders_that_have_the_presets_names_are_told_apart_by_them(classes):
    x, label = load(classes, label_names=("bee", "ant"))
    assert sorted(zip(label.tolist(), x[:, 0, 0, 0].tolist(), strict=True)) == [
        *((0, 100), (0, 110), (0, 120)),
        *((1, 0), (1, 10)),
    ]
    assert load(classes, label_names=("wasp", "fly"))[1].tolist() == [0, 0, 1, 1, 1]


def test_folder_gives_the_same_numbers_as_a_file_of_the_same_pixels(tmp_path):
    rng, scale = np.random.default_rng(0), {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}
    x, y = rng.integers(0, 256, (4, *SHAPE)).astype(np.uint8), np.array([0, 0, 1, 1])
    for index, (each, label) in enumerate(zip(x, y, strict=True)):
        (tmp_path / "test" / f"c{label}").mkdir(parents=True, exist_ok=True)
        path = tmp_path / "test" / f"c{label}" / f"{index}.png"
        keras.utils.save_img(path, each, scale=False)
    np.savez(tmp_path / "test.npz", x=x, y=y)
    for given in ({}, scale):
        found = load(tmp_path / "test", **given)
        kept = datasets.load_arrays(tmp_path / "test.npz", SHAPE, 2, **given)
        np.testing.assert_array_equal(found[0], kept[0])
        np.testing.assert_array_equal(found[1], kept[1])


def test_pictures_are_cropped_around_the_middle_and_resized(tmp_path):
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = 200
    (tmp_path / "pictures").mkdir()
    keras.utils.save_img(tmp_path / "pictures" / "wide.png", wide, scale=False)
    x = datasets.load_pictures(tmp_path / "pictures", SHAPE)
    np.testing.assert_array_equal(x, np.full((1, *SHAPE), 200.0))


@pytest.mark.parametrize("ending", ["bmp", "gif", "jpeg", "jpg", "png", "PNG"])
def test_every_kind_of_picture_is_read_and_grey_ones_become_colours(tmp_path, ending):
    path = tmp_path / "pictures" / "below" / f"a.{ending}"
    path.parent.mkdir(parents=True)
    keras.utils.save_img(path, np.full(SHAPE, 64, np.uint8), scale=False)
    (path.parent / "notes.txt").write_text("no picture")
    np.testing.assert_allclose(
        datasets.load_pictures(tmp_path / "pictures", SHAPE), np.full((1, *SHAPE), 64.0), atol=2
    )


def test_input_of_one_channel_sees_grey(tmp_path):
    pictures(tmp_path / "pictures", 1, start=30)
    x = datasets.load_pictures(tmp_path / "pictures", (8, 8, 1))
    np.testing.assert_allclose(x, np.full((1, 8, 8, 1), 30.0), atol=1)


def test_hidden_folders_are_no_classes_and_files_beside_them_no_pictures(classes):
    (classes / ".cache").mkdir()
    (classes / "a.png").write_bytes(b"no picture")
    assert len(load(classes)[0]) == 5


def test_what_is_no_folder_of_the_classes_is_told_in_one_line(classes, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for path, count, message in (
        (tmp_path / "none", 2, "be a .npz file or a folder of pictures. Received: .*none, which"),
        (tmp_path / "file", 2, "be a .npz file or a folder of pictures. Received: .*file, which"),
        (tmp_path / "empty", 2, "hold 2 class folders. Received: 0 in .*empty"),
        (classes, 3, "hold 3 class folders. Received: 2 in .*test"),
    ):
        with pytest.raises(ValueError, match=f"^`eval_data` must {message}"):
            load(path, count)
    (classes / "cow").mkdir()
    with pytest.raises(ValueError, match=r"hold pictures \(.bmp.* of each class. .* none of 'cow'"):
        load(classes, 3)
    (classes / "cow").rename(classes / "c\now")
    with pytest.raises(ValueError, match="name each class on one line") as error:
        load(classes, 3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(3,), (8, 8, 2), (8, 8)])
def test_input_that_is_no_image_is_refused(classes, shape):
    for load_any in (
        lambda: datasets.load_class_folders(classes, shape, 2),
        lambda: datasets.load_pictures(classes, shape),
    ):
        with pytest.raises(ValueError, match="must be a .npz file where the input is no image of"):
            load_any()


def test_picture_that_cannot_be_read_is_named(classes):
    (classes / "bee" / "1.png").write_bytes(b"no picture")
    message = r"`eval_data` must hold pictures that can be read. Received: bee/1.png \(.+\) in .*t"
    with pytest.raises(ValueError, match=f"^{message}est.$") as error:
        load(classes)
    assert "\n" not in str(error.value)
    assert "{{" not in str(error.value)
    keras.utils.save_img(classes / "bee" / "1.gif", np.zeros(SHAPE, np.uint8))
    message = "bee/1.gif .channels must be 0 or 3 for GIF, got 1. in .*test"
    (classes / "bee" / "1.png").unlink()
    with pytest.raises(ValueError, match=message):
        datasets.load_class_folders(classes, (8, 8, 1), 2)


def test_pictures_that_memory_does_not_hold_are_refused_before_one_is_read(classes, monkeypatch):
    (classes / "bee" / "1.png").write_bytes(b"no picture")
    free = psutil.virtual_memory()._replace(available=7000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    # Five of 192 numbers, 8 bytes each.
    message = r"`eval_data` must fit in memory. Received: 7.68e\+03 bytes, where 7e\+03 are free"
    with pytest.raises(ValueError, match=message):
        load(classes)


def test_links_that_lead_out_are_refused_and_others_followed(classes, tmp_path):
    (classes / "bee" / "3.png").symlink_to(classes / "bee" / "0.png")
    (tmp_path / "link").symlink_to(classes)
    assert len(load(tmp_path / "link")[0]) == 6
    pictures(tmp_path / "elsewhere")
    (classes / "cow").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="no links that lead out of it. Received: cow/0.png in"):
        load(classes, 3)


@pytest.mark.parametrize("kind", ["pipe", "broken link"])
def test_picture_that_is_no_regular_file_is_refused_unopened(classes, kind):
    path = classes / "ant" / "9.png"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(classes / "none.png")
    with pytest.raises(ValueError, match="hold pictures that are regular files. .* ant/9.png in"):
        load(classes)


def test_numpys_generator_is_left_alone(classes, monkeypatch):
    monkeypatch.setattr(np.random, "randint", None)
    assert len(load(classes)[0]) == 5


def test_pictures_without_labels_may_lie_anywhere_below(classes, tmp_path):
    x = datasets.load_pictures(classes, SHAPE, (0.5,), (0.5,))
    np.testing.assert_allclose(x[0], np.full(SHAPE, -1.0))
    assert len(x) == 5
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"^`unlabeled` must hold pictures .* Received: none in "):
        datasets.load_pictures(tmp_path / "empty", SHAPE)
