"""What an evaluator is."""

from collections.abc import Callable
from typing import NamedTuple

from deconv.tasks.capabilities import MakesImages


class Evaluator(NamedTuple):
  """A measurement beyond a step's sums; runs on the host of process 0, on a state on one device.

  Attributes:
    measure: (task, state, source, key, options) -> (numbers {name: float}, pictures {name: uint8 (h, w, c)}, protocol
      {name: what JSON can hold}), all empty where there is nothing to measure. `options` is deconv.options.EvalOptions;
      the key is the same at every evaluation of a run. One that looks through a feature network has it as a sixth
      argument, a deconv.metrics.features.FeatureNetwork.
    needs: the class of deconv.tasks.capabilities that a task must have.
    split: 'train': `source` is the training source; 'eval': that of the evaluation split, and the evaluator is left out
      where there is none.
    looks: it looks at images through the feature network of `eval.features`.
  """

  measure: Callable
  needs: type
  split: str = 'train'
  looks: bool = False

  @property
  def counts_samples(self):
    """Whether the numbers depend on `eval.num_samples`, the number of images that the task makes."""
    return issubclass(self.needs, MakesImages)
