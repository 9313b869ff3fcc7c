"""What a teacher's BatchNorm layers still know of the data that it learned from."""

import keras


def present(model):
    """Whether there is a BatchNorm among a model's layers, or those of the models nested in it."""
    return any(
        isinstance(layer, keras.layers.BatchNormalization)
        or (hasattr(layer, "layers") and present(layer))
        for layer in model.layers
    )


def normalised(teacher):
    """The teacher's BatchNorm layers, and a model that shows what comes to them.

    Args:
        teacher: a Functional or built Sequential model from x to logits. BatchNorm layers are found
            in its graph and in those of the models nested in it, of one output each; one that is
            called twice counts twice.

    Returns:
        (watched, layers): a Functional model of the same layers from x to a list, the logits and
        the input of each BatchNorm, [batch, ..., channels] where its axis is the last; and those
        `keras.layers.BatchNormalization`, in that order. No BatchNorm gives ([logits], []).
    """
    layers, tensors = [], []

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.Function | keras.Sequential):
            # A model of its own, since a clone starts at new inputs.
            inner, found = normalised(layer)
            outputs, *shown = inner(*args)
            layers.extend(found)
            tensors.extend(shown)
            return outputs
        if isinstance(layer, keras.layers.BatchNormalization):
            layers.append(layer)
            tensors.append(args[0])
        return layer(*args, **kwargs)

    graph = keras.Model(teacher.inputs[0], teacher.outputs[0])
    copy = keras.models.clone_model(graph, clone_function=lambda each: each, call_function=call)
    return keras.Model(copy.inputs[0], [copy.outputs[0], *tensors]), layers
