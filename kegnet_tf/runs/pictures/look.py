"""The one look of all charts, and what each picture of a run shows."""

import functools
from collections.abc import Callable, Iterable

import matplotlib
from cycler import cycler

# Okabe and Ito's colours, which people of any colour vision tell apart, without the yellow one.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
_LOOK = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#666666",
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "figure.titlesize": 11,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}
# By name: a title, and what it shows.
CAPTIONS = {
    "curve": ("The curve", "size against what is left, before any training"),
    "classes": (
        "Classes",
        "what each generator draws for each class in the middle of its space (z = 0), and the mean "
        "of what it draws at many z",
    ),
    "averages": ("Averages", "means over many drawings of each class"),
    "walks": ("Walks", "from one class to another, at z = 0"),
    "real": ("Real beside generated", "test images, and what the generators drew"),
    "losses": ("Losses", "of the generators while they learned"),
    "class_balance": (
        "Class balance",
        "how often the teacher answers with each class to what generators draw; it should be even",
    ),
    "generator": (
        "Many z",
        "what one generator draws at random z, a column a class, and by a number how much that "
        "differs within a class",
    ),
}


def own(draw: Callable) -> Callable:
    """A function that draws, in this look whatever the user's own settings."""

    @functools.wraps(draw)
    def drawn(*args, **kwargs):
        with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_LOOK}):
            return draw(*args, **kwargs)

    return drawn


def caption(name: str) -> tuple[str, str]:
    """Title of a picture by its file's name without the ending, and what it shows; "" if unknown.

    Args:
        name: such as "averages" or "generator-0".
    """
    kind, _, index = name.partition("-")
    title, shows = CAPTIONS.get(kind, (name.replace("_", " ").capitalize(), ""))
    return f"{title}, generator {index}" if index else title, shows


def index(names: Iterable[str]) -> str:
    """Markdown that tells what each file of a folder of pictures shows.

    Args:
        names: of the files.
    """
    lines = [
        f"- `{name}`: {': '.join(filter(None, caption(name.removesuffix('.png'))))}."
        for name in names
    ]
    return "\n".join(["# Pictures", "", *lines, ""])
