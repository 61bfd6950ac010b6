"""A whole experiment: every section of a config as its options, checked by itself and against the others."""

from collections.abc import Iterable, Mapping
import dataclasses
from typing import Any, NamedTuple

import ml_collections

from deconv.errors import UserError, did_you_mean
from deconv.options.augment import AugmentOptions, ClassificationAugmentOptions, TurnOptions
from deconv.options.data import DataOptions
from deconv.options.degrade import DegradeOptions
from deconv.options.evaluation import (
  ClassificationEvalOptions,
  EvalOptions,
  GanEvalOptions,
  InverseGraphicsEvalOptions,
  RestorationEvalOptions,
  SegmentationEvalOptions,
  SparseCodingEvalOptions,
  VaeEvalOptions,
)
from deconv.options.models import autoencoders, classifiers, gan, restorers, segmenters, sparse_coders
from deconv.options.models.model import ModelOptions
from deconv.options.objectives.classification import ClassificationObjective
from deconv.options.objectives.gan import GanObjective
from deconv.options.objectives.restoration import RestorationObjective
from deconv.options.objectives.segmentation import SegmentationObjective
from deconv.options.objectives.sparse_coding import SparseCodingObjective
from deconv.options.objectives.vae import FactorVaeObjective, InverseGraphicsObjective, VaeObjective
from deconv.options.optimizer import OptimizerOptions
from deconv.options.options import Options, default, kinds
from deconv.options.run import CheckpointOptions, LogOptions, ParallelOptions, SamplesOptions, TrainOptions


class TaskSections(NamedTuple):
  """The sections that a task has of its own, as classes of Options; None where it has no such section.

  Attributes:
    models: {model.name: options}.
    objective: of the section objective.
    eval: of the section eval.
    augment: of the section augment.
    degrade: of the section degrade.
  """

  models: dict[str, type[ModelOptions]]
  objective: type[Options]
  eval: type[EvalOptions]
  augment: type[Options] | None = None
  degrade: type[Options] | None = None


# By config.task.
TASKS = {
  'gan': TaskSections(gan.MODELS, GanObjective, GanEvalOptions),
  'vae': TaskSections(autoencoders.MODELS, VaeObjective, VaeEvalOptions),
  'factor_vae': TaskSections(autoencoders.MODELS, FactorVaeObjective, VaeEvalOptions),
  'inverse_graphics': TaskSections(autoencoders.MODELS, InverseGraphicsObjective, InverseGraphicsEvalOptions),
  'classification': TaskSections(
    classifiers.MODELS, ClassificationObjective, ClassificationEvalOptions, ClassificationAugmentOptions
  ),
  'restoration': TaskSections(
    restorers.MODELS, RestorationObjective, RestorationEvalOptions, TurnOptions, DegradeOptions
  ),
  'sparse_coding': TaskSections(sparse_coders.MODELS, SparseCodingObjective, SparseCodingEvalOptions),
  'segmentation': TaskSections(segmenters.MODELS, SegmentationObjective, SegmentationEvalOptions, AugmentOptions),
}
# The networks of all tasks.
MODELS = {name: options for task in TASKS.values() for name, options in task.models.items()}
# Sections that every task has.
_COMMON = {
  'data': DataOptions,
  'optimizer': OptimizerOptions,
  'train': TrainOptions,
  'parallel': ParallelOptions,
  'checkpoint': CheckpointOptions,
  'samples': SamplesOptions,
  'log': LogOptions,
}


