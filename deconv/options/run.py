"""The sections that say how a run is trained, placed on devices, saved, drawn and logged."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.directions import best_of
from deconv.options.options import Options


@dataclasses.dataclass(frozen=True)
class TrainOptions(Options):
  """Length, batches and numbers of the training.

  Attributes:
    steps: length of the run in steps; set this or `epochs`.
    epochs: length of the run in passes over the data; set this or `steps`.
    batch_size: images per step, over all devices and processes.
    dtype: type of the computation: float32 | bfloat16; parameters stay float32.
    steps_per_call: steps inside one compiled call (lax.scan); more than 1 saves dispatch on fast devices.
    ema_decay: decay per step of the averaged parameters and statistics; 0 = no average.
    ema_start: steps in which the average is what the step has made; it begins after them.
    accumulate: gan: parts of a batch that are computed one after the other, their gradients averaged. The memory is
      that of one part, and the step that of the whole batch, but for batch norm, which sees a part.

  Raises:
    UserError: a field out of range.
  """

  SECTION: ClassVar[str] = 'train'
  steps: int = 0
  epochs: float = 0.0
  batch_size: int = 128
  dtype: str = 'float32'
  steps_per_call: int = 1
  ema_decay: float = 0.0
  ema_start: int = 0
  accumulate: int = 1

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(steps=0, epochs=0, batch_size=1, steps_per_call=1, ema_start=0, accumulate=1)
    if self.dtype not in ('float32', 'bfloat16'):
      raise UserError(f"train.dtype='{self.dtype}' does not exist; choose float32 or bfloat16")
    self._share('ema_decay')
    if self.ema_start and not self.ema_decay:
      raise UserError(f'train.ema_start={self.ema_start} has no effect without an average; set train.ema_decay above 0')
    if self.batch_size % self.accumulate:
      raise UserError(
        f'train.accumulate={self.accumulate} does not divide train.batch_size={self.batch_size}; change one of them'
      )

  def check_experiment(self, experiment: Any) -> None:
    if self.accumulate > 1 and experiment.task != 'gan':
      raise UserError(
        f"train.accumulate={self.accumulate} has no effect on task='{experiment.task}', which takes a batch at once; "
        'leave it at 1'
      )

  def check_length(self) -> None:
    """Raises UserError unless exactly one of `steps` and `epochs` is above 0."""
    if (self.steps > 0) == (self.epochs > 0):
      raise UserError(
        f'set one of train.steps (now {self.steps}) and train.epochs (now {self.epochs}) above 0 and the other to 0'
      )

  def total_steps(self, steps_per_epoch: float) -> int:
    """Returns the length of the run in steps; UserError unless exactly one of `steps` and `epochs` is above 0."""
    self.check_length()
    return self.steps or max(1, round(self.epochs * steps_per_epoch))


@dataclasses.dataclass(frozen=True)
class ParallelOptions(Options):
  """How a step runs on many devices; see deconv/training/parallel.py.

  Attributes:
    mode: jit (the batch sharded over all devices) | pmap.
    batch_norm: pmap: sync (statistics of the global batch) | local (of each device's share).

  Raises:
    UserError: an unknown mode or kind of batch norm, or two that do not fit.
  """

  SECTION: ClassVar[str] = 'parallel'
  mode: str = 'jit'
  batch_norm: str = 'sync'

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.mode not in ('jit', 'pmap'):
      raise UserError(f"parallel.mode='{self.mode}' does not exist; choose jit or pmap")
    if self.batch_norm not in ('sync', 'local'):
      raise UserError(f"parallel.batch_norm='{self.batch_norm}' does not exist; choose sync or local")
    if self.mode == 'jit' and self.batch_norm == 'local':
      raise UserError(
        "parallel.batch_norm='local' exists only with parallel.mode='pmap': under jit the statistics are "
        'those of the global batch; set one of the two'
      )


@dataclasses.dataclass(frozen=True)
class CheckpointOptions(Options):
  """What is saved, and when.

  Attributes:
    every: steps between checkpoints; 0 = only at the end.
    keep: number of newest checkpoints that are kept; a checkpoint that a signal saved in between is kept besides, until
      the next one.
    best_metric: evaluation metric whose best checkpoint is kept too; '' = none. Evaluations with the same number of
      samples are compared, see eval.interim_samples.
    best_is: whether the best value of best_metric is its max | min | auto (the smallest fid, the largest miou, as
      deconv/options/directions.py knows).

  Raises:
    UserError: a field out of range, or a metric of which best_is has to be said.
  """

  SECTION: ClassVar[str] = 'checkpoint'
  every: int = 500
  keep: int = 2
  best_metric: str = ''
  best_is: str = 'auto'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(every=0)
    if self.keep < 1:
      raise UserError(f'checkpoint.keep={self.keep} would keep nothing to resume from; make it 1 or more')
    self._one_of(best_is=('auto', 'max', 'min'))
    if self.best_metric and not self.best_value:
      raise UserError(
        f"checkpoint.best_metric='{self.best_metric}': whether its largest or its smallest value is the best is not "
        'known here; correct the name, or set checkpoint.best_is to max or min'
      )

  @property
  def best_value(self) -> str | None:
    """Which value of best_metric is the best, 'max' or 'min'; None where that is not known."""
    return best_of(self.best_metric) if self.best_is == 'auto' else self.best_is


@dataclasses.dataclass(frozen=True)
class SamplesOptions(Options):
  """The pictures that a run draws on its way.

  Attributes:
    every: steps between sample grids; 0 = none.
    every_epochs: passes over the data between sample grids, instead of `every`; 0 = off.
    first: steps before the first sample grid; the next ones come after twice as many steps each, as long as that is
      earlier than `every`. 0 = the first one comes after `every`.
    num: images in a grid, at most 4096; `experiments.sample` draws any number.
    gif_fps: frames per second of progress.gif, at most 100: the format counts in hundredths of a second.

  Raises:
    UserError: a field out of range.
  """

  SECTION: ClassVar[str] = 'samples'
  every: int = 500
  every_epochs: float = 0.0
  first: int = 50
  num: int = 64
  gif_fps: int = 8

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(every=0, every_epochs=0, first=0)
    self._between(num=(1, 4096), gif_fps=(1, 100))


@dataclasses.dataclass(frozen=True)
class LogOptions(Options):
  """The lines that a run writes.

  Attributes:
    every: steps between lines of metrics.jsonl.
    tensorboard: also write TensorBoard events.

  Raises:
    UserError: a field out of range.
  """

  SECTION: ClassVar[str] = 'log'
  every: int = 50
  tensorboard: bool = True

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(every=1)
