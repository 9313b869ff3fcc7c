"""What the converter does not do to a LiteRT file: int8 ELU, and a table's scales in the file."""

import json

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_SCALES = "kegnet_tf.input_scale"
_BUILTIN = schema.BuiltinOperator


def with_int8_elu(content: bytes) -> bytes:
    """A file in which ELU is computed in integers where what is around it is.

    The converter knows no int8 ELU and goes to floats and back for it; LiteRT has such a kernel, a
    table of 256 entries, which gives the same numbers.

    Args:
        content: of a `.tflite` file.

    Returns:
        The new content; the old one where there is nothing to change.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    changed = [_elu_in_integers(model, graph) for graph in model.subgraphs]
    if not any(changed):
        return content
    for index, graph in enumerate(model.subgraphs):
        signatures = [each for each in model.signatureDefs if each.subgraphIndex == index]
        _drop_unused(graph, [each for one in signatures for each in (*one.inputs, *one.outputs)])
    return packed(model)


def with_input_scale(content: bytes, mean: np.ndarray, std: np.ndarray) -> bytes:
    """A file that holds how its input is standardised: less `mean`, over `std`, a feature each."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    scales = {"mean": np.float32(mean).tolist(), "std": np.float32(std).tolist()}
    buffer.data = np.frombuffer(json.dumps(scales).encode(), np.uint8)
    entry.name, entry.buffer = _SCALES, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    return packed(model)


def input_scale(content: bytes, features: int) -> tuple[np.ndarray, np.ndarray] | None:
    """(mean, std) of `with_input_scale`, [features]; None where a file holds none.

    Args:
        content: of a `.tflite` file, anybody's.
        features: of its input.

    Raises:
        ValueError: if what it holds are no such numbers.
    """
    model = schema.Model.GetRootAs(content, 0)
    for entry in (model.Metadata(index) for index in range(model.MetadataLength())):
        if entry.Name() == _SCALES.encode():
            data = model.Buffers(entry.Buffer()).DataAsNumpy()
            try:
                scales = json.loads(np.asarray(data, np.uint8).tobytes())
                mean, std = (np.asarray(scales[name], np.float32) for name in ("mean", "std"))
            except (KeyError, TypeError, ValueError, RecursionError) as error:
                raise ValueError(f"its {_SCALES} is not as it was written") from error
            shaped = mean.shape == std.shape == (features,)
            if not shaped or not np.all(np.isfinite(mean)) or not np.all(std > 0):
                raise ValueError(f"its {_SCALES} does not fit its input")
            return mean, std
    return None


def _elu_in_integers(model, graph):
    """Takes DEQUANTIZE and QUANTIZE away from around each ELU; whether there was one."""
    takers = {}
    for each in graph.operators:
        for tensor in each.inputs:
            takers.setdefault(int(tensor), []).append(each)
    makers = {int(tensor): each for each in graph.operators for tensor in each.outputs}
    gone = []
    for each in graph.operators:
        if _code(model, each) != _BUILTIN.ELU:
            continue
        before, behind = makers.get(int(each.inputs[0])), takers.get(int(each.outputs[0]), [])
        around = before is not None and len(behind) == 1
        kinds = around and (_code(model, before), _code(model, behind[0]))
        if kinds == (_BUILTIN.DEQUANTIZE, _BUILTIN.QUANTIZE):
            if len(takers[int(each.inputs[0])]) == 1:
                gone.append(before)
            gone.append(behind[0])
            each.inputs, each.outputs = before.inputs, behind[0].outputs
    graph.operators = [each for each in graph.operators if not any(each is one for one in gone)]
    return bool(gone)


def _drop_unused(graph, named):
    """Takes tensors away that nothing uses any more; `named` are those of signatures."""
    lists = [(each, name) for each in graph.operators for name in ("inputs", "outputs")]
    lists += [(graph, "inputs"), (graph, "outputs")]
    used = {int(tensor) for each, name in lists for tensor in getattr(each, name)} - {-1}
    places = {tensor: place for place, tensor in enumerate(sorted(used))} | {-1: -1}
    for each, name in lists:
        moved = [places[int(tensor)] for tensor in getattr(each, name)]
        setattr(each, name, np.asarray(moved, np.int32))
    for each in named:
        each.tensorIndex = places[each.tensorIndex]
    graph.tensors = [graph.tensors[tensor] for tensor in sorted(used)]


def _code(model, operator):
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def packed(model: schema.ModelT) -> bytes:
    """Content of a `.tflite` file."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
