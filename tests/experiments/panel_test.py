import numpy as np
import pytest
from smallest import tiny_config, tiny_teacher

from kegnet_tf.experiments import ReproduceSettings, panel, reproduce
from kegnet_tf.experiments.reproduce import PRESETS
from kegnet_tf.runs import DataOptions, read_json


def cell(teacher, arm, last):
    figures = {"last": last, "agreement": last, "oracle": None, "compression_ratio": 1.5}
    return {"dataset": teacher, "name": "ratio1_5", "arm": arm, **figures}


def test_way_lies_between_tucker_and_real_and_means_are_over_the_teachers():
    cells = [
        *(cell("friendly", arm, last) for arm, last in (("tucker", 0.8), ("real", 0.9))),
        *(cell("plain", arm, last) for arm, last in (("tucker", 0.4), ("real", 0.8))),
        *(cell("friendly", "kegnet+", last) for last in (0.87, 0.88)),
        cell("plain", "kegnet+", 0.6),
    ]
    rows, means = panel.summarise(cells, {"friendly": 0.91, "plain": 0.9})
    ways = {(row["dataset"], row["arm"]): row["way"] for row in rows}
    assert ways["friendly", "kegnet+"] == pytest.approx(75.0)
    assert ways["plain", "kegnet+"] == pytest.approx(50.0)
    assert {ways[name, "real"] for name in ("friendly", "plain")} == {100.0}
    assert [row["arm"] for row in means] == ["tucker", "kegnet+", "real"]
    assert means[1]["way"] == pytest.approx(62.5)
    assert means[1]["last"] == pytest.approx((87.5 + 60) / 2)
    assert means[1]["loss"] == pytest.approx((3.5 + 30) / 2)
    text = panel.markdown("digits", rows, means)
    assert "87.50 ± 0.71" in text
    assert text.count("| ratio1_5") == len(rows) + len(means)


def test_without_a_ceiling_there_is_no_way_and_a_mean_needs_every_teacher():
    cells = [cell("one", "tucker", 0.5), cell("one", "kegnet+", 0.6), cell("two", "tucker", 0.7)]
    rows, means = panel.summarise(cells, {"one": 0.9, "two": 0.9})
    assert {row["way"] for row in rows} == {None}
    assert [(row["arm"], row["count"], row["way"]) for row in means] == [("tucker", 2, None)]


def preset(mode=""):
    settings = {"distillation.epochs": 1, "distillation.steps_per_epoch": 2}
    return tiny_config(mode=mode, **settings)


@pytest.fixture
def made(tmp_path):
    """`reproduce` of a panel of tiny teachers in the place of CIFAR-10's."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        tiny_teacher().save(tmp_path / name / f"{name}.keras")
    tiny_teacher().save(tmp_path / "two" / "one.keras")
    x = np.random.default_rng(0).normal(size=(30, 8, 8, 1)).astype(np.float32)
    np.savez(tmp_path / "test.npz", x=x, y=np.arange(30) % 3)

    def made(*teachers, **settings):
        teachers = [str(tmp_path / name) for name in teachers]
        own = {"dataset": "cifar10", "seeds": 2, "panel": teachers, "ratios": ["1.2"]}
        return reproduce(
            tmp_path / "run",
            ReproduceSettings(**(own | settings)),
            data=DataOptions(eval_data=str(tmp_path / "test.npz")),
            presets=dict.fromkeys(PRESETS, preset),
        )

    return made


@pytest.mark.parametrize(
    ("teachers", "settings", "message"),
    [
        (("one/one.keras", "two/one.keras"), {}, "`panel` must hold files of different names"),
        (("one/one.keras",), {"ratios": ["1,5"]}, "`ratios` must be a finite number"),
        (("one/one.keras",), {"ratios": [0.5]}, "`ratios` must be 1 or more"),
        (("one/one.keras",), {"teacher": "a.keras"}, "`panel` must come without `teacher`"),
        (("one/one.keras",), {"ablation": True}, "`panel` must come without `ablation`"),
        (("one/one.keras",), {"dataset": "", "table": 3}, "`panel` must come with `dataset`"),
        ((), {}, "`dataset` must be among .*'cifar10'"),
    ],
)
def test_wrong_panel_is_told_and_nothing_is_written(made, teachers, settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        made(*teachers, **settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_panel_has_students_of_each_teacher_and_goes_on_where_it_was(made, tmp_path):
    teachers, arms = ("one/one.keras", "two/two.keras"), ["tucker", "kegnet+"]
    first = made(*teachers, arms=arms)
    assert [row["count"] for row in first.content["means"]] == [2, 2]
    assert len(first.content["cells"]) == 2 * (1 + 2)
    assert {*first.content["teachers"]} == {"one", "two"}
    folder = tmp_path / "run" / "cifar10" / "panel"
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.keras")}
    again = made(*teachers, arms=arms)
    assert again.content["means"] == first.content["means"]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.keras")} == times
    assert read_json(tmp_path / "run" / "panel.json")["means"] == first.content["means"]
