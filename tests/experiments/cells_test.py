import dataclasses
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_config, tiny_teacher

from kegnet_tf import distillation, runs
from kegnet_tf.experiments import cells
from kegnet_tf.runs import DataOptions, generators, read_json

KEY = ("student", "kegnet", 0)


def data(size=9):
    x = np.random.default_rng(size).normal(size=(size, 8, 8, 1)).astype(np.float32)
    return x, np.arange(size) % 3


@pytest.fixture(scope="module")
def teacher():
    return tiny_teacher()


def tiny(**overrides):
    config = tiny_config(mode="quick,paper", **overrides)
    config.students.student = {"ranks": {"conv": (1, 2)}}
    return config


@pytest.fixture
def opened(tmp_path, teacher):
    """Makes runs of 8x8 grey images, with test data and no validation split."""
    x, y = data()
    np.savez(tmp_path / "test.npz", x=x, y=y)
    options = DataOptions(str(tmp_path / "test.npz"))

    def opened(config, folder, data=options):
        return runs.Run(config, tmp_path / folder, teacher=teacher, data=data)

    return opened


@pytest.fixture
def job(opened):
    return cells.Job("mnist", opened(tiny(), "mnist"), arms=("tucker", "kegnet"))


@dataclasses.dataclass(eq=False)
class StubRun:
    """Stands for a run that trains; `asked` is what its students were to be trained with."""

    workdir: pathlib.Path
    teacher: object
    real: types.SimpleNamespace
    config: object = dataclasses.field(default_factory=tiny)
    asked: list = dataclasses.field(default_factory=list)

    teacher_digest = "abc"

    def kept_student(self, name, arm, seed, settings=None):
        return runs.records.read(self.workdir / "students" / f"{name}-{arm}-{seed}.json")

    def train_student(self, name, arm, seed, *, callbacks, data, settings):
        path = self.workdir / "students" / f"{name}-{arm}-{seed}.keras"
        assert not path.exists()
        self.asked.append(types.SimpleNamespace(data=data, settings=settings))
        known = {"name": name, "arm": arm, "seed": seed}
        write = {path.name: pathlib.Path.touch}
        runs.records.write(path.with_suffix(".json"), known, {}, write)
        (curves,) = callbacks
        curves.test, curves.agreement = [0.1, 0.3, 0.2], [0.5, 0.5]
        result = distillation.StudentResult(
            name=name, arm=arm, seed=seed, seconds=1.0, loss="logits", batch_norm="inference"
        )
        return self.teacher, result


@pytest.fixture
def stub(tmp_path, teacher):
    """A job whose run trains nothing."""

    def training_stream(model, batch_size, seed):
        return "real data", model, batch_size, seed

    real = types.SimpleNamespace(test=data(), valid=None, training_stream=training_stream)
    return cells.Job("mnist", StubRun(tmp_path / "mnist", teacher, real))


def test_cell_is_one_student_and_one_json_with_three_figures(stub):
    row = cells.cell(stub, KEY)
    assert runs.records.read(stub.run.workdir / "students" / "student-kegnet-0.json") == row
    kept = distillation.accuracy(stub.run.teacher.predict_on_batch, *data())  # not the last 0.2
    assert (row["last"], row["agreement"], row["oracle"]) == (kept, 0.3, None)
    assert row["curves"] == {"test": [0.1, 0.3, 0.2], "valid": [], "agreement": [0.5, 0.5]}
    assert (row["dataset"], row["compression_ratio"]) == ("mnist", 1.0)
    assert (row["seconds"], row["loss"], row["batch_norm"]) == (1.0, "logits", "inference")
    (finished,) = cells.finished(stub.run.workdir)
    assert finished == {key: value for key, value in row.items() if key != "curves"}


def test_complete_cell_is_skipped_and_one_without_measures_is_made_again(stub):
    row = cells.cell(stub, KEY)
    assert cells.cell(stub, KEY) == row
    assert len(stub.run.asked) == 1
    path = stub.run.workdir / "students" / "student-kegnet-0.json"
    known = {"name": "student"}  # ended before it was measured
    runs.records.write(path, known, {}, {"student-kegnet-0.keras": pathlib.Path.touch})
    assert cells.finished(stub.run.workdir) == []
    assert cells.cell(stub, KEY) == row
    path.with_suffix(".keras").unlink()
    assert cells.finished(stub.run.workdir) == []
    assert cells.cell(stub, KEY) == row
    assert len(stub.run.asked) == 3


