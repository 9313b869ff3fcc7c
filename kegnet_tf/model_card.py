"""What the receiver of an exported student should know, as the text of a `README.md`."""

from kegnet_tf import report


def markdown(config, content, student, about, exports, layers, raw, quantisation):
    """The model card of an exported student.

    Args:
        config: the run's preset.
        content: the content of `report.json`; its exports are not read.
        student: the row of `content` that was exported.
        about: what `export.json` says besides its files: the teacher's digest, the calibration.
        exports: rows of `kegnet_tf.export.export`.
        layers: rows of `compression.layer_report` for the student; empty where it was given.
        raw: as in `conversion.save`: what is known of values that are not standardised.
        quantisation: by the path of each file with integers in and out, (scale, zero point) of its
            input and of its output.

    Returns:
        Markdown text. It gives no licence: that is the user's to choose.
    """
    parts = [
        f"# {student['name']}, a compressed classifier of {content['dataset']}",
        _origin(config, content, student, about),
        f"## Compression\n\n{_compression(content, student, layers)}",
        f"## Measured\n\n{_measured(content, student, exports)}",
        report.exports(exports),
        "Error is the largest absolute difference of a logit from the Keras student's, and "
        "agreement the share of examples with the same answer; both on synthetic data that no "
        "student has learned from, and on real test data where there were some.",
        f"## Input\n\n{_input(about, raw)}",
        f"## Output\n\n{_output(about)}",
        *_integers(about, quantisation),
        f"## Licence\n\n{_LICENCE}",
        f"## Limits\n\n{_LIMITS}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_LICENCE = (
    "None is given here. A student holds what its teacher knew: whoever passes it on chooses a "
    "licence that the teacher's allows, and writes it in this place."
)
_LIMITS = """- It is right as often as measured above only on data like those it was measured on.
- Agreement on synthetic data says how well it copies its teacher, not how often either is right.
- It answers with one of its classes whatever it is shown; probabilities are not calibrated.
- It has whatever bias the teacher has; compression can cost rare classes more than frequent ones.
- Fewer parameters are not a promise of lower latency: `kegnet-benchmark --exports=FOLDER` measures
  it beside the teacher's."""


def _origin(config, content, student, about):
    steps = config.distillation.epochs * config.distillation.steps_per_epoch
    drawn = (
        f"It was distilled without data: {steps:,} steps on what {len(content['generators'])} "
        "generators, learned from the teacher alone,"
    )
    mixture = config.synthesis.get("mixture", {})
    mixed = {source for source, share in mixture.items() if share and source != "kegnet"}
    if len(about["input_shape"]) != 3 and "procedural" in mixed:
        mixed = mixed - {"procedural"} | {"gaussian"}
    others = " and ".join(_SOURCES[source] for source in sorted(mixed))
    how = {
        "tucker": "It is the teacher after Tucker decomposition, with no distillation",
        "kegnet": f"{drawn} draw",
        "kegnet+": f"{drawn} draw, mixed with {others}" if others else f"{drawn} draw",
        **{
            source: f"It was distilled for {steps:,} steps on {data}"
            for source, data in _SOURCES.items()
        },
    }[student["arm"]]
    return (
        f"{how} (KegNet, NeurIPS 2019; kegnet_tf {content['versions']['kegnet-tf']}, seed "
        f"{student['seed']}).\n\nThe teacher's weights have the SHA-256 digest "
        f"`{about['teacher_digest']}`. The files for int8 were calibrated on "
        f"{about['calibration_size']:,} examples, "
        f"{_CALIBRATION.get(about['calibration'], 'of a file that was given')}, times "
        f"{about['headroom']:g}."
    )


_SOURCES = {
    "uniform": "uniform noise",
    "gaussian": "Gaussian noise",
    "procedural": "procedural images",
}
_CALIBRATION = {
    "kegnet": "drawn by the generators",
    "kegnet+": "of the mixture above",
    **{source: f"of {data}" for source, data in _SOURCES.items()},
    "train": "of the real training data",
}


def _compression(content, student, layers):
    parameters = content["teacher"]["parameters"], student["parameters"]
    text = (
        f"{parameters[1]:,} trainable parameters where the teacher has {parameters[0]:,}: "
        f"a ratio of {student['compression_ratio']:.2f}."
    )
    return f"{text}\n\n{report.layers(layers)}" if layers else text


def _measured(content, student, exports):
    lines = [f"- Agreement with the teacher on synthetic data: {student['agreement']:.2%}"]
    if student["accuracy"] is not None:
        lines.append(
            f"- Accuracy on real test data: {student['accuracy']:.2%} (balanced over classes "
            f"{student['balanced_accuracy']:.2%}); teacher {content['teacher']['accuracy']:.2%}"
        )
    elif any(row.get("accuracy") is not None for row in exports):
        lines.append("- Accuracy on real test data: measured for the files only, see below")
    else:
        lines.append("- Accuracy on real test data: not measured, there were none")
    return "\n".join(lines)


def _input(about, raw):
    shape = ", ".join(str(side) for side in ("batch", *about["input_shape"]))
    text = f"`x`, float32, [{shape}]: "
    if raw is None:
        return (
            f"{text}what the teacher eats. Nothing tells its units; it learned here from values of "
            "mean 0 and deviation 1 in each channel or feature."
        )
    if not raw:
        return (
            f"{text}raw values, as the teacher eats them; the model standardises them itself. The "
            "SavedModel's signature `serving_raw` is the same."
        )
    mean, std = raw
    if len(about["input_shape"]) == 3:
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


def _output(about):
    return (
        f"`logits`, float32, [batch, {about['num_classes']}]: any real numbers, whose softmax is "
        "the probability of each class. The largest is the answer, and its name stands in "
        "`labels.txt`, a line a class."
    )


def _integers(about, quantisation):
    if not quantisation:
        return []
    lines = [
        "## Integers in and out",
        "A file with uint8 in and out holds, for each real number r, the integer "
        "q = round(r / scale) + zero point, cut to [0, 255].",
        "\n".join(
            f"- `{path}`: `x` has scale {x[0]:.8g} and zero point {x[1]}, `logits` scale "
            f"{logits[0]:.8g} and zero point {logits[1]}"
            for path, (x, logits) in quantisation.items()
        ),
    ]
    return ["\n\n".join(lines)]


def _list(values):
    shown = ", ".join(f"{value:.4g}" for value in list(values)[:8])
    return shown + (", …" if len(values) > 8 else "")
