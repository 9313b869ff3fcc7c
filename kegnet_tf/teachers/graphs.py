"""Surgery on the graphs of Keras models: finding layers, copying, and copying with a change."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import keras


def has_graph(model: keras.Model) -> bool:
    """Whether a model is Functional, or Sequential and built."""
    return isinstance(model, keras.Function) or (
        isinstance(model, keras.Sequential) and model.built
    )


def layers_of_kind(model: keras.Model, kind: type | tuple) -> Iterator[keras.layers.Layer]:
    """The layers of a kind among a model's layers and those of the models nested in it."""
    for layer in model.layers:
        if isinstance(layer, kind):
            yield layer
        elif hasattr(layer, "layers"):
            yield from layers_of_kind(layer, kind)


def every_layer(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Each layer in a model once, with those that nested models and other layers hold.

    These come right behind the one that holds them, last one first: the order of Keras' own walk.
    """
    waiting, seen = _held(model)[::-1], set()
    while waiting:
        layer = waiting.pop()
        if layer not in seen:
            seen.add(layer)
            yield layer
            waiting.extend(_held(layer))


def _held(layer):
    if isinstance(layer, keras.Model):
        return layer.layers
    several = (each if isinstance(each, list | tuple) else [each] for each in vars(layer).values())
    return [each for one in several for each in one if isinstance(each, keras.layers.Layer)]


def calls_of_kinds(
    model: keras.Model, kinds: Iterable[type], prefix: str = ""
) -> dict[keras.layers.Layer, tuple[str, list[tuple]]]:
    """Where the layers of some kinds are called, in the order of the model.

    Args:
        model: a built Functional or Sequential model.
        kinds: classes; layers of derived ones, and what is wrapped in a layer, are left out.
        prefix: of the paths.

    Returns:
        {layer: (path, shapes of its inputs, one a call)}; the path is that of the first call, the
        layer's name, or "outer/inner" inside a nested model.

    Raises:
        ValueError: if the model has no graph.
    """
    found = {}
    graph = _functional(model)
    for layer, config in zip(graph.operations, graph.get_config()["layers"], strict=True):
        for node in config["inbound_nodes"]:
            if isinstance(layer, keras.Function | keras.Sequential):
                inner = calls_of_kinds(layer, kinds, f"{prefix}{layer.name}/")
            elif type(layer) in kinds:
                tensor, *_ = *node["args"], *node["kwargs"].values()
                inner = {layer: (prefix + layer.name, [tensor["config"]["shape"]])}
            else:
                inner = {}
            for one, (path, shapes) in inner.items():
                found.setdefault(one, (path, []))[1].extend(shapes)
    return found


def plain(model: keras.Model, argument: str = "teacher") -> keras.Model:
    """A Functional model of the same layers, from one tensor to one tensor.

    Args:
        model: Functional, Sequential, or subclassed and built on one tensor.
        argument: what a refusal calls it.

    Raises:
        ValueError: if there are more inputs or outputs than one, or the input's shape is unknown.
    """
    if has_graph(model):
        inputs, outputs = model.inputs, model.outputs
    else:
        shape = (model.get_build_config() or {}).get("input_shape") or [()]
        if not all(isinstance(size, int | None) for size in shape):
            raise ValueError(
                f"`{argument}` must be Functional, or have been built on one tensor. "
                f"Received: {type(model).__name__} {model.name!r}, whose input shape is unknown."
            )
        inputs = [keras.Input(shape[1:])]
        outputs = keras.tree.flatten(model(inputs[0]))
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"`{argument}` must have one input and one output. Received: "
            f"inputs {[i.shape for i in inputs]}, outputs {[o.shape for o in outputs]}."
        )
    return keras.Model(inputs[0], outputs[0], name=model.name)


def _functional(model):
    """A Functional model of the same layers, with no class or compilation of its own."""
    if isinstance(model, keras.Function):
        return keras.Model(model.input, model.output, name=model.name)
    if has_graph(model):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    raise ValueError(
        "`model` must be a built Functional or Sequential model: a subclassed one cannot be "
        "rewritten, but a functional student can be given instead with --student=arch.keras. "
        f"Received: {type(model).__name__}."
    )


def make_trainable(model: keras.Model) -> None:
    """Unfreezes a model and every layer in it."""
    # Keras ignores a value that stands already, frozen parts below or not.
    model.trainable = False
    model.trainable = True


def rebuilt(
    model: keras.Model,
    replacement: Callable[[keras.layers.Layer], keras.layers.Layer | None],
) -> tuple[keras.Model, dict]:
    """A trainable copy of a model, with other layers in the place of some.

    Args:
        model: a built Functional or Sequential model.
        replacement: function from a layer that is no model to the built one in its place, or to
            None for a copy with the same weights.

    Returns:
        (copy, copies): the copy, and what each layer has become, by layer.

    Raises:
        ValueError: if the model, or one nested in it, has no graph.
    """
    copies, same = {}, []

    def copy(layer):
        if layer not in copies:
            if isinstance(layer, keras.Function | keras.Sequential):
                copies[layer] = _clone(_functional(layer), copy)
            elif (other := replacement(layer)) is not None:
                copies[layer] = other
            else:
                code = {"safe_mode": False} if isinstance(layer, keras.layers.Lambda) else {}
                copies[layer] = type(layer).from_config(layer.get_config(), **code)
                same.append(layer)
        return copies[layer]

    made = copy(model)
    for layer in same:  # an operation such as + has no variables
        variables = (getattr(one, "variables", []) for one in (layer, copies[layer]))
        for old, new in zip(*variables, strict=True):
            new.assign(old)
        if isinstance(layer, keras.layers.Normalization):
            copies[layer].finalize_state()  # its call reads constants made of the variables
    make_trainable(made)
    return made, copies


def _clone(graph, copy):
    """Keras' clone, but with the input layers' own names."""
    inputs = {
        id(layer.output): type(layer).from_config(layer.get_config()).output
        for layer in graph.layers
        if isinstance(layer, keras.layers.InputLayer)
    }
    inputs = keras.tree.map_structure(lambda tensor: inputs[id(tensor)], graph.input)
    return keras.models.clone_model(graph, input_tensors=inputs, clone_function=copy)


def copy_with_policy(model: keras.Model, mixed_precision: str, synchronized: bool) -> keras.Model:
    """A copy with the same weights that computes in another precision.

    Args:
        model: a Keras model that can be made again from its configuration.
        mixed_precision: "bfloat16" or "float16" for Keras' policy of that name; "" for its own.
        synchronized: whether BatchNorm normalises by the batch of all devices together.
    """
    policy = f"mixed_{mixed_precision}" if mixed_precision else None
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy or before)  # of what a subclassed model makes for itself
    try:
        copy = type(model).from_config(_with_policy(model.get_config(), policy))
    finally:
        keras.config.set_dtype_policy(before)
    copy.set_weights(model.get_weights())
    if synchronized:
        for layer in layers_of_kind(copy, keras.layers.BatchNormalization):
            layer.synchronized = True
    return copy


def _with_policy(config, policy):
    """A configuration with another policy wherever a layer states its own."""
    if isinstance(config, list | tuple):
        return type(config)(_with_policy(entry, policy) for entry in config)
    if not isinstance(config, dict):
        return config
    rewritten = {key: _with_policy(entry, policy) for key, entry in config.items()}
    if policy and isinstance(config.get("dtype"), dict):  # an input's is a name
        rewritten["dtype"] = policy
    return rewritten


@contextlib.contextmanager
def without_dropout(model: keras.Model) -> Iterator[None]:
    """Switches a model's dropout layers off, and on again at the end."""
    kinds = keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout
    layers = list(layers_of_kind(model, kinds))
    rates = [layer.rate for layer in layers]
    try:
        for layer in layers:
            layer.rate = 0.0
        yield
    finally:
        for layer, rate in zip(layers, rates, strict=True):
            layer.rate = rate


def without_activation(model: keras.Model, head: keras.layers.Layer) -> keras.Model:
    """A model whose head answers with what its activation is applied to.

    Args:
        model: a Functional model.
        head: its last layer. A `Dense` or `EinsumDense` is changed in place; any other is taken to
            be the activation itself, and left out.
    """
    if type(head) in (keras.layers.Dense, keras.layers.EinsumDense):
        head.activation = keras.activations.linear
        return model

    def call(layer, *args, **kwargs):
        return (*args, *kwargs.values())[0] if layer is head else layer(*args, **kwargs)

    return keras.models.clone_model(model, model.input, lambda layer: layer, call)


def followed(model: keras.Model, layer: keras.layers.Layer) -> keras.Model:
    """A model of the same layers, with one more behind its output."""
    return keras.Model(model.input, layer(model.output), name=model.name)
