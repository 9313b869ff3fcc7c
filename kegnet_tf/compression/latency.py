"""What layers and models take of time on this machine, as LiteRT files, measured.

Times are of the thread's own processor time, as in `export.latencies`: beside other jobs the clock
on the wall says many times as much.
"""

import functools
import pathlib
import tempfile
import time
from collections.abc import Sequence

import flatbuffers
import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from kegnet_tf.compression import ranks as rank_policies

SECONDS = 0.004  # that a layer is timed for, at least; ours
MODEL_SECONDS = 0.5  # the same of each of several models; ours


def milliseconds(
    layer: keras.layers.Layer, shapes: Sequence[tuple], ranks: np.ndarray | None
) -> np.ndarray | float:
    """Time of a layer for one example in float32 on one thread; a cost, as in `costs`.

    Its parts are timed one by one, at ranks that are full, below 4, or multiples of 4, and from 32
    on of 8. Others cost infinity: their parts take as long as those of the next multiple. Between
    three numbers of input channels, which cost in proportion, time is interpolated.
    """
    _, size_in, size_out = rank_policies.shape_of(layer)
    geometry = [_geometry(layer, shape) for shape in shapes]
    if ranks is None:
        return sum(_timed(*each, size_in, size_out) for each in geometry)
    return sum(_of_ranks(*each, (size_in, size_out), ranks) for each in geometry)


def together(models: Sequence[keras.Model]) -> list[float]:
    """Milliseconds of one example in float32 on one thread, of models that are timed in turns.

    Args:
        models: built, of one input.

    Returns:
        The least of each, since whatever else the machine does adds to a time.
    """
    calls = [_runner(_converted(model)) for model in models]
    best = [np.inf] * len(calls)
    end = time.thread_time() + MODEL_SECONDS * len(calls)
    while time.thread_time() < end:
        for index, call in enumerate(calls):
            best[index] = min(best[index], _seconds(call))
    return [1e3 * seconds for seconds in best]


def _of_ranks(before, after, window, sizes, ranks):
    """Times at all ranks of a layer; infinite at those that are not timed."""
    size_in, size_out = sizes
    one = (1, 1), (1, 1), "valid", (1, 1)
    if window[0] == (1, 1):
        squeeze = {rank: _timed(before, after, window, size_in, rank) for rank in _grid(size_out)}
        expand = _line(functools.partial(_timed, after, after, one), size_out, size_out)
        return np.array([squeeze.get(rank, np.inf) + expand(rank) for _, rank in ranks.tolist()])
    squeeze = {rank: _timed(before, before, one, size_in, rank) for rank in _grid(size_in)}
    squeeze[size_in] = 0.0
    core = {
        rank: _line(functools.partial(_timed, before, after, window), size_in, rank)
        for rank in _grid(size_out)
    }
    expand = _line(functools.partial(_timed, after, after, one), size_out, size_out)
    times = np.full(len(ranks), np.inf)
    for index, (r_in, r_out) in enumerate(ranks.tolist()):
        if r_in in squeeze and r_out in core:
            times[index] = squeeze[r_in] + core[r_out](r_in)
            times[index] += expand(r_out) if r_out < size_out else 0.0
    return times


def _grid(size):
    """Numbers of output channels that are timed."""
    return sorted({*range(1, min(size, 4)), *range(4, min(size, 32), 4), *range(32, size, 8), size})


def _line(timed, most, out):
    """Function from input channels, up to `most`, to time, linear between three that are timed."""
    known = sorted({1, -(-most // 2), most})
    times = [timed(each, out) for each in known]
    return lambda channels: float(np.interp(channels, known, times))


def _geometry(layer, shape):
    """(pixels before, pixels after, (window, strides, padding, dilation)) of a call."""
    if isinstance(layer, keras.layers.Dense):  # over the last axis of each position
        rows = 1, int(np.prod(shape[1:-1], dtype=int))
        return rows, rows, ((1, 1), (1, 1), "valid", (1, 1))
    channels = -1 if layer.data_format == "channels_last" else 1
    both = [shape, layer.compute_output_shape(shape)]
    before, after = (tuple(np.delete(each, [0, channels]).tolist()) for each in both)
    return before, after, (layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)


def _timed(before, after, window, size_in, size_out):
    """Milliseconds of one convolution without the call; a dense layer is one of a pixel."""
    pixel = (1, 1), (1, 1), ((1, 1), (1, 1), "valid", (1, 1)), 1, 1
    return max(0.0, _called(before, after, window, size_in, size_out) - _called(*pixel))


@functools.cache
def _called(before, after, window, size_in, size_out):
    call = _runner(file_of(before, after, window, size_in, size_out))
    call()
    best, end = np.inf, time.thread_time() + SECONDS
    while time.thread_time() < end:
        best = min(best, _seconds(call))
    return 1e3 * best


def _seconds(call):
    started = time.thread_time()
    call()
    return time.thread_time() - started


def _runner(content):
    interpreter = Interpreter(model_content=content, num_threads=1)
    (inputs,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(inputs["index"], [1, *inputs["shape"][1:]])
    interpreter.allocate_tensors()
    return interpreter.invoke


def _converted(model):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.tflite"
        try:
            model.export(path, format="litert", verbose=False)
        except Exception as error:  # the converter has no class of its own for all that it raises
            reason = str(error).strip().split("\n")[0]
            raise ValueError(
                "`target_latency` must be asked of a model that LiteRT has operations for. "
                f"Received: {model.name!r} ({reason})."
            ) from error
        return path.read_bytes()


def file_of(before: tuple, after: tuple, window: tuple, size_in: int, size_out: int) -> bytes:
    """A LiteRT file of one convolution, written down without the converter, which takes seconds.

    Args:
        before: (height, width) of the input.
        after: the same of the output.
        window: (kernel size, strides, padding, dilation), as of `Conv2D`.
        size_in: channels of the input.
        size_out: channels of the output.
    """
    size, strides, padding, dilation = window
    shapes = [(1, *before, size_in), (size_out, *size, size_in), (size_out,), (1, *after, size_out)]
    model = schema.ModelT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT() for _ in shapes]
    graph = schema.SubGraphT()
    graph.tensors = []
    for index, shape in enumerate(shapes):
        tensor = schema.TensorT()
        tensor.shape, tensor.buffer, tensor.name = list(shape), index, str(index)
        graph.tensors.append(tensor)
        if index in (1, 2):
            numbers = np.full(shape, 1e-3, "<f4")  # zeros would do, but show nothing
            model.buffers[index].data = np.frombuffer(numbers.tobytes(), np.uint8)
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME if padding == "same" else schema.Padding.VALID
    options.strideH, options.strideW = strides
    options.dilationHFactor, options.dilationWFactor = dilation
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1, 2], [3]
    operator.builtinOptions, operator.builtinOptionsType = (
        options,
        schema.BuiltinOptions.Conv2DOptions,
    )
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [3]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
