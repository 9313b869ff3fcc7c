"""Models that show what goes on inside of another: the inputs or outputs of some of its layers."""

from collections.abc import Callable

import keras


def showing(
    model: keras.Model,
    chosen: Callable[[str, keras.layers.Layer], bool],
    inputs: bool = False,
) -> tuple[keras.Model, list[tuple[str, keras.layers.Layer]]]:
    """A model of the same layers that gives more than its output.

    Args:
        model: a Functional or built Sequential model of one input and one output. Layers are found
            in its graph and in those of the models nested in it that have one input and one output;
            one that is called twice counts twice.
        chosen: function of a layer's path, "outer/inner" inside a nested model, and the layer.
        inputs: whether what comes to a layer is shown, in place of what leaves it.

    Returns:
        (shown, layers): a Functional model from x to a list, the output and what is shown of each
        layer that is chosen, or to the output alone where none is; and paths and layers, in order.
    """
    return _showing(model, chosen, inputs, "")


def _showing(model, chosen, inputs, prefix):
    layers, tensors = [], []

    def call(layer, *args, **kwargs):
        if _is_chain(layer):
            # A model of its own, since a clone starts at new inputs.
            inner, found = _showing(layer, chosen, inputs, f"{prefix}{layer.name}/")
            outputs, *shown = keras.tree.flatten(inner(*args))
            layers.extend(found)
            tensors.extend(shown)
            return outputs
        outputs = layer(*args, **kwargs)
        if chosen(path := prefix + layer.name, layer):
            layers.append((path, layer))
            tensors.append(args[0] if inputs else outputs)
        return outputs

    graph = keras.Model(model.inputs[0], model.outputs[0])
    copy = keras.models.clone_model(graph, clone_function=lambda each: each, call_function=call)
    (outputs,) = copy.outputs
    return keras.Model(copy.inputs[0], [outputs, *tensors] if tensors else outputs), layers


def _is_chain(layer):
    """Whether a layer is a model with a graph from one bare tensor to one."""
    if isinstance(layer, keras.Sequential):
        return layer.built
    ends = (layer.input, layer.output) if isinstance(layer, keras.Function) else ([],)
    return not any(map(keras.tree.is_nested, ends))
