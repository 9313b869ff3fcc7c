"""Artificial data with the teacher's answers."""

from kegnet_tf.synthesis.procedural import images
from kegnet_tf.synthesis.sources import SOURCES, Source, check_source, shares_of

__all__ = ["SOURCES", "Source", "check_source", "images", "shares_of"]
