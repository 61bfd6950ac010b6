"""Compiles layers for a GPU that is not there, as convolutions of `lax` and as `deconv.ops` has them.

  pip install ".[compile]"
  python -m scripts.compile_ops [--target=h100] [--save=results/compiled_layers.json]

For each map of a layer: the products over the count by hand (above 1: zeros are multiplied) and the memory for
temporary arrays. Nothing runs. The maps are expand (the transposed convolution), reduce (its input gradient) and
correlate (its kernel gradient); docs/lowering.md explains them. Where a layer is 'scaled', its kernel arrives from a
product, as with spectral norm. Products element by element, of a depthwise layer in one fused kernel, are not counted.
"""

import argparse
import dataclasses

import jax
import jax.numpy as jnp

from deconv.experiments import command
from deconv.ops import convolutions, gpu
from deconv.ops.geometry import conv_transpose_geometry
from scripts import compile_for, program_counts, result_files
from scripts.command_line import result_file


@dataclasses.dataclass(frozen=True)
class Layer:
  """A transposed convolution, and the maps of it that are worth a row."""

  name: str
  image: tuple[int, ...]
  kernel: tuple[int, ...]
  maps: tuple[str, ...]
  padding: int = 0
  output_padding: int = 0
  dilation: int = 1
  groups: int = 1
  scaled: bool = False

  def geometry(self):
    """Returns the deconv.ops.geometry.Geometry; strides are 2."""
    return conv_transpose_geometry(
      self.image, self.kernel, 2, self.padding, self.output_padding, self.dilation, self.groups
    )


LAYERS = (
  Layer('5x5/2 at 4, 1024 -> 512, 16 images', (16, 4, 4, 1024), (5, 5, 1024, 512), ('expand', 'correlate'), 2, 1),
  Layer('4x4/2 at 16, 128 -> 64, 64 images, scaled', (64, 16, 16, 128), (4, 4, 128, 64), ('expand',), 1, scaled=True),
  Layer('5x5/2 at 16, 256 -> 128, 16 images', (16, 16, 16, 256), (5, 5, 256, 128), ('reduce',), 2, 1),
  Layer(
    '4x4x4/2 at 8, 128 -> 64, 4 images, scaled', (4, 8, 8, 8, 128), (4, 4, 4, 128, 64), ('expand',), 1, scaled=True
  ),
  Layer(
    'dilated 3x3/2 at 32, 128 -> 64, 4 images',
    (4, 32, 32, 128),
    (3, 3, 128, 64),
    ('expand', 'reduce', 'correlate'),
    2,
    1,
    dilation=2,
  ),
  Layer('4x4/2 at 16, 4 groups, 128 -> 64, 16 images', (16, 16, 16, 128), (4, 4, 128, 16), ('expand',), 1, groups=4),
  Layer('4x4/2 at 32, depthwise, 64 channels, 8 images', (8, 32, 32, 64), (4, 4, 64, 1), ('expand',), 1, groups=64),
)
# {map: which two of (image, kernel, result) it takes}.
_OPERANDS = {'expand': (0, 1), 'reduce': (2, 1), 'correlate': (0, 2)}


def measure(layer, name, module, target):
  """Returns (products over the count by hand, MiB of temporary arrays) of a map.

  Args:
    layer: Layer.
    name: of the map.
    module: deconv.ops.convolutions or gpu, whose function of that name it is.
    target: see scripts.compile_for.devices_of.
  """
  g = layer.geometry()
  (device,) = compile_for.devices_of(target)
  here = jax.sharding.SingleDeviceSharding(device)
  shapes = layer.image, layer.kernel, (layer.image[0], *g.large, layer.kernel[-1] * layer.groups)
  operands = [jax.ShapeDtypeStruct(shapes[i], jnp.float32, sharding=here) for i in _OPERANDS[name]]

  def program(a, b):
    return getattr(module, name)(a, b * 0.5 if layer.scaled and name != 'correlate' else b, g)

  compiled = jax.jit(program, out_shardings=here).lower(*operands).compile()
  channels = layer.kernel[-2] * layer.kernel[-1]
  by_hand = 2 * g.positions(layer.image[0])
  for side in g.window:
    by_hand *= side
  counted = program_counts.Program(compiled.as_text()).products() / (by_hand * channels)
  return counted, compiled.memory_analysis().temp_size_in_bytes / 2**20


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--target', default='h100', help='as --target of scripts.compile_for, one device')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  rows = []
  with command.one_sentence():
    for layer in LAYERS:
      for name in layer.maps:
        values = {}
        for form, module in (('lax', convolutions), ('ours', gpu)):
          values[f'ratio.{form}'], values[f'temporary_mib.{form}'] = measure(layer, name, module, options.target)
        print(f'{layer.name}, {name}: ' + ', '.join(f'{key} {value:.2f}' for key, value in values.items()), flush=True)
        rows.append(result_files.row(layer.name, values, group=name))
    result_files.save_benchmark(
      options.save,
      'scripts.compile_ops',
      {'note': f'compiled ahead of time for {options.target}, nothing run; float32; autotuning off'},
      rows,
    )


if __name__ == '__main__':
  main()
