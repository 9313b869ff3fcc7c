from collections.abc import Sequence

import keras
from keras import layers


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
        ValueError: if a size is not positive.
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
        if min(latent_dim, units, hidden_layers) < 1:
            raise ValueError(
                "`latent_dim`, `units` and `hidden_layers` must be positive. "
                f"Received: {latent_dim}, {units}, {hidden_layers}."
            )
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
