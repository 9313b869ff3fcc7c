"""The student that a model becomes, with some of its layers decomposed.

A candidate is a `keras.layers.Conv2D` or `keras.layers.Dense`; layers of derived classes, and what
is wrapped in another layer, are not. Its path is its name, or "outer/inner" inside a nested model;
a layer called in several places is one candidate, under the path of its first call. Wherever
candidates are named, a regular expression will do that fits a path, or a layer's own name, in full.
"""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence

import keras

from kegnet_tf import teachers
from kegnet_tf.compression import ranks as rank_policies
from kegnet_tf.compression.layer_report import trainable_parameters
from kegnet_tf.compression.tucker import TUCKER
from kegnet_tf.teachers import rules

STARTS = ("hooi", "svd", "random")


def compress(
    model: keras.Model,
    ranks: str | float | Sequence[int] | Mapping | None = None,
    *,
    energy: float | None = None,
    target_ratio: float | None = None,
    layers: str | Sequence[str] | None = (),
    skip: str | Sequence[str] | None = (),
    start: str = "hooi",
    seed: int = 0,
) -> keras.Model:
    """A copy of a model with some layers Tucker-decomposed; the original stays as it is.

    At most one of `ranks`, `energy` and `target_ratio` is given; none means `ranks="vbmf"`. What
    would not shrink is left alone, and `layer_report` says so; only a pair is always honoured.

    Args:
        model: a built Functional or Sequential model; those nested in it are compressed as well.
        ranks: "vbmf", a fraction of the channels in (0, 1] or a pair (in, out), each in [1,
            channels]; one for all candidates, or a dict by name.
        energy: share in (0, 1] of the squared singular values that each channel unfolding keeps.
        target_ratio: at least 1; trainable parameters of the model over those of the student, where
            no layer is frozen. Reached from above, with the ranks that make the product of the
            kernels' kept shares of squared norm largest.
        layers: names of the candidates; None or () for all.
        skip: names of candidates to leave alone.
        start: where the student's weights come from: "hooi" for the model's, decomposed by
            higher-order orthogonal iteration; "svd" for the same without iterations; "random" for
            every layer's own initialisers, with BatchNorm as of a new model.
        seed: integer of a random start.

    Returns:
        A Functional model, not compiled, every layer trainable, every other weight copied.

    Raises:
        ValueError: as from `check_policy`, or if the model has no graph, a name fits no candidate
            (in `ranks`: none that is not excluded and can be decomposed), a pair lies outside, or
            the ratio is out of reach.
    """
    check_policy(ranks, energy, target_ratio, layers, skip, start, seed)
    calls = teachers.calls_of_kinds(model, TUCKER)
    candidates = {path: layer for layer, (path, _) in calls.items()}
    chosen = _matching("layers", layers, candidates) if layers else candidates.keys()
    chosen = chosen - _matching("skip", skip or (), candidates)
    free = {
        path: layer for path, layer in candidates.items() if path in chosen and not _obstacle(layer)
    }
    answers = {layer: _obstacle(layer) or "not chosen" for layer in candidates.values()}
    answers |= _answers(model, free, ranks, energy, target_ratio)
    student = _decomposed(model, answers, iterate=start != "svd")
    if start == "random":
        _draw(student, seed)
    return student


