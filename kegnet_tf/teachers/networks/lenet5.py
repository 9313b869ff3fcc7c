import keras
from keras import layers


def lenet5(
    input_shape: tuple[int, int, int] = (32, 32, 1),
    num_classes: int = 10,
    seed: int | None = None,
) -> keras.Model:
    """LeNet5 (LeCun et al., 1998) with ReLU and max pooling, the paper's teacher for MNIST.

    Its convolutions are called `conv1` to `conv3` and its dense layers `fc1` and `fc2`; with the
    default shape it has 61,706 parameters.

    Args:
        input_shape: (height, width, channels), at least 32 pixels each way.
        num_classes: length of the logits.
        seed: integer that fixes the initial weights, or None.

    Returns:
        A functional model from images, [batch, height, width, channels], standardised, to logits,
        [batch, num_classes].

    Raises:
        ValueError: if the images are too small for three convolutions of 5 pixels and two poolings.
    """
    if min(input_shape[:2]) < 32:
        raise ValueError(
            f"`input_shape` must be at least 32 pixels each way. Received: {input_shape}."
        )
    initializer = keras.initializers.GlorotUniform(keras.random.SeedGenerator(seed))

    def conv(filters, name):
        return layers.Conv2D(
            filters, 5, activation="relu", kernel_initializer=initializer, name=name
        )

    inputs = x = keras.Input(input_shape, name="x")
    x = layers.MaxPooling2D(name="pool1")(conv(6, "conv1")(x))
    x = layers.MaxPooling2D(name="pool2")(conv(16, "conv2")(x))
    x = layers.Flatten(name="flatten")(conv(120, "conv3")(x))
    x = layers.Dense(84, activation="relu", kernel_initializer=initializer, name="fc1")(x)
    logits = layers.Dense(num_classes, kernel_initializer=initializer, name="fc2")(x)
    return keras.Model(inputs, logits, name="lenet5")
