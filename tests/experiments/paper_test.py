import json

import pytest

from kegnet_tf.configs import base
from kegnet_tf.experiments import paper
from kegnet_tf.experiments.reproduce import PRESETS


@pytest.mark.parametrize("name", sorted({*PRESETS} & {*paper.PRINTED}))
def test_every_student_of_a_preset_is_printed_and_has_its_budget(name):
    config = PRESETS[name]("paper")
    assert {*config.students} == {*paper.PRINTED[name]} - {"original"}
    config.lock()
    config.update_from_flattened_dict(paper.budget(name))
    extraction = config.extraction
    assert extraction.epochs * extraction.steps_per_epoch * extraction.batch_size == 200 * 100 * 256
    for arm, steps in (("kegnet", 400 * 500), ("uniform", 1000 * 100)):
        config.update_from_flattened_dict(paper.arm_budget(name, arm))
        distillation = config.distillation
        assert distillation.epochs * distillation.steps_per_epoch == steps


def test_least_budget_is_that_of_five_generators_and_a_hundred_epochs():
    assert paper.least_steps("mnist") == {"generator": 100_000, "student": 50_000}


def test_rates_are_those_of_the_release():
    rates = {
        (name, arm): paper.arm_budget(name, arm)["distillation.learning_rate"]
        for name in ("mnist", "fashion", "letter")
        for arm in ("kegnet", "gaussian")
    }
    assert rates.pop(("mnist", "kegnet")) == 1e-5
    assert rates.pop(("mnist", "gaussian")) == 1e-6
    assert {*rates.values()} == {1e-4}


def test_budget_lasts_where_a_preset_has_none():
    config = base.get_config("paper")
    config.lock()
    config.update_from_flattened_dict(paper.budget("own"))
    assert config.extraction.beta == 0.0


def test_kegnet_plus_stands_beside_the_papers_kegnet():
    assert paper.printed("mnist", "student1", "kegnet+") == (96.32, 0.05)
    assert paper.printed("mnist", "student1", "procedural") == (None, None)


def test_numbers_are_those_that_were_read_from_the_paper(shared):
    read = json.loads((shared / "paper.json").read_text())
    for name, row in read["table2_accuracy_percent"].items():
        students = {"student": as_ours(row)}
        assert paper.PRINTED[name] == {"original": row["original"]} | students
    for name, row in read["table3_accuracy_percent"].items():
        students = {key: as_ours(each) for key, each in row.items() if key.startswith("student")}
        assert paper.PRINTED[name] == {"original": row["original"]} | students


def as_ours(row):
    ours = {"ratio": row["ratio"]}
    for arm in row.keys() - {"original", "ratio"}:
        ours[arm] = tuple(row[arm]) if isinstance(row[arm], list) else (row[arm],)
    return ours