def check_policy(
    ranks: str | float | Sequence[int] | Mapping | None = None,
    energy: float | None = None,
    target_ratio: float | None = None,
    layers: str | Sequence[str] | None = (),
    skip: str | Sequence[str] | None = (),
    start: str = "hooi",
    seed: int = 0,
) -> None:
    """Refuses what `compress` can do with no model.

    Args:
        ranks: as for `compress`, and so are the others.
        energy: same as above.
        target_ratio: same as above.
        layers: same as above.
        skip: same as above.
        start: same as above.
        seed: same as above.

    Raises:
        ValueError: if more than one policy is given, or a value is of another kind or outside its
            range.
    """
    rules.choice("start", start, STARTS)
    rules.whole("seed", seed, 0)
    if sum(value is not None for value in (ranks, energy, target_ratio)) > 1:
        raise ValueError(
            "At most one of `ranks`, `energy` and `target_ratio` must be given. "
            f"Received: {ranks!r}, {energy!r} and {target_ratio!r}."
        )
    for name, patterns in (("layers", layers), ("skip", skip)):
        if patterns is not None:
            rules.entries(name, names := [patterns] if isinstance(patterns, str) else patterns)
            for pattern in names:
                _check_pattern(name, pattern)
    if target_ratio is not None and not (rules.is_number(target_ratio) and target_ratio >= 1):
        raise rules.refusal("target_ratio", "lie in [1, what the layers allow]", target_ratio)
    if energy is not None:
        rank_policies.check_share("energy", energy, "lie in")
    if isinstance(ranks, Mapping):
        rules.entries("ranks", list(ranks), 1)
        for name in ranks:
            _check_pattern("ranks", name)
    policies = ranks.values() if isinstance(ranks, Mapping) else [ranks]
    for policy in policies if ranks is not None else ():
        rank_policies.check_ranks(policy)


def _check_pattern(argument, pattern):
    rules.text(argument, pattern)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        rule = f"name layers, by themselves or by regular expressions ({error})"
        raise rules.refusal(argument, rule, pattern) from error


def load_student(path: str | os.PathLike, loading: teachers.Loading | None = None) -> keras.Model:
    """A checked student from a file, with Tucker layers or without.

    Args:
        path: of a `.keras` file of a model that answers in logits.
        loading: what else its file needs; None for `teachers.Loading()`.

    Raises:
        ValueError: as from `teachers.load`.
    """
    loading = loading or teachers.Loading()
    return dataclasses.replace(loading, output="logits", argument="student").load(path)


def _answers(model, free, ranks, energy, target_ratio):
    """Ranks, or why there are none, by layer, for those among `free` that the policy names."""
    if target_ratio is not None:
        total = trainable_parameters(_decomposed(model, {}))
        return rank_policies.spend(list(free.values()), total, target_ratio)
    if isinstance(ranks, Mapping):
        return {
            free[path]: rank_policies.choose(free[path], value)
            for name, value in ranks.items()
            for path in _matching("ranks", [name], free)
        }
    ranks = "vbmf" if ranks is None else ranks
    return {layer: rank_policies.choose(layer, ranks, energy) for layer in free.values()}


def _obstacle(layer):
    """Why a candidate cannot be decomposed, or ""."""
    if getattr(layer, "groups", 1) != 1:
        return "grouped"
    return "quantized" if getattr(layer, "quantization_mode", None) else ""


def _matching(argument, patterns, candidates):
    """Paths of the candidates that a pattern fits."""
    found = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        fits = {
            path
            for path, layer in candidates.items()
            if re.fullmatch(pattern, path) or re.fullmatch(pattern, layer.name)
        }
        if not fits:
            raise ValueError(
                f"`{argument}` must name layers among {list(candidates)}. Received: {pattern!r}."
            )
        found |= fits
    return found


def _decomposed(model, answers, iterate=True):
    """A copy of a model in which the layers whose answer is a pair of ranks are decomposed."""

    def tucker(layer):
        if not isinstance(answers.get(layer), tuple):
            return None
        return TUCKER[type(layer)].from_layer(layer, answers[layer], iterate)

    student, copies = teachers.rebuilt(model, tucker)
    for layer, answer in answers.items():
        if not isinstance(answer, tuple):
            copies[layer].left_alone = answer
    return student


def _draw(student, seed):
    """Draws every variable that has an initialiser anew; what a `Normalization` knows stays."""
    for layer in teachers.every_layer(student):
        for variable in layer.variables:
            if initializer := getattr(layer, f"{variable.name}_initializer", None):
                settings = initializer.get_config()
                if "seed" in settings:
                    settings["seed"], seed = seed, seed + 1
                variable.assign(type(initializer).from_config(settings)(variable.shape))
