"""Every config field once: frozen dataclasses that hold its default, its documentation and its check, free of JAX."""

from deconv.options.augment import AugmentOptions, TurnOptions
from deconv.options.data import IGNORE, DataOptions
from deconv.options.degrade import DegradeOptions
from deconv.options.evaluation import EvalOptions
from deconv.options.experiment import MODELS, TASKS, Experiment, defaults, fields_of, set_model
from deconv.options.optimizer import OptimizerOptions
from deconv.options.options import Options
from deconv.options.run import CheckpointOptions, LogOptions, ParallelOptions, SamplesOptions, TrainOptions

__all__ = [
  'IGNORE',
  'MODELS',
  'TASKS',
  'AugmentOptions',
  'CheckpointOptions',
  'DataOptions',
  'DegradeOptions',
  'EvalOptions',
  'Experiment',
  'LogOptions',
  'OptimizerOptions',
  'Options',
  'ParallelOptions',
  'SamplesOptions',
  'TrainOptions',
  'TurnOptions',
  'defaults',
  'fields_of',
  'set_model',
]
