"""Formats that need more than the package installs: what they need, and by which extra."""

import importlib.util
from collections.abc import Collection

# By format: the extra, and what it installs.
EXTRAS = {
    "litert_int4": ("edge", ("ai_edge_quantizer",)),
    "onnx": ("onnx", ("onnx", "onnxruntime", "tf2onnx")),
}


def check(formats: Collection[str]) -> None:
    """Refuses a format whose extra is not installed.

    Args:
        formats: all that are asked for.

    Raises:
        ValueError: if a package is missing.
    """
    for form, (extra, needed) in EXTRAS.items():
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if form in formats and missing:
            raise ValueError(
                f"`formats` must leave out {form} unless its extra is installed, by pip install "
                f"'.[{extra}]' in the clone. Received: {form!r}, without {', '.join(missing)}."
            )
