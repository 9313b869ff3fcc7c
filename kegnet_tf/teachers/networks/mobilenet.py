import keras
from keras import layers

STAGES = ((64, 2), (96, 1), (96, 1), (160, 2), (160, 1), (160, 1), (192, 1))


def mobilenet(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    seed: int | None = None,
    width: float = 1.0,
) -> keras.Model:
    """MobileNet (Howard et al., 2017) for small images: depthwise separable convolutions, ReLU6.

    A convolution of 32 channels and seven blocks of 64 to 192, the first and the fourth at half the
    size of what comes before. Its layers are called `conv` and `bn`, `block1_depthwise`,
    `block1_depthwise_bn`, `block1_pointwise`, `block1_pointwise_bn` to `block7_pointwise_bn`, and
    `fc`; with the default arguments it has 131,306 parameters, 127,850 of them trainable.

    Args:
        input_shape: (height, width, channels).
        num_classes: length of the logits.
        seed: integer that fixes the initial weights, or None.
        width: what the numbers of channels are multiplied by, above 0.

    Returns:
        A functional model from images, [batch, height, width, channels], standardised, to logits,
        [batch, num_classes].
    """
    initializer = keras.initializers.HeNormal(keras.random.SeedGenerator(seed))

    def normalised(x, name):
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}bn")(x)
        return layers.ReLU(6, name=f"{name}relu")(x)

    def conv(x, filters, size, name):
        options = {"padding": "same", "use_bias": False, "kernel_initializer": initializer}
        return layers.Conv2D(round(filters * width), size, name=name, **options)(x)

    inputs = keras.Input(input_shape, name="x")
    x = normalised(conv(inputs, 32, 3, "conv"), "")
    for number, (filters, strides) in enumerate(STAGES, 1):
        name = f"block{number}_depthwise"
        x = layers.DepthwiseConv2D(
            3, strides, "same", use_bias=False, depthwise_initializer=initializer, name=name
        )(x)
        x, name = normalised(x, f"{name}_"), f"block{number}_pointwise"
        x = normalised(conv(x, filters, 1, name), f"{name}_")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(num_classes, kernel_initializer=initializer, name="fc")(x)
    return keras.Model(inputs, logits, name="mobilenet")
