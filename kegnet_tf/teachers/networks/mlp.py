import keras
from keras import layers


def mlp(
    input_shape: tuple[int],
    num_classes: int,
    units: int = 100,
    hidden_layers: int = 11,
    dropout: float = 0.15,
    seed: int | None = None,
) -> keras.Model:
    """Multilayer perceptron with ELU and dropout, the paper's teacher for tables.

    Its first layer, `normalization`, standardises raw rows once it is adapted to them; until then
    it leaves them as they are. The dense layers are called `fc1` to `fc12`, the last one of which
    gives the logits.

    Args:
        input_shape: (features,).
        num_classes: length of the logits.
        units: of each hidden layer; the size that gives the paper's compression ratios.
        hidden_layers: how many; the number that gives the paper's compression ratios.
        dropout: share of the hidden units that training leaves out.
        seed: integer that fixes the initial weights and the order of the dropout, or None.

    Returns:
        A functional model from rows, [batch, features], to logits, [batch, num_classes].

    Raises:
        ValueError: if the input is not flat, or a size is not positive.
    """
    if len(input_shape) != 1:
        raise ValueError(f"`input_shape` must be (features,). Received: {input_shape}.")
    if min(*input_shape, num_classes, units, hidden_layers) < 1:
        raise ValueError(
            "`input_shape`, `num_classes`, `units` and `hidden_layers` must be positive. "
            f"Received: {input_shape}, {num_classes}, {units}, {hidden_layers}."
        )
    # With dropout in eleven layers, He's variance learns more slowly.
    initializer = keras.initializers.LecunNormal(keras.random.SeedGenerator(seed))

    inputs = keras.Input(input_shape, name="x")
    x = layers.Normalization(name="normalization")(inputs)
    for number in range(1, hidden_layers + 1):
        name = f"fc{number}"
        x = layers.Dense(units, "elu", kernel_initializer=initializer, name=name)(x)
        each = None if seed is None else seed + number
        x = layers.Dropout(dropout, seed=each, name=f"dropout{number}")(x)
    name = f"fc{hidden_layers + 1}"
    logits = layers.Dense(num_classes, kernel_initializer=initializer, name=name)(x)
    return keras.Model(inputs, logits, name="mlp")
