"""The student that a model becomes, with some of its layers decomposed.

A candidate is a `keras.layers.Conv2D` or `keras.layers.Dense`; layers of derived classes, and what
is wrapped in another layer, are not. Its path is its name, or "outer/inner" inside a nested model;
a layer called in several places is one candidate, under the path of its first call. Wherever
candidates are named, a regular expression will do that fits a path, or a layer's own name, in full.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Mapping, Sequence

import keras

from kegnet_tf import teachers
from kegnet_tf.compression import ranks as rank_policies
from kegnet_tf.compression import targets
from kegnet_tf.compression.policies import Policy
from kegnet_tf.compression.tucker import TUCKER


def compress(
    model: keras.Model,
    ranks: str | float | Sequence[int] | Mapping | None = None,
    **asked,
) -> keras.Model:
    """A copy of a model with some layers Tucker-decomposed; the original stays as it is.

    What would not shrink is left alone, and `layer_report` says so; only a pair is always honoured.

    Args:
        model: a built Functional or Sequential model; those nested in it are compressed as well.
        ranks: of `Policy`, and so are the others: `energy`, `target_ratio`, `target_macs`,
            `target_kb`, `target_latency`, `layers`, `skip`, `start` and `seed`.
        **asked: same as above.

    Returns:
        A Functional model, not compiled, every layer trainable, every other weight copied.

    Raises:
        ValueError: as from `Policy`, or if the model has no graph, a name fits no candidate
            (in `ranks`: none that is not excluded and can be decomposed), a pair lies outside, or
            the target is out of reach.
    """
    policy = Policy(ranks, **asked)
    calls = teachers.calls_of_kinds(model, TUCKER)
    free = candidates_of(model, policy)
    answers = {layer: _obstacle(layer) or "not chosen" for layer in calls}
    if policy.target:
        free = {layer: calls[layer][1] for layer in free.values()}
        tried = functools.partial(decomposed, model, iterate=False)
        asked = policy.target, getattr(policy, policy.target)
        answers |= targets.reached(model, free, *asked, tried)
    else:
        answers |= _answers(free, policy.ranks, policy.energy)
    student = decomposed(model, answers, iterate=policy.start != "svd")
    if policy.start == "random":
        _draw(student, policy.seed)
    return student


def largest_ratio(model: keras.Model, **asked) -> float:
    """The largest `target_ratio` of a model; arguments as those of `compress`."""
    calls = teachers.calls_of_kinds(model, TUCKER)
    free = candidates_of(model, Policy(**asked)).values()
    return targets.largest_ratio(model, {layer: calls[layer][1] for layer in free})


def candidates_of(model: keras.Model, policy: Policy) -> dict[str, keras.layers.Layer]:
    """The layers that a policy may decompose, by path.

    Args:
        model: as in `compress`.
        policy: whose `layers` and `skip` count.

    Raises:
        ValueError: if the model has no graph, or a name fits no candidate.
    """
    calls = teachers.calls_of_kinds(model, TUCKER)
    candidates = {path: layer for layer, (path, _) in calls.items()}
    chosen = candidates.keys()
    if policy.layers:
        chosen = _matching("layers", policy.layers, candidates)
    chosen = chosen - _matching("skip", policy.skip or (), candidates)
    return {
        path: layer for path, layer in candidates.items() if path in chosen and not _obstacle(layer)
    }


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


def _answers(free, ranks, energy):
    """Ranks, or why there are none, by layer, for those among `free` that the policy names."""
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


def decomposed(model: keras.Model, answers: Mapping, iterate: bool = True) -> keras.Model:
    """A copy of a model with some layers decomposed.

    Args:
        model: as in `compress`.
        answers: by layer, its ranks (in, out), or a text that says why it is left alone.
        iterate: as in `TuckerConv2D.from_layer`.
    """

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
