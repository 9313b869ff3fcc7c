"""What the cards of a student's and of a teacher's files have in common."""

from collections.abc import Mapping

from kegnet_tf import compression
from kegnet_tf.export.record import ExportRecord

COMPARED = (
    "Error is the largest absolute difference of a logit from the Keras model's, and agreement the "
    "share of examples with the same answer; both on synthetic data that no student has learned "
    "from, and on real test data where there were some."
)
SOURCES = {
    "uniform": "uniform noise",
    "gaussian": "Gaussian noise",
    "heavy_tailed": "heavy-tailed noise",
    "procedural": "procedural images",
    "unlabeled": "unlabelled real data",
}
_CALIBRATION = {
    "kegnet": "drawn by the generators",
    "kegnet+": "of the mixture above",
    **{source: f"of {data}" for source, data in SOURCES.items()},
    "train": "of the real training data",
}


def calibrated(record: ExportRecord) -> str:
    """The sentence on what fixed the ranges of int8."""
    calibration = _CALIBRATION.get(record.calibration, "of a file that was given")
    return (
        f"The files for int8 were calibrated on {record.calibration_size:,} examples, "
        f"{calibration}, times {record.headroom:g}.{_trained(record, record.integers, 'int8')}"
        f"{_trained(record, record.lean, 'kernels of four bits')}"
    )


def _trained(record, found, kind):
    """The sentence on what training as integers gave, where it was tried."""
    shares = found.get("agreements", {})
    if "trained" not in shares:
        return ""
    kept = "and were taken" if found["trained"] else "and were left"
    return (
        " On artificial data held out from training, the student gives its teacher's answer in "
        f"{shares['float']:.2%}; rounded to {kind} in {shares['rounded']:.2%}; after "
        f"{record.qat['qat_steps']} more steps as integers (quantisation-aware distillation) in "
        f"{shares['trained']:.2%}, {kept}."
    )


def rounding(record: ExportRecord) -> list[str]:
    """The section on what int8 does to each tensor, the worst first; [] where nothing is known."""
    rows = [compression.Rounding(**row) for row in record.integers.get("roundings", ())]
    if not rows:
        return []
    return [
        "## Rounding",
        "Tensors of the int8 files that are farthest from what floats give, on artificial data: "
        "20 dB is an error of a tenth, 40 of a hundredth. What is *cut* lay outside of the range. "
        "`export.json` has all of them.",
        compression.rounding_table(rows),
    ]


def interface(
    record: ExportRecord, raw: tuple | None, quantisation: Mapping[str, tuple]
) -> list[str]:
    """The sections on what the files expect and what they answer.

    Args:
        record: of the files.
        raw: as in `ModelCard`.
        quantisation: as in `ModelCard`.
    """
    code = preprocessing(record, raw)
    return [
        f"## Input\n\n{_input(record, raw)}",
        *([f"```python\n{code}```"] if code else []),
        f"## Output\n\n{_output(record)}",
        *_integers(quantisation),
    ]


def preprocessing(record: ExportRecord, raw: tuple | None) -> str:
    """Python that makes `x` of a picture or a row, as far as it is not part of the model.

    Args:
        record: of the files.
        raw: as in `ModelCard`.

    Returns:
        Lines of code; "" where nothing tells what real values are.
    """
    if raw is None or not raw and len(record.input_shape) != 3:
        return ""
    mean, std = ([float(value) for value in part] for part in raw) if raw else ([], [])
    scale = f"x = np.float32((x - {mean}) / {std})\n" if raw else ""
    if len(record.input_shape) != 3:
        return (
            f"import numpy as np\n\nx = np.float32([features])  # of one example, a list\n{scale}"
        )
    height, width, channels = record.input_shape
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if mode is None:
        return ""
    unit = " / 255" if raw else "  # from 0 to 255"
    return (
        "import numpy as np\nfrom PIL import Image\n\n"
        f'picture = Image.open("picture.png").convert("{mode}")\n'
        f"picture = picture.resize(({width}, {height}), Image.Resampling.BILINEAR)\n"
        f"x = np.float32(picture).reshape(1, {height}, {width}, {channels}){unit}\n{scale}"
    )


def _input(record, raw):
    shape = ", ".join(str(side) for side in ("batch", *record.input_shape))
    text = f"`x`, float32, [{shape}]: "
    if raw is None:
        return (
            f"{text}what the teacher expects. Nothing tells its units; it learned here from values "
            "of mean 0 and deviation 1 in each channel or feature."
        )
    if not raw:
        return (
            f"{text}raw values, in the units that the teacher was given in training, which nothing "
            "tells here; the model standardises them itself. The SavedModel's signature "
            "`serving_raw` is the same."
        )
    mean, std = raw
    if len(record.input_shape) == 3:
        low, high = ([(end - m) / s for m, s in zip(mean, std, strict=True)] for end in (0, 1))
        return (
            f"{text}pixels in [0, 1], less {_list(mean)} and divided by {_list(std)}, so from "
            f"{_list(low)} to {_list(high)}. The SavedModel's signature "
            "`serving_raw` takes the pixels themselves, uint8 in [0, 255]."
        )
    return (
        f"{text}features in their own units, less {_list(mean)} and divided by {_list(std)}. "
        "The SavedModel's signature `serving_raw` takes the features themselves."
    )


def _output(record):
    return (
        f"`logits`, float32, [batch, {record.num_classes}]: any real numbers, whose softmax "
        "is the probability of each class. The largest is the answer, and its name stands in "
        "`labels.txt`, a line a class."
    )


def _integers(quantisation):
    if not quantisation:
        return []
    parts = [
        "## Integers in and out",
        "A file with uint8 in and out holds, for each real number r, the integer "
        "q = round(r / scale) + zero point, cut to [0, 255].",
        "\n".join(
            f"- `{path}`: `x` has scale {x[0]:.8g} and zero point {x[1]}, `logits` scale "
            f"{logits[0]:.8g} and zero point {logits[1]}"
            for path, (x, logits, _) in quantisation.items()
        ),
    ]
    scales = next((scale for _, _, scale in quantisation.values() if scale is not None), None)
    if scales is not None:
        mean, std = (", ".join(f"{number:.8g}" for number in each) for each in scales)
        parts.append(
            "One scale cannot serve features of unlike ranges, so these files take a row that is "
            "standardised first, feature by feature: r is x less the mean, over the deviation. All "
            f"other files take it as it is.\n\n- mean: {mean}\n- deviation: {std}"
        )
    return parts


def _list(values):
    shown = ", ".join(f"{value:.4g}" for value in list(values)[:8])
    return shown + (", …" if len(values) > 8 else "")
