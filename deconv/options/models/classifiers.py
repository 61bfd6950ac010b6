"""The section `model` of the task classification."""

import dataclasses
from typing import Any

from deconv.errors import UserError
from deconv.options.models.model import ModelOptions, by_name

POOLS = ('max', 'average')


@dataclasses.dataclass(frozen=True)
class CnnOptions(ModelOptions):
  """Stages of convolutions and a pooling, then dense layers (deconv/models/classifier.py). The fields of ModelOptions,
  and:

  Attributes:
    num_classes: number of classes of the source's labels.
    widths: channels of the convolutions of each stage.
    convs: convolutions of each stage.
    kernel_size: side of their windows; odd, so that the size stays as it is.
    pool: how a stage ends, in windows of 2x2: max | average.
    global_pool: average the last map over its pixels, in place of handing on all of them.
    hidden: units of the dense layers before the class scores; () = none.
    batch_norm: batch norm after every convolution and every hidden dense layer.
    batch_norm_momentum: decay of the running statistics per step.
    dropout: share of the inputs of every dense layer that are dropped.
  """

  name: str = 'cnn'
  num_classes: int = 10
  widths: tuple[int, ...] = (32, 64)
  convs: int = 2
  kernel_size: int = 3
  pool: str = 'max'
  global_pool: bool = False
  hidden: tuple[int, ...] = (128,)
  batch_norm: bool = True
  batch_norm_momentum: float = 0.9
  dropout: float = 0.0

  def __post_init__(self) -> None:
    super().__post_init__()
    self._no_upsampling('has no upsampling layer')
    self._one_of(pool=POOLS)
    self._at_least(num_classes=2, convs=1, kernel_size=1)
    if min((1, *self.widths, *self.hidden)) < 1:
      raise UserError(f'model.widths={self.widths} and model.hidden={self.hidden} must be numbers of at least 1')
    if self.kernel_size % 2 == 0:
      raise UserError(f'model.kernel_size={self.kernel_size} must be odd; change it')
    self._share('batch_norm_momentum', 'dropout')

  def check_experiment(self, experiment: Any) -> None:
    super().check_experiment(experiment)
    side = experiment.data.image_size
    if side < 2 ** len(self.widths):
      raise UserError(
        f'model.widths={self.widths} halve the image {len(self.widths)} times, which {side} pixels are too few for; '
        'give fewer widths or a larger data.image_size'
      )


MODELS = by_name(CnnOptions)
