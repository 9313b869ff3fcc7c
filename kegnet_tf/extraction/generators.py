import math
from collections.abc import Sequence

import keras
from keras import layers, ops

from kegnet_tf.teachers import rules

WIDEST, DEEPEST = 2**16, 16  # of a layer's units or filters, and of layers: 16 GiB in one kernel


@keras.saving.register_keras_serializable(package="kegnet_tf")
class ImageGenerator(keras.Model):
    """Generator G of images: dense layers, then transposed convolutions that double the size.

    Every hidden layer has batch norm and ReLU. The first transposed convolution, from one pixel
    to the smallest image, is written as the dense layer that it is. The output passes a tanh;
    then each channel of each image is standardised.

    A picture with a side of more than `resolution` pixels is drawn at a half, a third ... of its
    size, the first that fits, and enlarged by bilinear interpolation: so a large picture costs its
    generator what a small one does, and is smooth.

    Args:
        image_shape: (height, width, channels), at least 8 pixels each way.
        num_classes: length of y.
        latent_dim: length of z.
        units: of the dense layers.
        filters: of the transposed convolutions but the last, which has the image's channels.
            Each entry doubles the size once.
        resolution: pixels of the longer side that is drawn at most, 16 or more.
        seed: integer that fixes the initial weights, or None.
        **kwargs: of `keras.Model`.

    Raises:
        ValueError: as from `check`.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 10,
        units: Sequence[int] = (256, 128),
        filters: Sequence[int] = (64, 16, 4),
        resolution: int = 64,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.check(image_shape, num_classes, latent_dim, units, filters, resolution)
        self.image_shape = tuple(image_shape)
        self.num_classes = num_classes
        self.latent_dim = latent_dim
        self.units = tuple(units)
        self.filters = tuple(filters)
        self.resolution = resolution
        self.seed = seed
        self.network = self._network()
        self.built = True

    @staticmethod
    def check(
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 10,
        units: Sequence[int] = (256, 128),
        filters: Sequence[int] = (64, 16, 4),
        resolution: int = 64,
    ) -> None:
        """Refuses sizes that no generator can have.

        Args:
            image_shape: as for a new generator, and so are the others.
            num_classes: same as above.
            latent_dim: same as above.
            units: same as above.
            filters: same as above.
            resolution: same as above.

        Raises:
            ValueError: if the image is smaller than 8 pixels, or a size is no whole number or lies
                outside its range.
        """
        sides = zip(image_shape, (8, 8, 1), strict=False)
        if len(image_shape) != 3 or not all(
            rules.is_whole(side) and side >= least for side, least in sides
        ):
            rule = "be (height, width, channels), at least 8 pixels each way"
            raise rules.refusal("image_shape", rule, image_shape)
        _check_widths(num_classes, latent_dim, units)
        rules.entries("filters", filters, 1, DEEPEST)
        for each in filters:
            rules.whole("filters", each, most=WIDEST)
        rules.whole("resolution", resolution, 16)

    def _network(self):
        initializer = keras.initializers.GlorotUniform(keras.random.SeedGenerator(self.seed))
        doublings = len(self.filters)
        drawn = drawn_shape(self.image_shape, self.resolution)
        height, width = (math.ceil(side / 2**doublings) for side in drawn)
        shared = {"use_bias": False, "kernel_initializer": initializer}
        network = [keras.Input((self.num_classes + self.latent_dim,))]

        def hidden(*linear):
            # 0.9 is the release's momentum in Keras' sense.
            network.extend([*linear, layers.BatchNormalization(momentum=0.9), layers.ReLU()])

        for units in self.units:
            hidden(layers.Dense(units, **shared))
        smallest = (height, width, self.filters[0])
        hidden(layers.Dense(math.prod(smallest), **shared), layers.Reshape(smallest))
        for filters in self.filters[1:]:
            hidden(layers.Conv2DTranspose(filters, 4, 2, "same", **shared))
        network.append(
            layers.Conv2DTranspose(
                self.image_shape[2], 4, 2, "same", activation="tanh", kernel_initializer=initializer
            )
        )
        surplus = (
            height * 2**doublings - drawn[0],
            width * 2**doublings - drawn[1],
        )
        if any(surplus):
            network.append(
                layers.Cropping2D([(extra // 2, extra - extra // 2) for extra in surplus])
            )
        if drawn != self.image_shape[:2]:
            network.append(layers.Resizing(*self.image_shape[:2], "bilinear"))
        return keras.Sequential(network)

    def call(self, inputs, training=None):
        x = self.network(ops.concatenate(inputs, axis=-1), training=training)
        mean, variance = ops.moments(x, axes=[1, 2], keepdims=True)
        return (x - mean) * ops.rsqrt(variance + keras.config.epsilon())

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "num_classes": self.num_classes,
            "latent_dim": self.latent_dim,
            "units": self.units,
            "filters": self.filters,
            "resolution": self.resolution,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="kegnet_tf")
class DenseGenerator(keras.Model):
    """Generator G of vectors: dense layers.

    Every hidden layer has ELU, then batch norm. The output passes a batch norm without gamma and
    beta, which standardises each feature over the batch.

    Args:
        features: length of x.
        num_classes: length of y.
        latent_dim: length of z.
        units: of the hidden layers.
        seed: integer that fixes the initial weights, or None.
        **kwargs: of `keras.Model`.

    Raises:
        ValueError: as from `check`.
    """

    def __init__(
        self,
        features: int,
        num_classes: int,
        latent_dim: int = 10,
        units: Sequence[int] = (120, 120),
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.check(features, num_classes, latent_dim, units)
        self.features = features
        self.num_classes = num_classes
        self.latent_dim = latent_dim
        self.units = tuple(units)
        self.seed = seed
        self.network = self._network()
        self.built = True

    @staticmethod
    def check(
        features: int,
        num_classes: int,
        latent_dim: int = 10,
        units: Sequence[int] = (120, 120),
    ) -> None:
        """Refuses sizes that no generator can have.

        Args:
            features: as for a new generator, and so are the others.
            num_classes: same as above.
            latent_dim: same as above.
            units: same as above.

        Raises:
            ValueError: if a size is no whole number or lies outside its range.
        """
        rules.whole("features", features)
        _check_widths(num_classes, latent_dim, units)

    def _network(self):
        initializer = keras.initializers.GlorotUniform(keras.random.SeedGenerator(self.seed))
        network = [keras.Input((self.num_classes + self.latent_dim,))]
        for units in self.units:
            network.append(layers.Dense(units, "elu", kernel_initializer=initializer))
            network.append(layers.BatchNormalization(momentum=0.9))
        network.append(layers.Dense(self.features, use_bias=False, kernel_initializer=initializer))
        network.append(layers.BatchNormalization(momentum=0.9, center=False, scale=False))
        return keras.Sequential(network)

    def call(self, inputs, training=None):
        return self.network(ops.concatenate(inputs, axis=-1), training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "features": self.features,
            "num_classes": self.num_classes,
            "latent_dim": self.latent_dim,
            "units": self.units,
            "seed": self.seed,
        }


def drawn_shape(image_shape: Sequence[int], resolution: int) -> tuple[int, int]:
    """(height, width) of the picture that a generator draws before it is enlarged.

    Args:
        image_shape: (height, width, channels).
        resolution: pixels of the longer side at most.
    """
    height, width = image_shape[:2]
    times = max(1, math.ceil(max(height, width) / resolution))
    return math.ceil(height / times), math.ceil(width / times)


def _check_widths(num_classes, latent_dim, units):
    rules.whole("num_classes", num_classes)
    rules.whole("latent_dim", latent_dim, most=WIDEST)
    rules.entries("units", units, most=DEEPEST)
    for each in units:
        rules.whole("units", each, most=WIDEST)
