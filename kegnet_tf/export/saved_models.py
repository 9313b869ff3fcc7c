"""SavedModels of anybody's, looked through before TensorFlow runs them.

A SavedModel is a program of TensorFlow's operations, and some of these read and write files, talk
to other machines or never end. None of them is part of a classifier.
"""

import pathlib
import re

import psutil
from tensorflow.core.protobuf import saved_model_pb2

# By parts of their names, since TensorFlow has several of each kind.
OUTSIDE = re.compile(
    "Abort|Barrier|CandidateSampler|Checkpoint|Collective|Dataset|Debug|Event|[Ff]eed|File"
    "|ImmutableConst|Iterator|LMDB|LoadAndRemap|Mutex|Nccl|Print|PyFunc|Queue|Reader|RecordInput"
    "|Recv|RemoteCall|Restore|Save|Send|Session|Snapshot|[Ss]tage|Stats|Summary|TPU|Tpu"
    "|VocabRemapping|WorkerHeartbeat"
)


def check(path: pathlib.Path) -> None:
    """Refuses a SavedModel that could do more than answer.

    Args:
        path: of its folder.

    Raises:
        ValueError: if an operation reaches outside of the model, a part of the folder is no regular
            file, or all of them together do not fit in memory.
        OSError: if it is no such folder.
    """
    parts = [part for part in path.rglob("*") if not part.is_dir()]
    if not all(part.is_file() for part in parts):
        raise ValueError("a part of it is no regular file")
    size = sum(part.stat().st_size for part in parts)
    if size > psutil.virtual_memory().available:
        raise ValueError(f"it must fit in memory, and has {size:.3g} bytes")
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for graph in saved.meta_graphs:
        if found := sorted(filter(OUTSIDE.search, operations(graph))):
            raise ValueError(f"it must only compute, and has {', '.join(found)}")


def operations(graph) -> set[str]:
    """Names of all operations that loading or asking a SavedModel can run.

    Its two functions that save and restore are left out where nothing else calls them: they take
    the names of files, and TensorFlow restores without them.

    Args:
        graph: a `MetaGraphDef`.
    """
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    saver = graph.saver_def.save_tensor_name.split(":")[0], graph.saver_def.restore_op_name
    calls = {"StatefulPartitionedCall", "PartitionedCall"}
    nodes = [
        node for node in graph.graph_def.node if node.name not in saver or node.op not in calls
    ]
    waiting, seen, found = [*graph.object_graph_def.concrete_functions], set(), set()
    while nodes or waiting:
        for node in nodes:
            found.add(node.op)
            waiting.append(node.op)  # a function can be called by its name alone
            for value in node.attr.values():
                waiting += [each.name for each in (value.func, *value.list.func)]
        nodes = []
        while waiting and not nodes:
            name = waiting.pop()
            if name in functions and name not in seen:
                seen.add(name)
                nodes = functions[name].node_def
    return found - functions.keys()
