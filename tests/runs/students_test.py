import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from smallest import tiny_config, tiny_generator, tiny_teacher

from kegnet_tf import runs
from kegnet_tf.runs import read_json, streams, students


@pytest.fixture
def run(tmp_path):
    """A run of `tiny_teacher` with one generator, not claimed."""
    run = runs.Run(tiny_config(), tmp_path, teacher=tiny_teacher())
    run.generators = [tiny_generator()]
    run.held_out = np.zeros((2, 8, 8, 1), np.float32), np.full((2, 3), 1 / 3, np.float32)
    return run


@pytest.mark.parametrize(
    ("arm", "size"), [("gaussian", 6), pytest.param("kegnet", 12, marks=pytest.mark.slow)]
)
def test_fixed_set_has_its_size_for_each_generator_and_once_for_noise(run, arm, size):
    run.config.synthetic_size = 6
    run.generators = [tiny_generator(1), tiny_generator(2)]
    (x, _), (y, _) = streams.stream(run, arm, 0).unbatch().batch(size).take(2)
    one, other = (np.unique(np.round(each, 5), axis=0) for each in (x, y))
    assert len(one) == size  # as many different ones, and then the same again
    np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_student_that_learns_tells_what_it_was_trained_with(run):
    _, result = run.train_student("student", "gaussian", 0)
    assert (result.selection, result.loss, result.batch_norm) == ("better", "logits", "inference")
    assert result.seconds > 0
    again = runs.Run(run.config, run.workdir, teacher=tiny_teacher())
    again.generators = run.generators
    assert again.train_student("student", "gaussian", 0)[1] == result
    kept = read_json(run.student_path(result).with_suffix(".json"))
    assert kept["batch_norm"] == "inference"


def test_finished_student_leaves_no_backup_of_any_settings(run):
    folder, digest = run.paths["students"], "0123456789abcdef"
    folder.mkdir()
    backups = [
        folder / f"{stem}.{digest}.backup{rest}.npz"
        for stem in ("student-tucker-0", "student-tucker-1", "student2-tucker-0")
        for rest in ("", ".pilots", ".pilots-logits-training-off")
    ]
    for path in backups:
        path.touch()
    run.train_student("student", "tucker", 0)
    assert {*folder.glob("*.backup*")} == {*backups[3:]}


def test_decomposed_student_stays_as_it_starts(run):
    student, result = run.train_student("student", "tucker", 0)
    for kept, start in zip(
        student.get_weights(), run.initial["student"].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(kept, start)
    assert (result.selection, result.seconds, result.loss) == (None, None, None)


@pytest.mark.slow
def test_given_stream_and_settings_take_the_place_of_the_arms_own(run):
    x, p = np.zeros((8, 8, 8, 1), np.float32), np.full((8, 3), 1 / 3, np.float32)
    data = tf.data.Dataset.from_tensors((x, p)).repeat()
    settings = run.distillation_settings
    settings = dataclasses.replace(settings, selection="agreement", loss="cross_entropy")
    _, result = run.train_student("student", "real", 0, data=data, settings=settings)
    assert (result.selection, result.loss) == ("agreement", "cross_entropy")


def test_students_come_by_name_arm_and_seed_and_arms_that_do_not_learn_once(run):
    run.config.update(arms=("tucker", "kegnet"), num_seeds=2)
    assert students.keys(run) == [
        ("student", "tucker", 0),
        ("student", "kegnet", 0),
        ("student", "kegnet", 1),
    ]
