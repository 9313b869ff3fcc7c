"""Which epoch's student counts."""

import keras


class MostAgreeing(keras.callbacks.Callback):
    """Ends training with the weights of the epoch that agrees best on held-out artificial data.

    `keras.callbacks.EarlyStopping` does so too, but nothing of it can be kept over an interruption.

    Args:
        student: the model whose weights count, trained.

    Attributes:
        kept: the best agreement so far, and the student's weights then.
    """

    def __init__(self, student: keras.Model):
        super().__init__()
        self.student = student

    def on_train_begin(self, logs=None):
        self.kept = [-1.0, *self.student.get_weights()]

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_agreement"] > self.kept[0]:
            self.kept = [logs["val_agreement"], *self.student.get_weights()]

    def on_train_end(self, logs=None):
        self.student.set_weights(self.kept[1:])
