"""Artificial data with the teacher's answers."""

from kegnet_tf.synthesis.mixtures import SOURCES, check_source, shares_of
from kegnet_tf.synthesis.procedural import images
from kegnet_tf.synthesis.sources import Source

__all__ = ["SOURCES", "Source", "check_source", "images", "shares_of"]
