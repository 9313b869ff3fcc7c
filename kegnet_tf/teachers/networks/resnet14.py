import keras
from keras import layers


def resnet14(
    input_shape: tuple[int, int, int] = (32, 32, 1),
    num_classes: int = 10,
    seed: int | None = None,
) -> keras.Model:
    """ResNet14 (He et al., 2016), the paper's teacher for Fashion-MNIST and SVHN.

    Three stages of 16, 32 and 64 channels, the later two at half the size of the one before, each
    of two residual blocks. Its layers are called `conv` and `bn`, `stage1_block1_conv1`,
    `stage1_block1_bn1` to `stage3_block2_conv2`, `stage3_block2_bn2`, and `fc`; with the default
    shape it has 172,682 trainable parameters.

    Args:
        input_shape: (height, width, channels).
        num_classes: length of the logits.
        seed: integer that fixes the initial weights, or None.

    Returns:
        A functional model from images, [batch, height, width, channels], standardised, to logits,
        [batch, num_classes].
    """
    initializer = keras.initializers.HeNormal(keras.random.SeedGenerator(seed))

    def conv_bn(x, filters, strides, name):
        padding = "same"
        if strides > 1:
            # PyTorch's one pixel on every side; "same" would pad below and to the right only.
            x, padding = layers.ZeroPadding2D(name=f"{name}_pad")(x), "valid"
        conv = layers.Conv2D(
            filters, 3, strides, padding, kernel_initializer=initializer, name=name
        )
        # Epsilon and momentum are PyTorch's, the latter in Keras' sense.
        bn = name.replace("conv", "bn")
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=bn)(conv(x))

    def block(x, filters, strides, name):
        y = layers.ReLU(name=f"{name}_relu1")(conv_bn(x, filters, strides, f"{name}_conv1"))
        y = conv_bn(y, filters, 1, f"{name}_conv2")
        if strides > 1:
            x = layers.MaxPooling2D(1, strides, name=f"{name}_subsample")(x)
            # Zeros behind the channels: "channels_first" takes the last two axes for the image's.
            behind = ((0, 0), (0, filters - x.shape[-1]))
            x = layers.ZeroPadding2D(behind, "channels_first", name=f"{name}_widen")(x)
        return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([x, y]))

    inputs = keras.Input(input_shape, name="x")
    x = layers.ReLU(name="relu")(conv_bn(inputs, 16, 1, "conv"))
    for stage, filters in enumerate((16, 32, 64), 1):
        x = block(x, filters, 1 if stage == 1 else 2, f"stage{stage}_block1")
        x = block(x, filters, 1, f"stage{stage}_block2")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(num_classes, kernel_initializer=initializer, name="fc")(x)
    return keras.Model(inputs, logits, name="resnet14")
