"""The section `model` of the task sparse_coding."""

import dataclasses

from deconv.errors import UserError
from deconv.options.models.model import ModelOptions, by_name

CONNECTIVITIES = ('full', 'singles_and_doubles', 'random_doubles')


@dataclasses.dataclass(frozen=True)
class DeconvolutionalNetworkOptions(ModelOptions):
  """Layers of sums of filters convolved with sparse maps (deconv/models/deconvolutional_network.py). The fields of
  ModelOptions, and:

  Attributes:
    maps: number of maps of each layer, from the pixels up. Zeiler et al. (2010): 9, 45, 150, 150.
    kernel_sizes: side of the filters of each layer.
    connectivity: to which maps of the layer below (in the first layer: channels) the maps of each layer are connected.
      full: to all; singles_and_doubles: one map for each map below and one for each pair of them, n + n (n - 1) / 2
      maps for n below; random_doubles: each to two that are drawn at random.
  """

  name: str = 'deconvolutional_network'
  maps: tuple[int, ...] = (9,)
  kernel_sizes: tuple[int, ...] = (7,)
  connectivity: tuple[str, ...] = ('full',)

  def __post_init__(self) -> None:
    super().__post_init__()
    self._no_upsampling('has no layer that enlarges')
    lengths = len(self.maps), len(self.kernel_sizes), len(self.connectivity)
    if not self.maps or len(set(lengths)) > 1:
      raise UserError(
        'model.maps, model.kernel_sizes and model.connectivity have an entry for each layer, and they have '
        f'{lengths[0]}, {lengths[1]} and {lengths[2]} entries; give all of them the same number'
      )
    if min(*self.maps, *self.kernel_sizes) < 1:
      raise UserError(
        f'model.maps={self.maps} and model.kernel_sizes={self.kernel_sizes} must be at least 1; change them'
      )
    for kind in self.connectivity:
      if kind not in CONNECTIVITIES:
        raise UserError(f"model.connectivity has '{kind}'; choose from {', '.join(CONNECTIVITIES)}")
    for layer, (kind, number) in enumerate(zip(self.connectivity, self.maps)):
      below = self.maps[layer - 1]
      if kind == 'full':
        continue
      if layer == 0:
        raise UserError(f"model.connectivity={self.connectivity}: the first layer has no maps below; make it 'full'")
      if kind == 'random_doubles' and below < 2:
        raise UserError(f"model.connectivity: there are no two maps below layer {layer + 1}; make it 'full'")
      fitting = below + below * (below - 1) // 2
      if kind == 'singles_and_doubles' and number != fitting:
        raise UserError(
          f'model.maps={self.maps}: {below} maps have {fitting} singles and doubles; give layer {layer + 1} as many'
        )


MODELS = by_name(DeconvolutionalNetworkOptions)
