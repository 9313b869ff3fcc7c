import keras
import numpy as np
from keras import ops

from kegnet_tf import vbmf
from kegnet_tf.layers import TuckerConv2D, TuckerDense


def vbmf_ranks(layer):
    """Ranks (in, out) by variational Bayes on the two channel unfoldings of a layer's kernel."""
    kernel = ops.convert_to_numpy(layer.kernel)
    return tuple(
        vbmf.rank(np.moveaxis(kernel, mode, 0).reshape(kernel.shape[mode], -1), minimum=1)
        for mode in (-2, -1)
    )


def compress(model, ranks):
    """A copy of a model with some layers Tucker-decomposed; the original stays as it is.

    Args:
        model: a Functional or Sequential model.
        ranks: by layer name, "vbmf" or (in, out).

    Returns:
        A model with every other weight copied.

    Raises:
        ValueError: if a name is unknown, its layer cannot be decomposed or its ranks lie outside.
    """
    kinds = {keras.layers.Conv2D: TuckerConv2D, keras.layers.Dense: TuckerDense}
    names = [layer.name for layer in model.layers if type(layer) in kinds]
    for name in ranks:
        if name not in names:
            raise ValueError(f"`ranks` must name layers among {names}. Received: {name!r}.")

    def clone(layer):
        if layer.name in ranks:
            pair = ranks[layer.name]
            pair = vbmf_ranks(layer) if pair == "vbmf" else tuple(pair)
            return kinds[type(layer)].from_layer(layer, pair)
        return layer.__class__.from_config(layer.get_config())

    student = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.name not in ranks:
            student.get_layer(layer.name).set_weights(layer.get_weights())
    return student
