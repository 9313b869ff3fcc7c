"""A user's pictures that students learn from: which students do, and the sentence that says so."""

from collections.abc import Sequence

import ml_collections

from kegnet_tf import synthesis


def learners(config: ml_collections.ConfigDict, input_shape: Sequence[int]) -> list[str]:
    """Arms of a preset whose students learn from such pictures, where some are given.

    Args:
        config: a preset.
        input_shape: of one example.
    """
    return [arm for arm in config.arms if arm != "tucker" and _draws(config, input_shape, arm)]


def check(config: ml_collections.ConfigDict, path: str, input_shape: Sequence[int]) -> None:
    """Refuses pictures that no student learns from, or that would measure those who do.

    Args:
        config: a preset whose settings are known.
        path: of the pictures; "" for none.
        input_shape: of one example.

    Raises:
        ValueError: if so.
    """
    if config.source == "unlabeled":
        raise ValueError(
            "`source` must be artificial: agreement is measured on what no student learned from. "
            "Received: 'unlabeled'."
        )
    if path and not learners(config, input_shape):
        arms = ", ".join(config.arms)
        raise ValueError(
            "`unlabeled` must come with an arm that learns from it, such as kegnet+. "
            f"Received: {path}, where `arms` are {arms}."
        )


def check_calibration(run, name: str) -> None:
    """Refuses to calibrate on pictures of a run that are not at hand.

    Args:
        run: a finished `Run`.
        name: one of `synthesis.SOURCES`.

    Raises:
        ValueError: if so.
    """
    used = name == "unlabeled" or run.measured.unlabeled
    if used and run.real.unlabeled is None and _draws(run.config, run.classifier.input_shape, name):
        raise ValueError(
            "`calibration` must be another source where the run's pictures (`unlabeled`) are not "
            f"at hand. Received: {name!r}."
        )


def sentence(run) -> str:
    """What a report says of the pictures that students learned from; "" without any.

    Args:
        run: a `Run`.
    """
    if run.real.unlabeled is None:
        return ""
    shape = run.classifier.input_shape[1:]
    arms = " and ".join(learners(run.config, shape))
    kind = "pictures" if len(shape) == 3 else "rows"
    given = f"{len(run.real.unlabeled):,} unlabelled {kind} of {run.real.options.unlabeled}"
    return f"Students of {arms} also learned from {given}; not data-free."


def _draws(config, input_shape, source):
    images = len(input_shape) >= 3
    return "unlabeled" in synthesis.shares_of(source, config.synthesis.mixture, images, True)
