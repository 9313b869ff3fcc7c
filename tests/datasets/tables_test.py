import pathlib
import pickle
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from numpy.testing import assert_array_equal

from kegnet_tf.configs import letter, pendigits, shuttle
from kegnet_tf.datasets import lzw
from kegnet_tf.datasets.letter import letter_dataset_builder
from kegnet_tf.datasets.pendigits import pendigits_dataset_builder
from kegnet_tf.datasets.shuttle import shuttle_dataset_builder
from kegnet_tf.datasets.tables import TableDataset

PRESETS = {"letter": letter, "pendigits": pendigits, "shuttle": shuttle}
BUILDERS = {
    "letter": letter_dataset_builder.Builder,
    "pendigits": pendigits_dataset_builder.Builder,
    "shuttle": shuttle_dataset_builder.Builder,
}


def of_preset(name, **kwargs):
    return TableDataset(**{**PRESETS[name].get_config().data, **kwargs})


def raw_files(name):
    """Folder of made-up raw files, five rows in all."""
    return pathlib.Path(BUILDERS[name].code_path).parent / "dummy_data"


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A TFDS_DATA_DIR that holds nothing."""
    folder = tmp_path / "tfds"
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
    return folder


@pytest.fixture
def few(monkeypatch):
    """Builders that expect the rows of the made-up raw files."""
    for builder in BUILDERS.values():
        monkeypatch.setattr(builder, "SIZES", {"train": 3, "test": 2})


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory):
    """The three data sets, built from the archive's files: {name: {split: (x, label)}}."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path_factory.mktemp("tfds")))
        tables = {name: of_preset(name, source_dir=str(shared / "uci")) for name in PRESETS}
        return {
            name: {split: table.load(split) for split in ("train", "valid", "test")}
            for name, table in tables.items()
        }


@pytest.fixture(scope="module")
def read(shared, tmp_path_factory):
    """What the builders read of the archive's files, as `real`, without TFDS's own files."""
    read = {}
    for name in PRESETS:
        folder = tmp_path_factory.mktemp("none")
        builder = tfds.builder(name, data_dir=folder, source_dir=str(shared / "uci"))
        index = builder.info.features["label"].str2int
        read[name] = {}
        for split, examples in builder._split_generators(None).items():
            rows = [(row["features"], index(row["label"])) for _, row in examples]
            read[name][split] = tuple(map(np.array, zip(*rows, strict=True)))
    return read


@pytest.mark.usefixtures("empty", "few")
@pytest.mark.parametrize("name", PRESETS)
def test_data_set_is_built_from_a_folder_without_leave_to_download(name):
    data = of_preset(name, splits={"all": "train+test"}, source_dir=str(raw_files(name)))
    assert not data.is_prepared()
    x, label = data.load("all")
    assert data.is_prepared()
    assert x.shape == (5, *data.input_shape)
    assert x.dtype == np.float32
    assert label.shape == (5,)
    assert label.dtype == np.int64


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", PRESETS)
def test_data_set_is_the_same_from_a_folder_and_from_the_network(name, tmp_path, monkeypatch):
    def download(manager, urls):
        return {split: raw_files(name) / url.rpartition("/")[2] for split, url in urls.items()}

    monkeypatch.setattr(tfds.download.DownloadManager, "download", download)
    bytes_of = []
    for source_dir in ("", str(raw_files(name))):
        folder = tmp_path / f"from{bool(source_dir)}"
        builder = tfds.builder(name, data_dir=folder, source_dir=source_dir)
        builder.download_and_prepare()
        records = sorted(builder.data_path.glob("*.tfrecord*"))
        bytes_of.append([(path.name, path.read_bytes()) for path in records])
    assert len(bytes_of[0]) == 2
    assert bytes_of[0] == bytes_of[1]


@pytest.mark.slow
@pytest.mark.usefixtures("empty", "few")
def test_rows_come_raw_with_their_labels_and_shuttle_without_its_time():
    rows = {}
    for name in PRESETS:
        data = of_preset(name, source_dir=str(raw_files(name)))
        for split in ("train[:2]", "train[2:]", "test"):
            part = TableDataset(**{**vars(data), "splits": {"part": split}})
            rows |= {(name, *x): label for x, label in zip(*part.load("part"), strict=True)}
    assert len(rows) == 15
    assert rows["shuttle", 1, 2, 3, 4, 5, 6, 7, 8] == 0  # 50 1 2 3 4 5 6 7 8 1
    assert rows["shuttle", -26739, 15164, 0, 0, 0, 0, 0, 0] == 6
    assert rows["pendigits", *[100] * 16] == 9
    assert rows["letter", *[15] * 16] == 25


