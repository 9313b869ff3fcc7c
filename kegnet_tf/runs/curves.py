"""The stage before all training: what a teacher keeps at one ratio after another."""

import dataclasses
import functools
import logging

import keras
import numpy as np
import tabulate

from kegnet_tf import compression, teachers
from kegnet_tf.runs import claiming, lock, manifest, pictures, progress, records

logger = logging.getLogger(__name__)
RATIOS = (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
EXAMPLES, EXAMPLES_OF_A_LAYER = 512, 128
SHARE = 0.5  # of a layer's kernel, where one alone is squeezed
BEARABLE = 0.25  # of the logits' variance; ours, see docs/method.md


@dataclasses.dataclass(frozen=True)
class Kept:
    """How far a model answers as the teacher, on artificial data and before any training.

    Attributes:
        agreement: share of examples with the same largest logit.
        lost: squared difference of the logits, each less its mean over the classes, over the
            squared norm of the teacher's; 0 is none, and may exceed 1.
    """

    agreement: float
    lost: float


@dataclasses.dataclass(frozen=True)
class Point(Kept):
    """The student of one ratio.

    Attributes:
        ratio: trainable parameters of the teacher over those of the student, as asked for.
        parameters: trainable ones.
        multiply_adds: of one example; None where an input's size is open.
        int8_bytes: of its int8 LiteRT file, estimated.
    """

    ratio: float
    parameters: int
    multiply_adds: int | None
    int8_bytes: int


@dataclasses.dataclass(frozen=True)
class Sensitivity(Kept):
    """The model with one layer squeezed to `SHARE` of its kernel, and all others whole.

    Attributes:
        name: its path.
        parameters: of its kernel, before.
    """

    name: str
    parameters: int


@dataclasses.dataclass(frozen=True)
class Curve:
    """What a teacher keeps, ratio by ratio and layer by layer.

    Attributes:
        data: source of the examples.
        examples: how many; of a layer, `EXAMPLES_OF_A_LAYER`.
        points: the first is the teacher itself; ratios ascend.
        layers: in the order of the model.
    """

    data: str
    examples: int
    points: list[Point]
    layers: list[Sensitivity]

    @property
    def chosen(self) -> float:
        """The ratio that the teacher bears: the last one before `lost` exceeds `BEARABLE`.

        The least ratio where none is borne.
        """
        ratios = [point.ratio for point in self.points if point.ratio > 1]
        within = [point.lost <= BEARABLE for point in self.points if point.ratio > 1]
        borne = within.index(False) if False in within else len(within)
        return ratios[max(0, borne - 1)] if ratios else 1.0

    @property
    def _rule(self):
        borne = [point.lost <= BEARABLE for point in self.points if point.ratio == self.chosen]
        if all(borne):
            return f"A ratio of {self.chosen:g} is the last that loses {BEARABLE:.0%} at most."
        return f"Even the least ratio, {self.chosen:g}, loses more than {BEARABLE:.0%}."

    @classmethod
    def of(cls, content: dict) -> "Curve":
        """A curve as JSON holds it."""
        points = [Point(**row) for row in content["points"]]
        layers = [Sensitivity(**row) for row in content["layers"]]
        return cls(content["data"], content["examples"], points, layers)

    def markdown(self) -> str:
        """Tables of ratios and of layers, and what they mean."""
        data = self.data.replace("_", " ").replace("tailed", "tailed noise")
        about = (
            f"Before any training, on {self.examples} examples of artificial data ({data}): share "
            "of answers that are the teacher's, and of its logits' variance that is lost. "
        )
        about += self._rule
        headers = ["ratio", "parameters", "multiply adds", "int8 bytes", "agreement", "lost"]
        rows = [
            [row.ratio, row.parameters, row.multiply_adds, row.int8_bytes, row.agreement, row.lost]
            for row in self.points
        ]
        forms = ("g", "", "", "", ".1%", ".1%")
        table = tabulate.tabulate(rows, headers, "github", floatfmt=forms, intfmt=",")
        headers = [f"layer at {SHARE:.0%}, alone", "parameters", "agreement", "lost"]
        rows = [[row.name, row.parameters, row.agreement, row.lost] for row in self.layers]
        forms = ("", "", ".1%", ".1%")
        layers = tabulate.tabulate(rows, headers, "github", floatfmt=forms, intfmt=",")
        return "\n\n".join([about, table, layers]) + "\n"


def curve(run) -> Curve:
    """The curve of a run's teacher, measured or found finished; nothing is written.

    Args:
        run: a `Run`.

    Raises:
        ValueError: if the teacher has no graph.
    """
    found = records.read(_path(run), _made_of(run))
    return measured(run) if found is None else Curve.of(found)


def drawn(run) -> Curve:
    """The curve of a run's teacher, with its files in a folder that becomes the run's own.

    Args:
        run: a `Run`.

    Raises:
        OSError, ValueError: as from `Run.report`.
    """
    run.check_preset()
    claiming.check(run.workdir, run.identity)
    found = run.curve
    with lock.held(run.workdir):
        claiming.claim(run.workdir, run.identity)
        keep(run)
    return found


def keep(run) -> None:
    """Writes `curve.json` and `figures/curve.png`.

    Args:
        run: a `Run`.
    """
    content = dataclasses.asdict(run.curve)
    if records.read(_path(run), _made_of(run)) is None:
        draw = functools.partial(pictures.compression_curve, content["points"], run.curve.chosen)
        records.write(_path(run), content, _made_of(run), {"curve.png": draw})
    manifest.keep(run.workdir, {"curve.json": manifest.text_of(content)})


@progress.stage("Curve")
def measured(run) -> Curve:
    """The curve of a run's teacher, measured.

    Args:
        run: a `Run`.
    """
    truncation = compression.Truncation(run.classifier)
    images = len(run.classifier.input_shape) == 4
    data = "procedural" if images else "heavy_tailed"
    logger.info("Curve: %d layers at %d ratios.", len(truncation.layers), len(RATIOS))
    x, _ = run.source_of((), data).sample(EXAMPLES, run.seed("curve"))
    mean, std = (np.asarray(part, np.float32) for part in teachers.input_scale(run.classifier))
    x = mean + std * x
    expected = _logits(truncation.model, x)

    def kept(answers, size):
        truncation.cut(answers)
        return _kept(_logits(truncation.model, x[:size]), expected[:size])

    costs = truncation.costs_of(truncation.at_ratio(1.0))
    points = [Point(ratio=1.0, agreement=1.0, lost=0.0, **costs)]
    for ratio in RATIOS:
        if ratio <= truncation.largest_ratio:
            answers = truncation.at_ratio(ratio)
            costs = truncation.costs_of(answers)
            points.append(Point(ratio=ratio, **kept(answers, EXAMPLES), **costs))
    layers = []
    for path, layer in truncation.layers.items():
        found = kept(truncation.alone(path, SHARE), EXAMPLES_OF_A_LAYER)
        size = int(np.prod(layer.kernel.shape))
        layers.append(Sensitivity(name=path, parameters=size, **found))
    return Curve(data, EXAMPLES, points, layers)


def _logits(model: keras.Model, x: np.ndarray, batch_size: int = 64) -> np.ndarray:
    starts = range(0, len(x), batch_size)
    batches = [model.predict_on_batch(x[start : start + batch_size]) for start in starts]
    return np.concatenate(batches).astype(np.float64)


def _kept(logits, expected):
    """Fields of `Kept`."""
    same = logits.argmax(axis=-1) == expected.argmax(axis=-1)
    found, centred = (each - each.mean(axis=-1, keepdims=True) for each in (logits, expected))
    lost = np.sum((found - centred) ** 2) / max(np.sum(centred**2), np.finfo(float).tiny)
    return {"agreement": float(np.mean(same)), "lost": float(lost)}


def _path(run):
    return run.paths["figures"] / "curve.json"


def _made_of(run):
    made = {"teacher": run.teacher_digest, "seed": run.seed("curve"), "ratios": RATIOS}
    made |= {"examples": [EXAMPLES, EXAMPLES_OF_A_LAYER], "share": SHARE, "bearable": BEARABLE}
    chosen = {} if run.pixels_known else {"balanced": run.config.synthesis.balanced}  # of rows
    return made | run.pixels_known | chosen