@dataclasses.dataclass(frozen=True)
class TopLevel(Options):
  """The fields of a config that stand in no section.

  Attributes:
    seed: seed of the run; every random number is a function of (seed, step).
    task: what is trained: a key of deconv.tasks.TASKS.
    compilation_cache: folder of JAX's compilation cache; auto = ~/.cache/deconv/jax; '' = no cache.
    cpu_rule: by which measured numbers a CPU's programs are chosen: avx2 | avx512, or a file of scripts.tune_ops; '' =
      what the environment variable DECONV_CPU_RULE says, or else the processor.
    native: whether oneDNN's convolutions are used on a CPU: auto (where they were built, and there is one device) | on
      | off; '' = what the environment variable DECONV_NATIVE says, or else auto.
  """

  seed: int = 0
  task: str = 'gan'
  compilation_cache: str = 'auto'
  cpu_rule: str = ''
  native: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(TopLevel):
  """A whole config. The fields of TopLevel, and a section of options each; `augment` and `degrade` may be None.

  Raises:
    UserError: sections that do not fit together.
  """

  model: ModelOptions
  objective: Options
  data: DataOptions
  augment: Options | None = None
  degrade: DegradeOptions | None = None
  optimizer: OptimizerOptions
  train: TrainOptions
  parallel: ParallelOptions
  checkpoint: CheckpointOptions
  eval: EvalOptions
  samples: SamplesOptions
  log: LogOptions

  def __post_init__(self) -> None:
    self._convert(kinds(TopLevel))  # the sections are what they are already
    if not 0 <= self.seed < 2**32:  # JAX takes the last 32 bits alone: 2**32 would be 0
      raise UserError(f'seed={self.seed} must be from 0 to {2**32 - 1}; change it')
    for section in self.sections().values():
      section.check_experiment(self)

  @property
  def images_per_step(self) -> int:
    """Images that a step takes from the data: train.batch_size for each minibatch."""
    return self.train.batch_size * self.objective.minibatches

  def sections(self) -> dict[str, Options]:
    """Returns {name: options} of the sections that there are."""
    return {
      field.name: getattr(self, field.name)
      for field in dataclasses.fields(self)
      if isinstance(getattr(self, field.name), Options)
    }

  def to_dict(self) -> dict[str, Any]:
    """Returns the nested dict of all fields, sections that are None left out: what `from_config` takes."""
    fields = {name: getattr(self, name) for name in kinds(TopLevel)}
    return {**fields, **{name: dataclasses.asdict(section) for name, section in self.sections().items()}}

  @classmethod
  def from_config(cls, config: Any) -> 'Experiment':
    """Returns the experiment of a config.

    Args:
      config: ConfigDict or nested dict, such as config.json holds. A field that is not there has its default, for it
        came with a later version; an Experiment is returned as it is.

    Raises:
      UserError: an unknown task, network or field, a value that means nothing, or sections that do not fit together.
    """
    if isinstance(config, Experiment):
      return config
    config = config.to_dict() if isinstance(config, ml_collections.ConfigDict) else dict(config)
    classes = section_classes(config.get('task', TopLevel.task), _of(config, 'model', 'name'))
    made: dict[str, Any] = {}
    for name, value in config.items():
      if name in classes:
        made[name] = _section(name, classes[name], value)
      elif name not in kinds(TopLevel):
        raise UserError(_unknown(name, [*kinds(TopLevel), *classes]))
      else:
        made[name] = value
    for name, options in classes.items():
      if name not in made:
        made[name] = options()
    return cls(**made)


def section_classes(task: str, model: str | None = None) -> dict[str, type[Options]]:
  """Returns {section: class of Options} of a task and a network; None is the first network of the task.

  Raises:
    UserError: no such task, or no such network for it.
  """
  if task not in TASKS:
    raise UserError(f"task='{task}' does not exist{did_you_mean(str(task), TASKS)}; choose one of: {', '.join(TASKS)}")
  own = TASKS[task]
  model = next(iter(own.models)) if model is None else model
  if model not in own.models:
    raise UserError(
      f"model.name is '{model}'{did_you_mean(str(model), own.models)}; choose one of: {', '.join(own.models)}"
    )
  classes = {
    'model': own.models[model],
    'objective': own.objective,
    'augment': own.augment,
    'degrade': own.degrade,
    'eval': own.eval,
    **_COMMON,
  }
  return {name: options for name, options in classes.items() if options is not None}


def fields_of(task: str, model: str | None = None) -> dict[str, tuple[Any, Any, type[Options]]]:
  """Returns {'section.field': (its type, its default, its class of Options)} of a task and a network."""
  found: dict[str, tuple[Any, Any, type[Options]]] = {
    name: (kind, getattr(TopLevel, name), TopLevel) for name, kind in kinds(TopLevel).items()
  }
  for section, options in section_classes(task, model).items():
    for name, kind in kinds(options).items():
      found[f'{section}.{name}'] = kind, getattr(options, name), options
  return found


def defaults(task: str, model: str | None = None) -> dict[str, Any]:
  """Returns the nested dict of a task's and a network's defaults; nothing is checked, for none is an experiment yet."""
  nested: dict[str, Any] = {}
  for field, (_, value, _) in fields_of(task, model).items():
    *section, name = field.split('.')
    (nested.setdefault(section[0], {}) if section else nested)[name] = value
  return {**nested, 'task': task}


def set_model(config: ml_collections.ConfigDict, name: str) -> None:
  """Puts another model into a ConfigDict.

  A field that both models have keeps a value that the config has set; where it stood at the old model's default, and
  for all other fields, the new model's own defaults hold.

  Raises:
    UserError: the task of the config has no such model.
  """
  old, new = (defaults(config.task, model)['model'] for model in (config.model.name, name))
  for field, value in config.model.items():
    if field in new and field != 'name' and value != old[field]:
      new[field] = value
  with config.unlocked():
    config.model = new


def _section(name: str, options: type[Options], value: Any) -> Options:
  if not isinstance(value, Mapping):
    raise UserError(f'{name}={value!r} is a section: give its fields')
  unknown = sorted(set(value) - set(kinds(options)))
  if unknown:
    what = f"model.name='{value.get('name', default(options, 'name'))}'" if name == 'model' else f'the section {name}'
    raise UserError(f'{what} has no field {name}.{unknown[0]}{did_you_mean(unknown[0], kinds(options))}; take it out')
  return options(**value)


def _of(config: Mapping[str, Any], section: str, field: str) -> Any:
  value = config.get(section)
  return value.get(field) if isinstance(value, Mapping) else None


def _unknown(name: str, names: Iterable[str]) -> str:
  return f"the config has no field '{name}'{did_you_mean(name, names)}; take it out"
