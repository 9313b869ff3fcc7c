import dataclasses

import keras
import pytest
from ml_collections import ConfigDict
from smallest import tiny_config, tiny_teacher
from smallest_runs import HereRun

from kegnet_tf import compression, runs
from kegnet_tf.runs import curves, initial_students, read_json
from kegnet_tf.runs.curves import Curve, Point


def run_of(folder, **overrides):
    return HereRun(tiny_config(**overrides), folder, teacher=tiny_teacher())


def curve_of(lost):
    ratios = (1.0, *curves.RATIOS)
    return Curve(
        "procedural",
        512,
        [Point(0.5, part, ratio, 10, 20, 30) for ratio, part in zip(ratios, lost, strict=False)],
        [],
    )


@pytest.mark.parametrize(
    ("lost", "chosen"),
    [
        ((0, 0.1, 0.2, 0.25, 0.26), 1.5),
        ((0, 0.1, 0.9, 0.1, 0.1), 1.1),  # what comes back beyond is luck
        ((0, 0.9, 0.9), 1.1),
        ((0, 0.0, 0.0), 1.25),
        ((0,), 1.0),
    ],
)
def test_the_last_ratio_before_a_quarter_of_the_logits_is_lost_is_chosen(lost, chosen):
    assert curve_of(lost).chosen == chosen


def test_curve_says_where_even_the_least_ratio_loses_too_much():
    assert (
        "A ratio of 1.5 is the last that loses 25% at most." in curve_of((0, 0, 0, 0, 1)).markdown()
    )
    assert "Even the least ratio, 1.1, loses more than 25%." in curve_of((0, 0.9)).markdown()


@pytest.fixture(scope="module")
def claimed(tmp_path_factory):
    """A run of one student without a size, in a folder with no more than its curve in it."""
    run = run_of(tmp_path_factory.mktemp("run"), **{"students.student.target_ratio": None})
    assert run.draw_curve() is run.curve
    assert not (run.workdir / "initial").exists()
    run.claim()
    return run


@pytest.mark.slow
def test_curve_of_a_teacher_begins_with_itself_and_grows_ever_smaller(claimed):
    found = claimed.curve
    first = found.points[0]
    assert (first.ratio, first.agreement, first.lost, first.parameters) == (1, 1, 0, 159)
    assert [each.name for each in found.layers] == ["conv", "logits"]
    assert [each.parameters for each in found.layers] == [36, 108]
    for one, other in zip(found.points, found.points[1:], strict=False):
        assert one.ratio < other.ratio
        assert one.parameters >= other.parameters
        assert 0 <= other.agreement <= 1


@pytest.mark.slow
def test_curve_is_written_once_and_found_again(claimed, monkeypatch):
    assert read_json(claimed.workdir / "curve.json") == dataclasses.asdict(claimed.curve)
    assert (claimed.workdir / "figures" / "curve.png").read_bytes()[1:4] == b"PNG"
    monkeypatch.setattr(curves, "measured", None)  # a second measurement would fail
    again = run_of(claimed.workdir, **{"students.student.target_ratio": None})
    assert again.draw_curve() == claimed.curve
    assert "int8 bytes" in claimed.curve.markdown()


def test_student_without_a_size_gets_the_ratio_of_the_curve(claimed):
    assert initial_students.asked(claimed, "student") == {"target_ratio": claimed.curve.chosen}
    found = compression.compression_ratio(claimed.teacher, claimed.initial["student"])
    assert claimed.curve.chosen <= found


@pytest.mark.parametrize("asked", [{"target_macs": 0.5}, {"target_kb": 9.0}, {"layers": "conv"}])
def test_student_with_a_size_or_with_layers_has_no_curve(asked, tmp_path):
    run = run_of(tmp_path)
    run.config.students = ConfigDict({"student": asked})
    assert initial_students.asked(run, "student") == asked
    assert "curve" not in vars(run)


def test_claimed_folder_says_what_the_student_and_each_layer_cost(claimed):
    found = read_json(claimed.workdir / "compression.json")["student"]
    assert found["parameters"][0] == 159
    # 3 x 3 pixels of 4 channels from 3 x 3 x 1, and 36 numbers to 3 classes
    assert found["multiply_adds"][0] == 9 * 4 * 9 + 36 * 3
    assert sum(row["multiply_adds"][0] for row in found["layers"]) == found["multiply_adds"][0]
    assert runs.records.read(claimed.workdir / "initial" / "student.json")


@pytest.mark.slow
def test_teacher_without_a_layer_to_squeeze_has_a_curve_of_itself_alone(tmp_path):
    teacher = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.DepthwiseConv2D(6, depth_multiplier=3)]
        + [keras.layers.Flatten(), keras.layers.LayerNormalization()]
        + [keras.layers.Reshape((3, 9)), keras.layers.GlobalAveragePooling1D("channels_first")]
    )
    run = HereRun(tiny_config(), tmp_path, teacher=teacher)
    found = run.draw_curve()
    assert ([point.ratio for point in found.points], found.layers, found.chosen) == ([1], [], 1)


@pytest.mark.slow
def test_curve_of_a_table_depends_on_how_its_rows_are_chosen(tmp_path):
    keras.utils.set_random_seed(0)
    teacher = keras.Sequential([keras.Input((5,)), keras.layers.Dense(9), keras.layers.Dense(3)])
    asked, found = {}, {}
    for balanced in (False, True):
        config = tiny_config(**{"synthesis.balanced": balanced})
        run = HereRun(config, tmp_path, teacher=teacher)
        run.draw_curve()
        asked[balanced] = read_json(tmp_path / "figures" / "curve.json")["made_of"]
        found[balanced] = run.curve.points
    assert found[False] != found[True]
    assert asked[False] != asked[True]


def test_wrong_preset_is_refused_before_a_curve_is_drawn(tmp_path):
    run = run_of(tmp_path / "run", **{"data.mean": (0.5, 0.5), "data.std": (0.5, 0.5)})
    with pytest.raises(ValueError, match="`mean` must hold one number") as raised:
        run.draw_curve()
    assert "\n" not in str(raised.value)
    assert not run.workdir.exists()