def test_authors_budget_differs_from_arm_to_arm(stub):
    for arm in ("kegnet", "uniform"):
        cells.cell(dataclasses.replace(stub, authors=True), ("student", arm, 0))
        cells.cell(stub, ("student", arm, 1))
    settings = [asked.settings for asked in stub.run.asked]
    assert [own and own.epochs for own in settings] == [400, None, 1000, None]
    assert settings[0].loss == stub.run.config.distillation.loss


def test_real_arm_alone_learns_from_real_data(stub):
    for arm in ("kegnet", "real"):
        cells.cell(stub, ("student", arm, 2))
    assert stub.run.asked[0].data is None
    batch_size = stub.run.config.batch_size
    assert stub.run.asked[1].data == ("real data", stub.run.teacher, batch_size, 2)


class Dataset:
    """Real data of another size in each split."""

    input_shape, label_names = (8, 8, 1), ("a", "b", "c")

    def is_prepared(self):
        return True

    def load(self, split, download):
        return data({"train": 12, "valid": 6, "test": 9}[split])


@pytest.mark.slow
def test_real_stream_has_the_teachers_answers_to_the_training_images(job, teacher):
    job.run.real.dataset = Dataset()
    stream = job.run.real.training_stream(teacher, batch_size=12, seed=0)
    shown, p = next(stream.as_numpy_iterator())
    assert_array_equal(*(np.sort(each.ravel()) for each in (shown, data(12)[0])))
    assert_allclose(p, tf.nn.softmax(teacher(shown)), atol=1e-6)


def test_without_a_validation_split_there_is_none_and_never_the_test_data(job, opened):
    assert_array_equal(job.real.test[0], data()[0])
    assert job.real.valid is None
    named = cells.Job("mnist", opened(tiny(**{"data.name": "made-up"}), "named"))
    named.run.real.dataset = Dataset()
    assert_array_equal(named.real.test[0], data()[0])
    assert_array_equal(named.real.valid[0], data(6)[0])


def test_folder_is_that_of_its_data_and_settings_but_not_of_how_many_cells(job, opened, tmp_path):
    cells.check(job)
    assert not job.run.workdir.exists()
    assert cells.prepare(job) == [("student", "tucker"), ("student", "kegnet")]
    assert (job.run.workdir / "initial" / "student.keras").exists()
    more = dataclasses.replace(job, run=opened(tiny(arms=("tucker",), num_seeds=7), "mnist"))
    cells.check(more)
    assert cells.prepare(more) == cells.prepare(job)
    with pytest.raises(ValueError, match="`workdir` must be new .* where authors is"):
        cells.check(dataclasses.replace(job, authors=True))
    x, y = data()
    np.savez(tmp_path / "other.npz", x=x, y=y[::-1])
    other = opened(tiny(), "mnist", DataOptions(str(tmp_path / "other.npz")))
    with pytest.raises(ValueError, match="`workdir` must be new .* where test is"):
        cells.check(dataclasses.replace(job, run=other))


def test_job_without_test_data_is_refused(opened):
    job = cells.Job("mnist", opened(tiny(), "mnist", DataOptions()))
    with pytest.raises(ValueError, match="`eval_data` must be given .* of 'mnist' .*: ''"):
        cells.check(job)


@pytest.mark.parametrize(
    ("settings", "copied"),
    [({"num_generators": 1}, 1), ({"num_generators": 3}, 2), ({"extraction.alpha": 0.0}, 0)],
)
def test_generators_are_borrowed_where_they_would_come_out_the_same(
    job, opened, settings, copied, teacher
):
    folder, made = job.run.workdir / "generators", generators.made_of(job.run)
    for index in range(2):
        write = {f"{index}.keras": pathlib.Path.touch, f"{index}.csv": pathlib.Path.touch}
        runs.records.write(folder / f"{index}.json", {"seed": index}, made, write)
    run = opened(tiny(**settings), "line")
    found = []

    class Line(StubRun):
        @property
        def generators(self):
            found.extend(sorted(path.name for path in self.workdir.glob("generators/*.keras")))
            return found

    line = Line(run.workdir, teacher, None, run.config)
    line.teacher_digest, line.devices = run.teacher_digest, run.devices
    cells.extract(cells.Job("mnist", line, origin=job.run))
    assert found == [f"{index}.keras" for index in range(copied)]
    for index in range(copied):
        kept = run.workdir / "generators" / f"{index}.json"
        assert runs.records.read(kept, generators.made_of(run)) == {"seed": index}
    assert 0 <= read_json(line.workdir / "teacher.json")["accuracy"] <= 1
