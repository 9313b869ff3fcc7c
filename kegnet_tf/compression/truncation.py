"""A model at one ratio after another, without a graph or a decomposition made anew."""

from collections.abc import Mapping

import keras

from kegnet_tf import teachers
from kegnet_tf.compression import arithmetic, budgets, costs, spectra, students
from kegnet_tf.compression.layer_report import trainable_parameters
from kegnet_tf.compression.policies import Policy


class Truncation:
    """A copy of a model whose kernels are cut down to ranks, and back, in place.

    It answers as the student of these ranks before its iterations and its training
    (`start="svd"`), and takes as long as the model: for trying, not for use.

    Args:
        model: as in `compress`.

    Attributes:
        model: the copy.
        layers: the candidates of the original that can be decomposed, by path.
    """

    def __init__(self, model: keras.Model):
        self.layers = students.candidates_of(model, Policy())
        self.model, self._copies = teachers.rebuilt(model, lambda layer: None)
        calls = teachers.calls_of_kinds(model, {type(layer) for layer in self.layers.values()})
        calls = {layer: calls[layer][1] for layer in self.layers.values()}
        self._spectra = {layer: spectra.Spectrum(layer) for layer in calls}
        totals = {
            "parameters": (costs.parameters, trainable_parameters(self.model)),
            "multiply_adds": (costs.multiply_adds, arithmetic.multiply_adds(model)),
            "int8_bytes": (costs.int8_bytes, costs.file_bytes(model)),
        }
        self._budgets = {
            name: budgets.Budget(calls, cost, total, self._spectra)
            for name, (cost, total) in totals.items()
            if total is not None
        }

    @property
    def largest_ratio(self) -> float:
        """Of parameters; above it there is no student."""
        budget = self._budgets["parameters"]
        return budget.total / budget.least

    def at_ratio(self, ratio: float) -> budgets.Answers:
        """Ranks as of `target_ratio`, by layer of the original."""
        budget = self._budgets["parameters"]
        return budget.spend(budget.total / ratio)

    def alone(self, path: str, share: float) -> budgets.Answers:
        """Ranks of one layer with this share of its kernel's size, all others being whole.

        Where nothing is that small, it gets the least there is; where nothing is smaller, it stays
        whole.
        """
        layer = self.layers[path]
        ranks, cost, _ = self._budgets["parameters"].menus[layer]
        answers = dict.fromkeys(self.layers.values(), "not chosen")
        if len(ranks):
            pick = max(0, int((cost[:-1] <= share * cost[-1]).sum()) - 1)
            answers[layer] = budgets.pair_of(layer, ranks[pick])
        return answers

    def costs_of(self, answers: budgets.Answers) -> dict[str, int | None]:
        """Parameters, multiply-adds (None where an input is open) and int8 bytes, by name."""
        found = {name: round(each.cost_of(answers)) for name, each in self._budgets.items()}
        return {"multiply_adds": None, **found}

    def cut(self, answers: Mapping) -> None:
        """Sets the kernels of `model` to what is left at these ranks.

        Args:
            answers: by layer of the original, (in, out), or anything else for all of it.
        """
        for layer, answer in answers.items():
            cut = isinstance(answer, tuple)
            kernel = self._spectra[layer].truncated(answer) if cut else layer.kernel
            self._copies[layer].kernel.assign(kernel)
