import types

import keras
import numpy as np
import pytest
from smallest import tiny_config, tiny_teacher
from smallest_runs import HereRun

from kegnet_tf import compression, distillation
from kegnet_tf.runs import curves, read_json, searching, streams

ASKED = {"students.student.target_ratio": None, "students.student.max_loss": 1.5}


class Trained(HereRun):
    """A run that has its generators."""

    generators = ()


def run_of(folder, monkeypatch, losses):
    """A run in which a pilot loses points as given by ratio; and what was tried."""
    tried = []

    def agreement(run, ratio, settings, enough):
        tried.append(ratio)
        return 1 - losses(ratio) / 100

    monkeypatch.setattr(searching, "_agreement", agreement)
    monkeypatch.setattr(streams, "drawn_of", lambda run: {})
    return Trained(tiny_config(**ASKED), folder, teacher=tiny_teacher()), tried


@pytest.mark.parametrize(
    ("losses", "found"),
    [
        (lambda ratio: 0.0, "largest"),
        (lambda ratio: 1.5 if ratio < 1.4 else 1.6, 1.25),
        (lambda ratio: 9.0, 1.1),
    ],
)
def test_the_largest_ratio_that_loses_no_more_is_found_in_a_few_pilots(
    tmp_path, monkeypatch, losses, found
):
    run, tried = run_of(tmp_path, monkeypatch, losses)
    reach = compression.largest_ratio(run.classifier)
    reachable = [ratio for ratio in curves.RATIOS if ratio <= reach]
    expected = reachable[-1] if found == "largest" else found
    assert searching.ratio(run, "student") == expected
    assert len(tried) <= 4
    assert len({*tried}) == len(tried)


def test_size_that_keeps_the_promise_as_it_begins_is_not_trained_and_none_counts_as_worse(
    tmp_path, monkeypatch
):
    run = HereRun(tiny_config(**ASKED), tmp_path, teacher=tiny_teacher())
    x = np.random.default_rng(0).normal(size=(64, *run.teacher.input_shape[1:]))
    p = keras.ops.softmax(run.teacher.predict_on_batch(x)).numpy()
    monkeypatch.setattr(HereRun, "held_out", (x.astype(np.float32), p))
    monkeypatch.setattr(streams, "stream", lambda *_: None)
    choice = distillation.Choice("logits", "training", "off")
    history = types.SimpleNamespace(history={"val_agreement": [0.0]})
    trained = []

    def ruin(student, *_, **__):
        trained.append(student)
        return distillation.Distilled(history, choice)

    monkeypatch.setattr(distillation, "distil", ruin)
    start = searching._agreement(run, 1.1, {}, enough=0.0)
    assert (start > 0, trained) == (True, [])
    assert searching._agreement(run, 1.1, {}, enough=1.1) == start
    assert len(trained) == 1


@pytest.mark.slow
def test_search_is_done_once_and_after_what_needs_no_data(tmp_path, monkeypatch):
    run, tried = run_of(tmp_path, monkeypatch, lambda ratio: 0.0 if ratio < 1.4 else 9.0)
    run.claim()
    assert tried == []
    assert run.early == {}
    ratio = compression.compression_ratio(run.classifier, run.initial["student"])
    assert ratio >= 1.25
    count = len(tried)
    again, tried = run_of(tmp_path, monkeypatch, lambda ratio: 0.0)
    assert searching.ratio(again, "student") == 1.25
    assert (count > 0, tried) == (True, [])


def test_searched_student_is_written_like_the_others(tmp_path, monkeypatch):
    from kegnet_tf.runs import initial_students

    run, _ = run_of(tmp_path, monkeypatch, lambda ratio: 0.0)
    run.claim()
    assert read_json(tmp_path / "compression.json") == {}
    initial_students.keep_searched(run)
    assert read_json(tmp_path / "compression.json").keys() == {"student"}
    assert (tmp_path / "initial" / "student.keras").exists()


def test_loss_stands_alone():
    with pytest.raises(ValueError, match="`max_loss` must stand alone.*: 'target_ratio'"):
        HereRun(tiny_config(**{"students.student.max_loss": 1.0}), "none", teacher=tiny_teacher())


@pytest.mark.slow
def test_layers_that_there_are_not_are_refused_before_there_are_generators(tmp_path):
    config = tiny_config(**ASKED)
    config.students = {"student": {"max_loss": 1.0, "layers": "no_such"}}
    with pytest.raises(ValueError, match="`layers` must name layers among"):
        HereRun(config, tmp_path / "run", teacher=tiny_teacher()).check()
    assert not (tmp_path / "run").exists()
