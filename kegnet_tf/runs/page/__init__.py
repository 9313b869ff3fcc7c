"""A run as one HTML page that needs no network."""

from kegnet_tf.runs.page.document import html

__all__ = ["html"]
