import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_generator, tiny_teacher

from kegnet_tf import cells, pipeline
from kegnet_tf.configs import base
from kegnet_tf.workdir import read_json, write_json

KEY = ("student", "kegnet", 0)


def data(size=9):
    x = np.random.default_rng(size).normal(size=(size, 8, 8, 1)).astype(np.float32)
    return x, np.arange(size) % 3


def tiny(**overrides):
    config = base.get_config("quick,paper")
    config.students.student = {"ranks": {"conv": (1, 2)}}
    config.update_from_flattened_dict(overrides)
    return config


@pytest.fixture
def job(tmp_path):
    """A job of 8x8 grey images, with test data and no validation split."""
    tiny_teacher().save(tmp_path / "teacher.keras")
    x, y = data()
    np.savez(tmp_path / "test.npz", x=x, y=y)
    paths = {name: str(tmp_path / f"{name}") for name in ("teacher.keras", "test.npz")}
    return cells.Job("mnist", tmp_path / "mnist", tiny(), False, *paths.values())


@pytest.fixture
def stub(job, monkeypatch):
    """Stands for the training of a cell: a list of the configurations that it was called with."""
    asked = []

    def train_student(config, folder, model, start, key, *_, callbacks):
        path = folder / "students" / f"{'-'.join(map(str, key))}.keras"
        assert not path.exists()
        asked.append(config)
        row = dict(zip(("name", "arm", "seed"), key, strict=True), seconds=1.0)
        write_json(path.with_suffix(".json"), row)
        tiny_teacher().save(path)
        (curves,) = callbacks
        curves.test, curves.agreement = [0.1, 0.3, 0.2], [0.5, 0.5]
        return tiny_teacher(), row

    monkeypatch.setattr(cells.stages, "train_student", train_student)
    monkeypatch.setattr(cells, "_bench", lambda job: (tiny_teacher(), {}, None, data(), None))
    return asked


def test_cell_is_one_student_and_one_json_with_three_figures(job, stub):
    row = cells.cell(job, KEY)
    path = job.folder / "students" / "student-kegnet-0.json"
    assert read_json(path) == row
    assert (row["last"], row["agreement"], row["oracle"]) == (0.2, 0.3, None)
    assert row["curves"] == {"test": [0.1, 0.3, 0.2], "valid": [], "agreement": [0.5, 0.5]}
    assert (row["dataset"], row["compression_ratio"]) == ("mnist", 1.0)
    (finished,) = cells.finished(job.folder)
    assert finished == {key: value for key, value in row.items() if key != "curves"}


def test_real_arm_learns_the_teachers_answers_to_the_training_images(job, stub, monkeypatch):
    x, _ = data(12)

    class Dataset:
        def load(self, split, download):
            assert split == "train"
            return data(12)

    monkeypatch.setattr(cells.pipeline, "real_dataset", lambda *_: Dataset())
    teacher = tiny_teacher()
    shown, p = next(cells._real_stream(job, teacher, 0).unbatch().batch(12).as_numpy_iterator())
    assert_array_equal(*(np.sort(each.ravel()) for each in (shown, x)))
    assert_allclose(p, tf.nn.softmax(teacher(shown)), atol=1e-6)


def test_complete_cell_is_skipped_and_one_without_measures_is_made_again(job, stub):
    row = cells.cell(job, KEY)
    assert cells.cell(job, KEY) == row
    assert len(stub) == 1
    path = job.folder / "students" / "student-kegnet-0.json"
    write_json(path, {"name": "student"})  # ended before it was measured
    assert cells.finished(job.folder) == []
    assert cells.cell(job, KEY) == row
    path.with_suffix(".keras").unlink()
    assert cells.finished(job.folder) == []
    assert cells.cell(job, KEY) == row
    assert len(stub) == 3


def test_authors_budget_differs_from_arm_to_arm(job, stub):
    for arm in ("kegnet", "uniform"):
        cells.cell(dataclasses.replace(job, authors=True), ("student", arm, 0))
        cells.cell(job, ("student", arm, 1))
    assert [config.distillation.epochs for config in stub] == [400, 3, 1000, 3]
    assert job.config.distillation.epochs == 3


def test_identity_tells_data_and_settings_but_not_how_many_cells(job):
    identity, initial = cells.check(job)
    assert not job.folder.exists()
    more = tiny(arms=("tucker",), num_seeds=7)
    assert cells.check(dataclasses.replace(job, config=more))[0] == identity
    x, y = data()
    np.savez(job.eval_data, x=x, y=y[::-1])
    cells._real_splits.cache_clear()
    other, _ = cells.check(job)
    assert {key for key in identity if identity[key] != other[key]} == {"test"}
    cells.prepare(job, identity, initial)
    assert (job.folder / "initial" / "student.keras").exists()
    with pytest.raises(ValueError, match="`workdir` must be new .* where test is"):
        cells.prepare(job, other, initial)
    assert cells.check(job)[1] == {"student": None}  # stands already


def test_without_a_validation_split_there_is_none_and_never_the_test_data(job, monkeypatch):
    test, valid = cells.real_splits(job)
    np.testing.assert_array_equal(test[0], data()[0])
    assert valid is None
    config = tiny()
    config.data.update(name="mnist", image_shape=(8, 8, 1), label_names=("a", "b", "c"))
    monkeypatch.setattr(pipeline.images.ImageDataset, "is_prepared", lambda self: True)
    monkeypatch.setattr(
        pipeline.images.ImageDataset, "load", lambda self, split, _: {"valid": data(6)}[split]
    )
    config.data.update(mean=(0.0,), std=(1.0,))
    _, valid = cells.real_splits(dataclasses.replace(job, config=config))
    np.testing.assert_array_equal(valid[0], data(6)[0])


def test_job_without_test_data_is_refused(job):
    with pytest.raises(ValueError, match="`eval_data` must be given .* of 'mnist' .*: ''"):
        cells.check(dataclasses.replace(job, eval_data=""))


@pytest.mark.parametrize(
    ("settings", "copied"),
    [({"num_generators": 1}, 1), ({"num_generators": 3}, 2), ({"extraction.alpha": 0.0}, 0)],
)
def test_generators_are_borrowed_where_they_would_come_out_the_same(
    job, settings, copied, monkeypatch
):
    cells.prepare(job, *cells.check(job))
    generator = tiny_generator()
    generator((np.eye(3)[:1], np.zeros((1, 2))))
    (job.folder / "generators").mkdir()
    for index in range(2):
        generator.save(job.folder / "generators" / f"{index}.keras")
        write_json(job.folder / "generators" / f"{index}.json", {})
    asked = []
    monkeypatch.setattr(
        cells.stages,
        "train_generators",
        lambda config, folder, _: asked.extend(sorted(folder.glob("generators/*.keras"))),
    )
    line = dataclasses.replace(
        job, config=tiny(**settings), folder=job.folder / "ablation", origin=job.folder
    )
    cells.extract(line)
    assert [path.name for path in asked] == [f"{index}.keras" for index in range(copied)]
    assert 0 <= read_json(line.folder / "teacher.json")["accuracy"] <= 1
    assert isinstance(line.folder, pathlib.Path)
