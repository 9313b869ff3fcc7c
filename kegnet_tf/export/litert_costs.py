"""What stands in a LiteRT file: its operations, what they cost, and the memory they need."""

import math
import pathlib

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
_WITH_KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def operations(path: str | pathlib.Path) -> list[str]:
    """Names of a file's operations in their order, such as "CONV_2D".

    One that is not built in (Select TF ops, custom ones) goes by its own name, such as "FlexErf".
    """
    model = _read(path)
    return [_name(model, each) for graph in model.subgraphs for each in graph.operators]


def multiply_adds(path: str | pathlib.Path) -> int:
    """Multiply-adds of one example, of convolutions and matrix products.

    What else there is (pooling, additions, activations) does not count, as in
    `compression.layer_report`.

    Args:
        path: of a `.tflite` file of one example at a time.
    """
    model = _read(path)
    total = 0
    for graph in model.subgraphs:
        for each in graph.operators:
            shapes = [tuple(graph.tensors[i].shape) for i in each.inputs if i >= 0]
            output = math.prod(graph.tensors[each.outputs[0]].shape)
            total += _multiply_adds(_name(model, each), shapes, output, each.builtinOptions)
    return int(total)


def kernels(content: bytes) -> list[tuple[str, str, int]]:
    """(operation, name of its output, numbers in its kernel) of convolutions and dense layers.

    Args:
        content: of a `.tflite` file.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    found = []
    for graph in model.subgraphs:
        for each in graph.operators:
            name = _name(model, each)
            if name in _WITH_KERNELS:
                output = graph.tensors[each.outputs[0]].name.decode()
                found.append((name, output, math.prod(graph.tensors[each.inputs[1]].shape)))
    return found


def arena(path: str | pathlib.Path) -> int:
    """Bytes of memory that inputs, outputs and everything between take at their peak.

    Measured, not estimated: where LiteRT's own planner has put each tensor that is no constant,
    scratch buffers of its kernels with them. A delegate such as XNNPACK, Python's
    default, keeps its buffers out of sight and is left out here.

    Args:
        path: of a `.tflite` file of one example at a time.
    """
    (graph,) = (model := _read(path)).subgraphs
    constants = {
        index
        for index, tensor in enumerate(graph.tensors)
        if model.buffers[tensor.buffer].data is not None
    }
    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.invoke()  # what is sized only now counts as well
    spans = []
    for index in (each["index"] for each in interpreter.get_tensor_details()):
        if index not in constants:
            values = interpreter.tensor(index)()
            start = values.__array_interface__["data"][0]
            spans.append((start, start + values.nbytes))
    peak = reached = 0
    for start, end in sorted(spans):
        peak += max(0, end - max(start, reached))
        reached = max(reached, end)
    return peak


def _read(path):
    return schema.ModelT.InitFromPackedBuf(pathlib.Path(path).read_bytes(), 0)


def _name(model, operator):
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return code.customCode.decode()
    # Codes up to 127 stand in the older field, too.
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _multiply_adds(name, shapes, output, options):
    if name in _WITH_KERNELS:
        # Kernels are [out, height, width, in], [1, height, width, out] and [out, in].
        kernel = shapes[1]
        return output * math.prod(kernel[1:3] if name == "DEPTHWISE_CONV_2D" else kernel[1:])
    if name == "TRANSPOSE_CONV":  # of the output's shape, the kernel and the data
        return math.prod(shapes[2]) * math.prod(shapes[1][:3])
    if name == "BATCH_MATMUL":
        return output * shapes[0][-2 if options.adjX else -1]
    return 0