@pytest.mark.usefixtures("empty", "few")
def test_shuttle_is_read_where_its_training_file_is_expanded_already(tmp_path):
    folder = tmp_path / "raw"
    shutil.copytree(raw_files("shuttle"), folder)
    (folder / "shuttle.trn.Z").unlink()
    (folder / "shuttle.trn").write_text("".join(f"1 2 3 4 5 6 7 8 9 {i}\n" for i in (1, 2, 6)))
    _, label = of_preset("shuttle", splits={"train": "train"}, source_dir=str(folder)).load("train")
    assert sorted(label) == [0, 1, 5]


@pytest.mark.parametrize("name", PRESETS)
def test_preset_and_builder_agree_on_sizes_and_names(name, tmp_path):
    data = of_preset(name)
    features = tfds.builder(name, data_dir=tmp_path).info.features
    assert features["features"].shape == data.input_shape
    assert tuple(features["label"].names) == data.label_names
    assert sorted(data.splits) == ["test", "train", "valid"]


@pytest.mark.parametrize("name", PRESETS)
def test_builder_names_licence_citation_and_source(name, tmp_path):
    info = tfds.builder(name, data_dir=tmp_path).info
    assert info.redistribution_info.license == "CC BY 4.0"
    assert "CC BY 4.0" in info.description
    assert "10.24432/" in info.citation
    assert info.homepage.startswith("https://archive.ics.uci.edu/dataset/")
    assert info.supervised_keys == ("features", "label")


def test_only_the_url_whose_bytes_were_not_at_hand_lacks_a_checksum(monkeypatch, tmp_path):
    asked = []

    def download(manager, urls):
        asked.extend(urls.values())
        raise InterruptedError

    monkeypatch.setattr(tfds.download.DownloadManager, "download", download)
    for name, builder in BUILDERS.items():
        with pytest.raises(InterruptedError):
            tfds.builder(name, data_dir=tmp_path).download_and_prepare()
        recorded = builder.url_infos
        assert {url.rpartition("/")[2] for url in recorded} == {
            info.filename for info in recorded.values()
        }
    recorded = {url for builder in BUILDERS.values() for url in builder.url_infos}
    assert [url.rpartition("/")[2] for url in asked if url not in recorded] == ["shuttle.trn.Z"]
    assert recorded <= {*asked}


def test_builder_survives_pickling_with_its_folder(tmp_path):
    builder = tfds.builder("letter", data_dir=tmp_path, source_dir="raw")
    assert pickle.loads(pickle.dumps(builder)).source_dir == "raw"


def test_table_of_tfds_s_own_is_read_as_well():
    data = tf.data.Dataset.from_tensor_slices(
        {"features": np.float32([[5, 3, 1, 0], [6, 2, 4, 1]]), "label": [0, 2]}
    )
    iris = TableDataset("iris", 4, ("a", "b", "c"), {"train": "train"})
    with tfds.testing.mock_data(as_dataset_fn=lambda self, *args, **kwargs: data):
        x, label = iris.load("train", download=True)
    assert_array_equal(x, [[5, 3, 1, 0], [6, 2, 4, 1]])
    assert_array_equal(label, [0, 2])


def test_unknown_split_is_refused():
    message = r"`split` must be one of \['test', 'train', 'valid'\]. Received: 'all'."
    with pytest.raises(ValueError, match=message):
        of_preset("letter").load("all")


@pytest.mark.usefixtures("empty")
def test_absent_data_are_refused_unless_they_may_be_fetched_or_built():
    assert not of_preset("letter").is_prepared()
    message = "`TFDS_DATA_DIR` must hold 'letter', or .* `source_dir` .* Received: nothing found."
    with pytest.raises(ValueError, match=message):
        of_preset("letter").load("test")


@pytest.mark.parametrize("name", PRESETS)
def test_folder_without_the_raw_files_is_refused_and_nothing_is_fetched(name, empty, tmp_path):
    with pytest.raises(ValueError, match=f"`source_dir` must hold .*. Received: {tmp_path}."):
        of_preset(name, source_dir=str(tmp_path)).load("test")
    assert not of_preset(name).is_prepared()


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", PRESETS)
def test_truncated_raw_file_is_refused_and_leaves_no_data_set(name, empty, tmp_path):
    folder = tmp_path / "raw"
    shutil.copytree(raw_files(name), folder)
    path = next(path for path in folder.iterdir() if path.suffix != ".Z")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=f"`{path.name}` must .* Received: "):
        of_preset(name, source_dir=str(folder)).load("test")
    assert not of_preset(name).is_prepared()
    assert not list(empty.glob(f"{name}/*"))


@pytest.mark.slow
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", PRESETS)
def test_folder_of_other_raw_files_than_the_prepared_ones_is_refused(name, empty, tmp_path):
    # TFDS takes what is prepared, and looks at no folder.
    kept = of_preset(name, source_dir=str(raw_files(name)))
    before, _ = kept.load("test")
    folder = tmp_path / "raw"
    shutil.copytree(raw_files(name), folder)
    assert_array_equal(of_preset(name, source_dir=str(folder)).load("test")[0], before)
    path = next(path for path in folder.iterdir() if path.suffix != ".Z")
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    message = f"`source_dir` must hold the raw files that {empty}/{name}/.* was made of; .*"
    with pytest.raises(ValueError, match=f"{message}Received: another .* in {folder}.") as error:
        of_preset(name, source_dir=str(folder)).load("test")
    assert "\n" not in str(error.value)
    assert_array_equal(of_preset(name).load("test")[0], before)
    assert_array_equal(kept.load("test")[0], before)


