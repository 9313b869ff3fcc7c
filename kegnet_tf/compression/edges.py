"""Who takes from whom in a model's graph, by the names of its operations."""

import dataclasses
from collections.abc import Callable, Iterator

import keras

GRAPHS = keras.Function | keras.Sequential  # models that hold layers, inside others as well


@dataclasses.dataclass(frozen=True)
class Edges:
    """The graph of one model, without those nested in it.

    Attributes:
        sources: by name of an operation, those that it takes from, one entry a tensor.
        takers: by name, those that take from it, one entry a tensor; "" is the model's output.
        calls: by name, how often it is called.
    """

    sources: dict[str, list[str]]
    takers: dict[str, list[str]]
    calls: dict[str, int]

    def only_taker(self, name: str) -> str:
        """The one operation that takes from one that is called once; "" where there are others."""
        takers = self.takers[name]
        return takers[0] if len(takers) == self.calls[name] == 1 else ""

    def only_source(self, name: str) -> str:
        """The one operation that one that is called once takes from; "" where there are others."""
        sources = self.sources[name]
        return sources[0] if len(sources) == self.calls[name] == 1 else ""


def edges(model: keras.Model) -> Edges:
    """The graph of a Functional model, by its configuration."""
    config = model.get_config()
    nodes = {each["name"]: each["inbound_nodes"] for each in config["layers"]}
    sources = {name: [*_sources(each)] for name, each in nodes.items()}
    takers = {name: [] for name in sources}
    for name, each in sources.items():
        for source in each:
            takers[source].append(name)
    outputs = config["output_layers"]
    for name, *_ in [outputs] if isinstance(outputs[0], str) else outputs:
        takers[name].append("")
    return Edges(sources, takers, {name: len(each) for name, each in nodes.items()})


def _sources(tree) -> Iterator[str]:
    """Names of the operations that an operation's calls take from, by their configuration."""
    if isinstance(tree, dict) and "keras_history" in tree:
        yield tree["keras_history"][0]
    elif isinstance(tree, dict | list | tuple):
        for entry in tree.values() if isinstance(tree, dict) else tree:
            yield from _sources(entry)


def nested(rebuilt: Callable, made: dict) -> Callable[[keras.Layer], keras.Layer]:
    """Function from a layer to what stands for it: a model inside is rebuilt, once.

    Args:
        rebuilt: function of (model, made) to its new self.
        made: new models by old ones; it is added to.
    """

    def inner(layer):
        if not isinstance(layer, GRAPHS):
            return layer
        if layer not in made:
            made[layer] = rebuilt(layer, made)
        return made[layer]

    return inner
