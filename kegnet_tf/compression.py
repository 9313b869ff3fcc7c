"""Ranks for the layers of a whole model, and the student that they make.

A candidate is a `keras.layers.Conv2D` or `keras.layers.Dense`; layers of derived classes, and what
is wrapped in another layer, are not. Its path is its name, or "outer/inner" inside a nested model;
a layer called in several places is one candidate, under the path of its first call. Wherever
candidates are named, a regular expression will do that fits a path, or a layer's own name, in full.
"""

import math
import re

import keras
import numpy as np
from keras import ops

from kegnet_tf import rank_policies
from kegnet_tf.layers import TuckerConv2D, TuckerDense

STARTS = ("hooi", "svd", "random")
_TUCKER = {keras.layers.Conv2D: TuckerConv2D, keras.layers.Dense: TuckerDense}


def compress(
    model,
    ranks=None,
    *,
    energy=None,
    target_ratio=None,
    layers=(),
    skip=(),
    start="hooi",
    seed=0,
):
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
        ValueError: if the model has no graph, a name fits no candidate (in `ranks`: none that is
            not excluded and can be decomposed), a value lies outside, `start` is unknown, or the
            ratio is out of reach.
    """
    if start not in STARTS:
        raise ValueError(f"`start` must be one of {', '.join(STARTS)}. Received: {start!r}.")
    if sum(value is not None for value in (ranks, energy, target_ratio)) > 1:
        raise ValueError(
            "At most one of `ranks`, `energy` and `target_ratio` must be given. "
            f"Received: {ranks!r}, {energy!r} and {target_ratio!r}."
        )
    candidates = {path: layer for layer, (path, _) in _calls(model).items()}
    chosen = _matching("layers", layers, candidates) if layers else candidates.keys()
    chosen = chosen - _matching("skip", skip or (), candidates)
    answers = {layer: _obstacle(layer) or "not chosen" for layer in candidates.values()}
    free = {
        path: layer for path, layer in candidates.items() if path in chosen and not _obstacle(layer)
    }
    if target_ratio is not None:
        total = sum(math.prod(v.shape) for v in _rebuild(model, {}).trainable_variables)
        answers |= rank_policies.spend(list(free.values()), total, target_ratio)
    elif isinstance(ranks, dict):
        for name, value in ranks.items():
            for path in _matching("ranks", [name], free):
                answers[free[path]] = rank_policies.choose(free[path], value)
    else:
        ranks = "vbmf" if ranks is None else ranks
        answers |= {layer: rank_policies.choose(layer, ranks, energy) for layer in free.values()}
    student = _rebuild(model, answers, iterate=start != "svd")
    if start == "random":
        _draw(student, seed)
    return student


def layer_report(model, student):
    """What became of each candidate, in the order of the model.

    Args:
        model: the model that was compressed.
        student: what `compress` made of it.

    Returns:
        A list of {"name", "ranks", "parameters", "multiply_adds", "error", "note"}. `name` is the
        path; `ranks` is None where the layer was left alone, and `note`, else "", says why ("left
        alone" if the student was loaded from a file); the next two are (before, after), the
        multiply-adds those of one example over all calls, None where an input's size is open;
        `error` is the kernel's relative Frobenius error.

    Raises:
        ValueError: if `student` was not made of `model`.
    """
    kinds = {*_TUCKER, *_TUCKER.values()}
    made = {path: layer for layer, (path, _) in _calls(student, kinds).items()}
    rows = []
    for layer, (path, shapes) in _calls(model).items():
        if path not in made:
            raise ValueError(f"`student` must be made of `model`. Received: one without {path!r}.")
        both = layer, made[path]
        ranks = getattr(made[path], "ranks", None)
        dense = ops.convert_to_numpy(layer.kernel)
        lost = ops.convert_to_numpy(made[path].dense_kernel()) - dense if ranks else 0.0
        rows.append(
            {
                "name": path,
                "ranks": ranks,
                "parameters": tuple(one.count_params() for one in both),
                "multiply_adds": tuple(_multiply_adds(one, shapes) for one in both),
                "error": float(np.linalg.norm(lost) / (np.linalg.norm(dense) or 1.0)),
                "note": "" if ranks else getattr(made[path], "left_alone", "left alone"),
            }
        )
    return rows


def _multiply_adds(layer, shapes):
    """Of one example, over one call for each input shape; None where one is open."""
    if any(None in shape[1:] for shape in shapes):
        return None
    parts = [layer.squeeze, layer.core, layer.expand] if hasattr(layer, "ranks") else [layer]
    total = 0
    for shape in shapes:
        for part in parts:
            shape = part.compute_output_shape(shape)
            total += math.prod(shape[1:]) * math.prod(part.kernel.shape[:-1])
    return total


def _graph(model):
    """A plain Functional model of the same layers, with no class or compilation of its own."""
    if isinstance(model, keras.Function):
        return keras.Model(model.input, model.output, name=model.name)
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    raise ValueError(
        "`model` must be a built Functional or Sequential model: a subclassed one cannot be "
        "rewritten, but a functional student can be given instead with --student=arch.keras. "
        f"Received: {type(model).__name__}."
    )


def _calls(model, kinds=_TUCKER, prefix=""):
    """{layer: (path, shapes of its inputs, one a call)} for the layers of these kinds."""
    found = {}
    graph = _graph(model)
    for layer, config in zip(graph.operations, graph.get_config()["layers"], strict=True):
        for node in config["inbound_nodes"]:
            if isinstance(layer, keras.Function | keras.Sequential):
                inner = _calls(layer, kinds, f"{prefix}{layer.name}/")
            elif type(layer) in kinds:
                tensor, *_ = *node["args"], *node["kwargs"].values()
                inner = {layer: (prefix + layer.name, [tensor["config"]["shape"]])}
            else:
                inner = {}
            for one, (path, shapes) in inner.items():
                found.setdefault(one, (path, []))[1].extend(shapes)
    return found


def _obstacle(layer):
    """Why a candidate cannot be decomposed, or ""."""
    if getattr(layer, "groups", 1) != 1:
        return "grouped"
    return "quantized" if getattr(layer, "quantization_mode", None) else ""


def _matching(argument, patterns, candidates):
    """Paths of the candidates that a pattern fits."""
    found = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        try:
            fits = {
                path
                for path, layer in candidates.items()
                if re.fullmatch(pattern, path) or re.fullmatch(pattern, layer.name)
            }
        except re.error:
            fits = set()
        if not fits:
            raise ValueError(
                f"`{argument}` must name layers among {list(candidates)}. Received: {pattern!r}."
            )
        found |= fits
    return found


def _rebuild(model, answers, iterate=True):
    """A copy of a model in which the layers whose answer is a pair of ranks are decomposed."""
    copies, plain = {}, []

    def copy(layer):
        if layer not in copies:
            if isinstance(layer, keras.Function | keras.Sequential):
                copies[layer] = _clone(_graph(layer), copy)
            elif isinstance(answers.get(layer), tuple):
                copies[layer] = _TUCKER[type(layer)].from_layer(layer, answers[layer], iterate)
            else:
                copies[layer] = type(layer).from_config(layer.get_config())
                plain.append(layer)
        return copies[layer]

    student = copy(model)
    for layer in plain:  # an operation such as + has no variables
        variables = (getattr(one, "variables", []) for one in (layer, copies[layer]))
        for old, new in zip(*variables, strict=True):
            new.assign(old)
        if isinstance(layer, keras.layers.Normalization):
            copies[layer].finalize_state()  # its call reads constants made of the variables
        if layer in answers:
            copies[layer].left_alone = answers[layer]
    # Keras ignores a value that stands already, frozen parts below or not.
    student.trainable = False
    student.trainable = True
    return student


def _draw(student, seed):
    """Draws every variable that has an initialiser anew; what a `Normalization` knows stays."""
    for layer in student._flatten_layers():
        for variable in layer.variables:
            if initializer := getattr(layer, f"{variable.name}_initializer", None):
                settings = initializer.get_config()
                if "seed" in settings:
                    settings["seed"], seed = seed, seed + 1
                variable.assign(type(initializer).from_config(settings)(variable.shape))


def _clone(graph, copy):
    """Keras' clone, but with the input layers' own names."""
    inputs = {
        id(layer.output): type(layer).from_config(layer.get_config()).output
        for layer in graph.layers
        if isinstance(layer, keras.layers.InputLayer)
    }
    inputs = keras.tree.map_structure(lambda tensor: inputs[id(tensor)], graph.input)
    return keras.models.clone_model(graph, input_tensors=inputs, clone_function=copy)
