"""A LiteRT file of floats as one whose large kernels have four bits, by ai-edge-quantizer."""

import contextlib
import io
import re
import tempfile

from kegnet_tf import compression
from kegnet_tf.export import litert_costs

FORMAT = "litert_int4"


def rounded(content: bytes) -> bytes:
    """The file with kernels as `compression.as_integers` rounds them for four bits.

    Each channel has its own scale. What is between layers stays in floats, and is rounded to int8
    while a layer is computed (`dynamic`, in LiteRT's words).

    Args:
        content: of a `.tflite` file in float32.

    Raises:
        ValueError: if the file cannot be rounded.
    """
    from ai_edge_quantizer import qtyping, quantizer

    channels = qtyping.QuantGranularity.CHANNELWISE
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        # It tells of its progress on standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            made = quantizer.Quantizer(file.name)
            for operation, name, size in litert_costs.kernels(content):
                bits = compression.kernel_bits(size, operation == "DEPTHWISE_CONV_2D", 4)
                kind, name = qtyping.TFLOperationName[operation], re.escape(name)
                made.add_dynamic_config(name, kind, num_bits=bits, granularity=channels)
            return bytes(made.quantize().quantized_model)
