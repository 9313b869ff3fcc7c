import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf.runs.pictures import charts, images


@pytest.fixture
def drawn(monkeypatch):
    """The figures of matplotlib that a test draws."""
    figures_drawn = []

    class Kept(Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures_drawn.append(self)

    monkeypatch.setattr(charts, "Figure", Kept)
    return figures_drawn


def test_loss_curves_have_a_panel_for_each_loss_and_a_line_for_each_generator(tmp_path, drawn):
    curves = {
        "first": {"decoder_loss": [3.0, np.nan, 1.0], "diversity_loss": [-1.0, 0.0, 1e6]},
        "second": {"classifier_loss": [1e3, 1.0], "decoder_loss": [None, 2.0]},
        "third": {"broken": [np.nan, np.inf]},
    }
    charts.loss_curves(curves, tmp_path / "curves.png")
    panels = {axes.get_title(): axes for axes in drawn[0].axes}
    told = ["decoder: z from x", "diversity: different x", "classifier: the class asked for"]
    assert list(panels) == [*told, "broken"]
    lines = panels["decoder: z from x"].lines
    assert [line.get_label() for line in lines] == list(curves)
    assert_array_equal(lines[0].get_ydata(), [3.0, np.nan, 1.0])
    assert_array_equal(lines[0].get_xdata(), [1, 2, 3])
    assert_array_equal(lines[1].get_ydata(), [np.nan, 2.0])
    scales = [axes.get_yscale() for axes in panels.values()]
    assert scales == ["linear", "linear", "log", "linear"]
    assert matplotlib.image.imread(tmp_path / "curves.png").shape[1] > 1000


def test_class_balance_has_a_bar_for_each_share_and_a_line_where_all_are_equal(tmp_path, drawn):
    shares = {"first": [0.2, 0.3, 0.5], "second": [1.0, 0.0, 0.0]}
    charts.class_balance(shares, tmp_path / "balance.png", "abc")
    (axes,) = drawn[0].axes
    bars = sorted(axes.patches, key=lambda bar: bar.get_x())
    assert [bar.get_height() for bar in bars] == [20.0, 100.0, 30.0, 0.0, 50.0, 0.0]
    assert_allclose(axes.lines[0].get_ydata(), 100 / 3)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("classes", [2, 10, 26])
def test_confusion_matrix_is_an_array_of_colours(classes):
    image = charts.confusion_matrix(np.eye(classes), [f"name {c}" for c in range(classes)])
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert min(image.shape[:2]) > 30 * classes


def test_confusion_matrix_is_in_percent_of_each_row(drawn):
    charts.confusion_matrix([[3, 1, 0], [0, 0, 0], [0, 1, 999]], "abc")
    (axes,) = drawn[0].axes
    assert_allclose(axes.images[0].get_array(), [[0.75, 0.25, 0], [0, 0, 0], [0, 0.001, 0.999]])
    assert [text.get_text() for text in axes.texts] == ["75", "25", "100"]


def test_names_of_classes_are_no_formulas(tmp_path):
    names = ["$a^$", "b"]  # as the one is none that could be set
    assert charts.confusion_matrix(np.eye(2), names).ndim == 3
    charts.class_balance({"generator 0": [0.5, 0.5]}, tmp_path / "balance.png", names)
    images.image_grid(np.zeros((1, 2, 4, 4, 1)), tmp_path / "grid.png", ["row"], names)


def test_class_balance_names_26_classes(tmp_path, drawn):
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    charts.class_balance({"first": np.full(26, 1 / 26)}, tmp_path / "balance.png", names)
    assert [label.get_text() for label in drawn[0].axes[0].get_xticklabels()] == list(names)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: charts.loss_curves({"first": {"loss": [1.0, np.nan, 0.5]}}, path),
        lambda path: charts.class_balance({"first": [0.5, 0.5]}, path, ["no", "maybe"]),
    ],
)
def test_same_input_gives_the_same_bytes(write, tmp_path):
    write(tmp_path / "one")
    write(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert (tmp_path / "one").read_bytes()[1:4] == b"PNG"
