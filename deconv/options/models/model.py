"""What the section `model` of every network has."""

import dataclasses
from typing import ClassVar

from deconv.errors import UserError, did_you_mean
from deconv.options.options import Options

# Keys of deconv.layers.KINDS: what can double the resolution.
UPSAMPLE_KINDS = (
  'deconv',
  'deconv2',
  'deconv3',
  'deconv4',
  'deconv5',
  'resize_nearest',
  'resize_bilinear',
  'subpixel',
  'unpool',
  'bilinear_deconv',
  'bilinear_deconv_fixed',
  'blur',
)


@dataclasses.dataclass(frozen=True)
class ModelOptions(Options):
  """A network.

  Attributes:
    name: name of the network.
    upsample: operator that enlarges: a kind of deconv.layers.Upsample.

  Raises:
    UserError: a field out of range, or an unknown kind of upsampling.
  """

  SECTION: ClassVar[str] = 'model'
  KINDS: ClassVar[tuple[str, ...]] = UPSAMPLE_KINDS
  name: str = ''
  upsample: str = 'deconv'

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.upsample not in self.KINDS:
      raise UserError(
        f"no kind of upsampling is called '{self.upsample}'{did_you_mean(self.upsample, self.KINDS)}: "
        f'model.upsample is one of {", ".join(self.KINDS)}.'
      )

  @property
  def disc_batch_norm(self) -> bool:
    """Whether there is a discriminator with batch norm, so that an image's logit depends on its batch."""
    return False

  def _no_upsampling(self, why: str) -> None:
    if self.upsample != 'deconv':
      raise UserError(
        f"model.upsample='{self.upsample}' has no effect on model.name='{self.name}', which {why}; leave it at deconv"
      )


def by_name(*classes: type[ModelOptions]) -> dict[str, type[ModelOptions]]:
  """Returns {name of the network: its options}."""
  return {options.name: options for options in classes}
