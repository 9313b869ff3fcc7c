import matplotlib
import pytest

from kegnet_tf.runs import pictures
from kegnet_tf.runs.pictures import look


def test_charts_look_the_same_whatever_the_users_own_settings():
    @look.own
    def colour():
        return matplotlib.rcParams["figure.facecolor"], matplotlib.rcParams["lines.linewidth"]

    with matplotlib.rc_context({"figure.facecolor": "black", "lines.linewidth": 9}):
        assert colour() == ("white", matplotlib.rcParamsDefault["lines.linewidth"])
        assert matplotlib.rcParams["figure.facecolor"] == "black"


@pytest.mark.parametrize(
    ("name", "title"),
    [("averages", "Averages"), ("generator-3", "Many z, generator 3"), ("my_own", "My own")],
)
def test_every_picture_has_a_title(name, title):
    assert pictures.caption(name)[0] == title


def test_index_tells_what_each_file_shows():
    lines = look.index(["losses.png", "own.png"]).splitlines()
    assert lines[2:] == [
        "- `losses.png`: Losses: of the generators while they learned.",
        "- `own.png`: Own.",
    ]
