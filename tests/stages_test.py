import json

import keras
import numpy as np
import pytest
from smallest import tiny_teacher

from kegnet_tf import gallery, stages
from kegnet_tf.configs import base


def tiny(**overrides):
    config = base.get_config("quick")
    config.update_from_flattened_dict(
        {
            "generator.units": (8,),
            "generator.filters": (4, 2),
            "decoder.units": 8,
            "extraction.batch_size": 8,
            "extraction.epochs": 2,
            "extraction.steps_per_epoch": 2,
            **overrides,
        }
    )
    return config


def saying(accuracies, monkeypatch):
    """Makes the teacher recognise the generators as told, one after another."""
    told = iter(accuracies)
    monkeypatch.setattr(
        stages.evaluation, "recognition", lambda *_: (next(told), np.array([0.5, 0.25, 0.25]))
    )


def test_generator_that_the_teacher_does_not_recognise_is_reported_and_left_out(
    tmp_path, monkeypatch, capsys
):
    saying([0.66, 0.67], monkeypatch)  # twice chance is 2 / 3
    used, rows = stages.train_generators(tiny(), tmp_path, tiny_teacher())
    assert len(used) == 1
    assert [row["accuracy"] for row in rows] == [0.66, 0.67]
    assert "Generator 1 is left out: the teacher sees the class asked for in 66.0%" in (
        capsys.readouterr().out
    )
    z = np.zeros((1, 10), np.float32)
    other = stages.train_generators(tiny(keep_unrecognised=True), tmp_path, tiny_teacher())[0][1]
    y = np.eye(3, dtype=np.float32)[:1]
    np.testing.assert_array_equal(used[0]((y, z)), other((y, z)))  # it is the second


def test_run_whose_generators_are_all_unrecognised_ends_in_one_error(tmp_path, monkeypatch):
    saying([0.1, 0.2], monkeypatch)
    with pytest.raises(ValueError, match=r"at least one generator.*accuracies \[0.1, 0.2\]"):
        stages.train_generators(tiny(), tmp_path, tiny_teacher())
    assert (tmp_path / "generators" / "1.keras").exists()


def test_generator_that_explodes_is_stopped_and_reported_with_its_last_sound_state(
    tmp_path, capsys
):
    config = tiny(keep_unrecognised=True, num_generators=1)
    config.extraction.learning_rate = 1e38
    (generator,), (row,) = stages.train_generators(config, tmp_path, tiny_teacher())
    assert row["stopped"]
    assert row["steps"] < 4
    assert all(np.isfinite(values).all() for values in generator.get_weights())
    assert "Generator 1 was stopped: its losses or weights were not finite" in (
        capsys.readouterr().out
    )
    assert json.loads((tmp_path / "generators" / "0.json").read_text()) == row


def test_generators_of_vectors_are_trained_together_and_go_on_where_they_were_ended(
    tmp_path, capfd
):
    config = tiny(keep_unrecognised=True)
    config.dense_generator.units = (4,)
    teacher = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    whole, rows = stages.train_generators(config, tmp_path / "whole", teacher)
    assert "Generator 1 to 2 of 2" in capfd.readouterr().out
    assert [row["steps"] for row in rows] == [4, 4]
    assert not list((tmp_path / "whole").glob("**/*.weights.h5"))

    # Ended after the first epoch, and once more after the first of two files.
    class EndedSecond(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                raise KeyboardInterrupt

    folder = tmp_path / "ended"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages.monitoring, "tensorboard", lambda log_dir: EndedSecond())
        with pytest.raises(KeyboardInterrupt):
            stages.train_generators(config, folder, teacher)
    with pytest.MonkeyPatch.context() as patch:
        saying([0.5], patch)
        with pytest.raises(StopIteration):
            stages.train_generators(config, folder, teacher)
    assert (folder / "generators" / "0.keras").exists()
    resumed, again = stages.train_generators(config, folder, teacher)
    assert [row["classifier_loss"] for row in again] == [row["classifier_loss"] for row in rows]
    for first, second in zip(whole, resumed, strict=True):
        for before, after in zip(first.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_twice_chance_is_asked_of_many_classes_and_three_quarters_of_two():
    assert stages.least_recognition(10) == 0.2
    assert stages.least_recognition(3) == pytest.approx(2 / 3)
    assert stages.least_recognition(2) == 0.75


@pytest.mark.parametrize(("arm", "size"), [("kegnet", 12), ("gaussian", 6)])
def test_fixed_set_has_its_size_for_each_generator_and_once_for_noise(
    arm, size, tmp_path, monkeypatch
):
    asked = []

    def stream(*args, **kwargs):
        asked.append(kwargs["size"])
        raise KeyboardInterrupt

    monkeypatch.setattr(stages.synthesis, "stream", stream)
    key, artificial = ("student", arm, 0), {"generators": [None, None]}
    given = tiny_teacher(), tiny_teacher(), key, None, artificial
    with pytest.raises(KeyboardInterrupt):
        stages.train_student(tiny(synthetic_size=6), tmp_path, *given)
    assert asked == [size]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = tiny(keep_unrecognised=True)
    stages.train_generators(config, folder, tiny_teacher())
    # Of the last class there are two, fewer than there is room for.
    test = np.random.default_rng(0).normal(size=(22, 8, 8, 1)), np.arange(22) // 10
    gallery.draw(config, folder, tiny_teacher(), test)
    return folder


def test_run_draws_every_picture_where_real_data_are_at_hand(drawn):
    names = {"losses", "class_balance", "classes", "averages", "walks", "real"}
    names |= {"generator-0", "generator-1"}
    assert {path.stem for path in (drawn / "figures").iterdir()} == names
    assert all(path.read_bytes()[1:4] == b"PNG" for path in (drawn / "figures").iterdir())


def test_pictures_that_stand_are_left_alone_and_missing_ones_drawn_alike(drawn):
    before = {path: path.read_bytes() for path in (drawn / "figures").iterdir()}
    (drawn / "figures" / "walks.png").unlink()
    (drawn / "figures" / "losses.png").write_bytes(b"kept")
    gallery.draw(tiny(keep_unrecognised=True), drawn, tiny_teacher(), None)
    assert (drawn / "figures" / "losses.png").read_bytes() == b"kept"
    assert (drawn / "figures" / "walks.png").read_bytes() == before[drawn / "figures/walks.png"]
