"""Data-free knowledge distillation for Keras (KegNet, NeurIPS 2019)."""

__version__ = "0.1.0"
