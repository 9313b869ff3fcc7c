"""Ranks for several layers at once, for a target of the whole model: a knapsack of their menus."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from kegnet_tf.compression import ranks as rank_policies
from kegnet_tf.compression import spectra

Layer = keras.layers.Layer
Answers = dict[Layer, tuple[int | None, int | None] | str]


@dataclasses.dataclass(frozen=True)
class Budget:
    """Layers that may be decomposed, and what each of them costs.

    Attributes:
        calls: {layer: shapes of its inputs, one a call} of built `Conv2D`s of one group, or
            `Dense`s.
        cost: as in `costs`.
        total: cost of the whole model.
        found: a spectrum a layer, for those that several budgets share; others are made.
    """

    calls: Mapping[Layer, Sequence[tuple]]
    cost: Callable[[Layer, Sequence[tuple], np.ndarray | None], np.ndarray]
    total: float
    found: Mapping[Layer, spectra.Spectrum] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def menus(self) -> dict[Layer, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What each layer can become, as from `spectra.menu`."""
        menus = {}
        for layer, shapes in self.calls.items():
            spectrum = self.found.get(layer) or spectra.Spectrum(layer)
            cost = self.cost(layer, shapes, spectrum.ranks)
            menus[layer] = spectra.menu(spectrum, cost, self.cost(layer, shapes, None))
        return menus

    @property
    def fixed(self) -> float:
        """Cost of what stays as it is."""
        return self.total - sum(cost[-1] for _, cost, _ in self.menus.values())

    @property
    def least(self) -> float:
        """Cost of the cheapest model that there is."""
        return self.fixed + sum(min(cost) for _, cost, _ in self.menus.values())

    def spend(self, budget: float) -> Answers:
        """Ranks within a budget for the whole model, at the least sum of losses that is found.

        Args:
            budget: at least `least`.

        Returns:
            By layer, (in, out), None for a side without a factor, or a text that says why it is
            left alone.
        """
        picks = _knapsack([*self.menus.values()], budget - self.fixed)
        answers = {}
        for (layer, (ranks, _, _)), pick in zip(self.menus.items(), picks, strict=True):
            spared = "worth its size" if len(ranks) else "would not shrink"
            answers[layer] = pair_of(layer, ranks[pick]) if pick < len(ranks) else spared
        return answers

    def cost_of(self, answers: Answers) -> float:
        """Cost of the whole model with some answers, as from `spend`."""
        total = self.total
        for layer, shapes in self.calls.items():
            answer = answers[layer]
            if isinstance(answer, tuple):
                sizes = rank_policies.shape_of(layer)[1:]
                full = [size if r is None else r for r, size in zip(answer, sizes, strict=True)]
                total -= self.cost(layer, shapes, None)
                total += self.cost(layer, shapes, np.array([full]))[0]
        return float(total)


def pair_of(layer: Layer, ranks: np.ndarray) -> tuple[int | None, int | None]:
    """(in, out) of a choice on a menu, None for a side without a factor."""
    return rank_policies.without_idle(rank_policies.shape_of(layer), ranks.tolist())


def _knapsack(menus, budget):
    """A pick from each menu, within a budget, at the least sum of losses that is found."""

    def at_price(exponent):
        return [int(np.argmin(loss + 10.0**exponent * cost)) for _, cost, loss in menus]

    def rest(picks):
        return budget - sum(cost[pick] for (_, cost, _), pick in zip(menus, picks, strict=True))

    dear, cheap = 10.0, -30.0
    for _ in range(60):
        middle = (dear + cheap) / 2
        dear, cheap = (middle, cheap) if rest(at_price(middle)) >= 0 else (dear, middle)
    picks = at_price(dear)
    for index, pick in enumerate(at_price(cheap)):
        if pick != picks[index]:  # between the two prices it jumps past the budget
            _, cost, loss = menus[index]
            fits = cost <= cost[picks[index]] + rest(picks)
            picks[index] = int(np.argmin(np.where(fits, loss, np.inf)))
    return picks


def down(number: float) -> float:
    """A bound to name in an error, rounded to where it still can be had."""
    return math.floor(100 * number) / 100


def up(number: float) -> float:
    """The same for a least number."""
    return math.ceil(100 * number) / 100
