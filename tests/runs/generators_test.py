import dataclasses

import keras
import numpy as np
import pytest
from smallest import tiny_config, tiny_generator, tiny_teacher

from kegnet_tf import extraction, runs
from kegnet_tf.runs import generators, read_json, samples


def tiny_run(folder, teacher=None, seen=None, **overrides):
    """A run of `tiny_teacher`, or of another; `seen`: how the teacher recognises each generator."""
    config = tiny_config(**overrides)
    run = runs.Run(config, folder, teacher=teacher or tiny_teacher())
    if seen:
        left = iter(seen)
        run.recognition = lambda *_: (next(left), np.array([0.5, 0.25, 0.25]))
    return run


def results(*accuracies):
    return [
        extraction.GeneratorResult(
            seed=seed, seconds=1.0, steps=4, stopped=False, accuracy=accuracy, shares=[]
        )
        for seed, accuracy in enumerate(accuracies)
    ]


def test_generator_that_the_teacher_does_not_recognise_is_reported_and_left_out(caplog):
    models = [tiny_generator(1), tiny_generator(2)]
    found = results(0.66, 0.67)  # twice chance is 2 / 3
    assert generators.recognised(models, found, keep_all=False) == models[1:]
    assert caplog.messages == [
        "Generator 1 is left out: the teacher sees the class asked for in 66.0% of what it draws."
    ]
    assert generators.recognised(models, found, keep_all=True) == models


def test_generator_that_was_stopped_is_reported_and_takes_part(caplog):
    stopped = dataclasses.replace(*results(0.9), stopped=True)
    models = [tiny_generator()]
    assert generators.recognised(models, [stopped], keep_all=False) == models
    assert "Generator 1 was stopped: its losses or weights were not finite" in caplog.text


def test_run_whose_generators_are_all_unrecognised_ends_in_one_error():
    models = [tiny_generator(1), tiny_generator(2)]
    with pytest.raises(ValueError, match=r"at least one generator.*accuracies \[0.1, 0.2\]"):
        generators.recognised(models, results(0.1, 0.2), keep_all=False)


class Ruined(keras.callbacks.Callback):
    """Makes a weight infinite in the second epoch, as an exploded step does."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations > 2:
            weight = self.model.generator.trainable_variables[0]
            weight.assign(np.full(weight.shape, np.inf))


def test_rates_of_dropout_are_for_the_generators_in_turn_also_where_one_is_trained_at_a_time(
    tmp_path, monkeypatch
):
    seen = []

    def extract(teacher, networks, decoders, settings, **_):
        seen.append(settings.dropout)
        raise InterruptedError

    run = tiny_run(tmp_path, **{"num_generators": 3, "extraction.dropout": (0.1, 0.2)})
    monkeypatch.setattr(extraction, "extract", extract)
    for index in range(3):
        with pytest.raises(InterruptedError):
            generators._train(run, [tmp_path / f"{index}.json"])
    assert seen == [(0.1, 0.2), (0.2, 0.1), (0.1, 0.2)]


@pytest.mark.slow
def test_generator_that_explodes_is_stopped_and_reported_with_its_last_finite_state(
    tmp_path, caplog
):
    run = tiny_run(tmp_path, num_generators=1)
    run.log_curves = lambda *_: Ruined()
    (generator,), (result,) = run.generators, run.all_generators[1]
    assert result.stopped
    assert result.steps < 4
    assert all(np.isfinite(values).all() for values in generator.get_weights())
    assert "Generator 1 was stopped: its losses or weights were not finite" in caplog.text
    assert read_json(tmp_path / "generators" / "0.json")["stopped"]


class EndedSecond(keras.callbacks.Callback):
    """Ends training as its second epoch begins."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_generators_of_vectors_are_trained_together_and_go_on_where_they_were_ended(
    tmp_path, caplog
):
    caplog.set_level("INFO")
    teacher = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    whole = tiny_run(tmp_path / "whole", teacher)
    assert len(whole.generators) == 2
    assert any(text.startswith("Generator 1 to 2 of 2: 4 of 4 st") for text in caplog.messages)
    assert [result.steps for result in whole.all_generators[1]] == [4, 4]
    assert not list((tmp_path / "whole").glob("**/*.backup.npz"))

    # Ended after the first epoch, and once more after the first of two files.
    folder = tmp_path / "ended"
    run = tiny_run(folder, teacher)
    run.log_curves = lambda *_: EndedSecond()
    with pytest.raises(KeyboardInterrupt):
        run.generators
    with pytest.raises(StopIteration):
        tiny_run(folder, teacher, seen=[0.5]).generators
    assert (folder / "generators" / "0.keras").exists()
    resumed = tiny_run(folder, teacher)
    losses = [
        [result.classifier_loss for result in each.all_generators[1]] for each in (whole, resumed)
    ]
    assert losses[0] == losses[1]
    for first, second in zip(whole.generators, resumed.generators, strict=True):
        for before, after in zip(first.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run = tiny_run(folder)
    # Of the last class there are two, fewer than there is room for.
    run.real.test = np.random.default_rng(0).normal(size=(22, 8, 8, 1)), np.arange(22) // 10
    samples.draw(run)
    return folder


@pytest.mark.slow
def test_run_draws_every_picture_where_real_data_are_at_hand(drawn):
    names = {"losses", "class_balance", "classes", "averages", "walks", "real"}
    names |= {"generator-0", "generator-1"}
    assert {path.stem for path in (drawn / "figures").glob("*.png")} == names
    assert all(path.read_bytes()[1:4] == b"PNG" for path in (drawn / "figures").glob("*.png"))


@pytest.mark.slow
def test_pictures_that_are_missing_or_spoilt_are_drawn_alike_and_nothing_is_lost(drawn):
    def draw():
        run = tiny_run(drawn)
        run.real.test = np.random.default_rng(0).normal(size=(22, 8, 8, 1)), np.arange(22) // 10
        samples.draw(run)
        return {path.name: path.read_bytes() for path in (drawn / "figures").glob("*.png")}

    times = {path: path.stat().st_mtime_ns for path in (drawn / "figures").iterdir()}
    before = draw()
    assert {path: path.stat().st_mtime_ns for path in (drawn / "figures").iterdir()} == times
    (drawn / "figures" / "walks.png").unlink()
    (drawn / "figures" / "losses.png").write_bytes(b"mine")
    assert draw() == before
    (aside,) = (drawn / "figures").glob("losses.png.set-aside-*")
    assert aside.read_bytes() == b"mine"