@pytest.mark.usefixtures("few")
def test_folder_beside_data_that_do_not_say_what_they_are_of_is_refused(empty):
    data = of_preset("letter", source_dir=str(raw_files("letter")))
    data.load("test")
    (recorded,) = empty.glob("letter/*/metadata.json")
    recorded.unlink()  # as versions before left it
    with pytest.raises(ValueError, match="`source_dir` must hold the raw files that .*/letter/"):
        data.load("test")
    assert len(of_preset("letter").load("test")[0]) == 2


@pytest.mark.usefixtures("empty", "few")
def test_expanded_raw_file_is_the_same_as_the_compressed_one(tmp_path):
    of_preset("shuttle", source_dir=str(raw_files("shuttle"))).load("test")
    folder = tmp_path / "raw"
    shutil.copytree(raw_files("shuttle"), folder)
    compressed = folder / "shuttle.trn.Z"
    (folder / "shuttle.trn").write_bytes(lzw.expand(compressed.read_bytes()))
    compressed.unlink()
    assert len(of_preset("shuttle", source_dir=str(folder)).load("test")[0]) == 2


TABLE_1 = [
    ("letter", 16, 26, (14000, 2000, 4000)),
    ("pendigits", 16, 10, (6557, 937, 3498)),
    ("shuttle", 8, 7, (38062, 5438, 14500)),
]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("name", "features", "classes", "sizes"), TABLE_1)
def test_files_have_the_rows_and_classes_of_table_1_and_no_nan(
    read, name, features, classes, sizes
):
    train, valid, test = sizes
    for split, size in (("train", train + valid), ("test", test)):
        x, label = read[name][split]
        assert x.shape == (size, features)
        assert label.shape == (size,)
        assert np.isfinite(x).all()
        assert {*label} == {*range(classes)}


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("name", "features", "classes", "sizes"), TABLE_1)
def test_data_of_table_1_have_its_rows_and_classes_and_no_nan(real, name, features, classes, sizes):
    for (split, (x, label)), size in zip(real[name].items(), sizes, strict=True):
        assert x.shape == (size, features)
        assert label.shape == (size,)
        assert np.isfinite(x).all()
        if split != "valid":  # Shuttle has a class of six rows
            assert {*label} == {*range(classes)}


@pytest.mark.data
def test_shuttle_has_as_many_rows_of_each_class_as_its_files(read):
    train, test = (np.bincount(label) for _, label in read["shuttle"].values())
    # By cut, sort and uniq on the raw files.
    assert train.tolist() == [34108, 37, 132, 6748, 2458, 6, 11]
    assert test.tolist() == [11478, 13, 39, 2155, 809, 4, 2]


def archive_rows(shared):
    """{name: (train, test)} of the archive's files: lists of rows, label and features."""
    letters = (shared / "uci" / "letter-recognition.data").read_text().split()
    letters = [[ord(row[0]) - ord("A"), *map(float, row[2:].split(","))] for row in letters]
    raw = {"letter": (letters[:16000], letters[16000:])}
    for name, files, start in (
        ("pendigits", ("pendigits.tra", "pendigits.tes"), 0),
        ("shuttle", ("shuttle.trn", "shuttle.tst"), 1),
    ):
        lines = ((shared / "uci" / file).read_text().replace(",", " ") for file in files)
        rows = ([[*map(float, line.split())] for line in text.splitlines()] for text in lines)
        raw[name] = tuple([[row[-1] - start, *row[start:-1]] for row in part] for part in rows)
    return raw


@pytest.mark.slow
@pytest.mark.data
def test_builders_read_the_rows_of_the_archive_s_files(read, shared):
    for name, parts in archive_rows(shared).items():
        for (x, label), rows in zip(read[name].values(), parts, strict=True):
            assert_array_equal(np.column_stack([label, x]), rows)


def rows_of(*splits):
    """[rows, label and features], sorted."""
    return sorted([label, *row] for x, y in splits for row, label in zip(x, y, strict=True))


@pytest.mark.slow
@pytest.mark.data
def test_splits_hold_the_rows_of_the_archive_s_files(real, shared):
    for name, (train, test) in archive_rows(shared).items():
        assert rows_of(real[name]["train"], real[name]["valid"]) == sorted(train)
        assert rows_of(real[name]["test"]) == sorted(test)


@pytest.mark.data
def test_recorded_checksums_are_those_of_the_files(shared):
    for builder in BUILDERS.values():
        for recorded in builder.url_infos.values():
            path = shared / "uci" / recorded.filename
            assert tfds.core.download.checksums.compute_url_info(path) == recorded
