from collections.abc import Sequence

import keras
from keras import layers

from kegnet_tf.extraction.generators import DEEPEST, WIDEST
from kegnet_tf.teachers import rules


@keras.saving.register_keras_serializable(package="kegnet_tf")
class Decoder(keras.Model):
    """Decoder D: recovers the latent of generated data with ELU layers.

    Args:
        input_shape: shape of x without the batch.
        latent_dim: length of z.
        units: of each hidden layer.
        hidden_layers: how many.
        seed: integer that fixes the initial weights, or None.
        **kwargs: of `keras.Model`.

    Raises:
        ValueError: as from `check`.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        latent_dim: int = 10,
        units: int = 120,
        hidden_layers: int = 1,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.check(latent_dim, units, hidden_layers)
        self.data_shape = tuple(input_shape)
        self.latent_dim = latent_dim
        self.units = units
        self.hidden_layers = hidden_layers
        self.seed = seed
        initializer = keras.initializers.GlorotUniform(keras.random.SeedGenerator(seed))
        hidden = [
            layers.Dense(units, "elu", kernel_initializer=initializer) for _ in range(hidden_layers)
        ]
        self.network = keras.Sequential(
            [
                keras.Input(input_shape),
                layers.Flatten(),
                *hidden,
                layers.Dense(latent_dim, kernel_initializer=initializer),
            ]
        )
        self.built = True

    @staticmethod
    def check(latent_dim: int = 10, units: int = 120, hidden_layers: int = 1) -> None:
        """Refuses sizes that no decoder can have.

        Args:
            latent_dim: as for a new decoder, and so are the others.
            units: same as above.
            hidden_layers: same as above.

        Raises:
            ValueError: if one is no whole number or lies outside its range.
        """
        rules.whole("latent_dim", latent_dim, most=WIDEST)
        rules.whole("units", units, most=WIDEST)
        rules.whole("hidden_layers", hidden_layers, most=DEEPEST)

    def call(self, inputs, training=None):
        return self.network(inputs, training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "input_shape": self.data_shape,
            "latent_dim": self.latent_dim,
            "units": self.units,
            "hidden_layers": self.hidden_layers,
            "seed": self.seed,
        }
