"""Flax Linen layers over deconv.ops: Conv, ConvTranspose, Upsample with a choice of kinds; Dense and norms.

Parameters are float32 and named `kernel` and `bias`. `dtype` is the type of the computation (None: the widest type of
input and parameters). Kernels have the layout of deconv.ops: (*window, c_in / groups, c_out) for a convolution and
(*window, c_in, c_out / groups) for a transposed convolution.
"""

from collections.abc import Callable, Sequence
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
import numpy as np

from deconv import ops
from deconv.errors import UserError, nearest
from deconv.ops.arguments import Padding, of_rank, per_dim

try:
  from flax import linen as nn
except ModuleNotFoundError as error:
  raise ModuleNotFoundError(
    "deconv.layers needs Flax: pip install 'deconv[train]'; deconv.ops needs JAX alone", name=error.name
  ) from error

Initializer = Callable[..., jax.Array]


def normal(stddev: float) -> Initializer:
  """Initialises kernels from N(0, stddev^2), with the values of flax.linen.initializers.normal.

  The numbers are drawn in one dimension and reshaped. On a CPU the compiler takes four times as long for a draw in four
  dimensions, and a network has one draw per kernel.
  """

  def init(key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> jax.Array:
    return stddev * jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)

  return init


# The default of every kernel: Radford et al. 2015, section 4. It does not look at the shape, so it cannot mistake which
# axis of a transposed kernel is the input. Networks without batch norm want `fan_in_normal`.
default_kernel_init = normal(0.02)


def fan_in_normal(
  scale: float = 1.0, strides: int | Sequence[int] = 1, groups: int = 1, transposed: bool = False
) -> Initializer:
  """Initialises kernels from N(0, scale / fan_in), with the true fan-in of an output pixel.

  An output pixel of a convolution sums window * c_in / groups products. An output pixel of a transposed convolution
  with stride s sums one in s of these products per dimension of the window (on average, if the stride does not divide
  the window). JAX's variance_scaling knows neither stride nor groups. For kernels in PyTorch's layout it reads the
  fan-in from the wrong axis.

  Args:
    scale: 1 keeps the variance of white inputs; 2 keeps it after a ReLU (He et al. 2015).
    strides: strides of the transposed convolution. They have no effect for a convolution, whose stride drops whole
      outputs.
    groups: channel groups of the transposed convolution. The kernel of a convolution shows them in its shape.
    transposed: the kernel has the shape (*window, c_in, c_out / groups) instead of (*window, c_in / groups, c_out).

  Returns:
    init(key, shape, dtype).
  """

  def init(key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> jax.Array:
    fan_in: float = math.prod(shape[:-1])
    if transposed:
      window = shape[:-2]
      fan_in /= groups * math.prod(min(k, s) for k, s in zip(window, per_dim('strides', strides, len(window))))
    return normal(math.sqrt(scale / max(fan_in, 1)))(key, shape, dtype)

  return init


class SpectralNorm(nn.Module):
  """Divides a kernel by an estimate of its largest singular value (Miyato et al. 2018, algorithm 1).

  The kernel (..., c_in, c_out) is taken as a matrix of c_out rows, whatever its kind: the output channels stand last in
  a dense kernel, in that of a convolution and in that of a transposed convolution alike. The estimate is sigma =
  u' W v, and only W has a gradient. The vectors u and v are variables of the collection `spectral`. Where a caller
  makes it mutable they make one power iteration first; everywhere else they stay as they are.
  """

  @nn.compact
  def __call__(self, kernel: jax.Array) -> jax.Array:
    matrix = kernel.astype(jnp.float32).reshape(-1, kernel.shape[-1])
    fixed = jax.lax.stop_gradient(matrix)

    def start() -> jax.Array:
      return _unit(jax.random.normal(self.make_rng('params'), (kernel.shape[-1],), jnp.float32))

    u = self.variable('spectral', 'u', start)
    v = self.variable('spectral', 'v', lambda: _unit(fixed @ u.value))
    if self.is_mutable_collection('spectral') and not self.is_initializing():
      v.value = _unit(fixed @ u.value)
      u.value = _unit(v.value @ fixed)
    sigma = v.value @ matrix @ u.value
    return (kernel.astype(jnp.float32) / sigma).astype(kernel.dtype)


def _unit(x: jax.Array) -> jax.Array:
  return x / jnp.maximum(jnp.linalg.norm(x), 1e-12)


class Dense(nn.Module):
  """Matrix product (..., c_in) -> (..., features); flax.linen.Dense, with its values, that can have spectral norm.

  Attributes:
    features: size of the last axis of the output.
    use_bias: whether there is a bias.
    dtype: type of the computation.
    kernel_init: initialiser (key, shape, dtype).
    spectral_norm: whether the kernel is divided by its largest singular value: SpectralNorm.
  """

  features: int
  use_bias: bool = True
  dtype: Any = None
  kernel_init: Initializer = nn.initializers.lecun_normal()
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    kernel = self.param('kernel', self.kernel_init, (x.shape[-1], self.features), jnp.float32)
    if self.spectral_norm:
      kernel = SpectralNorm(name='spectral_norm')(kernel)
    x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
    return _with_bias(self, jax.lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ()))))


class _Convolution(nn.Module):
  """Fields that a convolution and a transposed convolution share.

  Attributes:
    features: channels of the output.
    kernel_size: side of the window, or one side per spatial dimension.
    strides: as in deconv.ops.conv.
    padding: as in deconv.ops.conv.
    dilation: as in deconv.ops.conv.
    groups: as in deconv.ops.conv.
    use_bias: whether each output channel has a bias.
    dtype: type of the computation.
    kernel_init: initialiser (key, shape, dtype), or None for variance 2 / fan_in (fan_in_normal).
    spectral_norm: whether the kernel is divided by its largest singular value: SpectralNorm.
  """

  features: int
  kernel_size: int | Sequence[int]
  strides: int | Sequence[int] = 1
  padding: Padding = 'SAME'
  dilation: int | Sequence[int] = 1
  groups: int = 1
  use_bias: bool = True
  dtype: Any = None
  kernel_init: Initializer | None = default_kernel_init
  spectral_norm: bool = False


class Conv(_Convolution):
  """Convolution (batch, *spatial, c_in) -> (batch, *spatial', features) by deconv.ops.conv.

  Its fields are those of _Convolution.
  """

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    window = per_dim('kernel_size', self.kernel_size, x.ndim - 2)
    x, kernel = _kernel(self, x, (*window, x.shape[-1] // self.groups, self.features), fan_in_normal(2.0))
    return _with_bias(
      self, ops.conv(x, kernel, strides=self.strides, padding=self.padding, dilation=self.dilation, groups=self.groups)
    )


class ConvTranspose(_Convolution):
  """Transposed convolution (batch, *spatial, c_in) -> (batch, *spatial', features) by deconv.ops.conv_transpose.

  It is the adjoint of the convolution with the same arguments. 'SAME' multiplies the size by exactly the strides. Its
  fields are those of _Convolution, and:

  Attributes:
    output_padding: pixels added at the high border of the output, as in PyTorch.
  """

  output_padding: int | Sequence[int] = 0

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    if self.features % self.groups:
      raise UserError(f'ConvTranspose: features={self.features} must be a multiple of groups={self.groups}.')
    window = per_dim('kernel_size', self.kernel_size, x.ndim - 2)
    x, kernel = _kernel(
      self,
      x,
      (*window, x.shape[-1], self.features // self.groups),
      fan_in_normal(2.0, self.strides, self.groups, transposed=True),
    )
    return _with_bias(
      self,
      ops.conv_transpose(
        x,
        kernel,
        strides=self.strides,
        padding=self.padding,
        output_padding=self.output_padding,
        dilation=self.dilation,
        groups=self.groups,
      ),
    )


class BatchNorm(nn.BatchNorm):
  """flax.linen.BatchNorm whose running statistics are those of the first batch after the first step.

  Flax mixes the batch into a mean of 0 and a variance of 1. Kernels from N(0, 0.02) make maps with a variance of about
  0.01, so the 1 outweighs the data for some fifty steps at a decay of 0.9, and a generator that is normalised by its
  running statistics makes flat grey images.

  Attributes:
    those of flax.linen.BatchNorm without `momentum`, and:
    decay: of the running statistics per step, in [0, 1); the batch has the weight 1 - decay.
  """

  decay: float = 0.9
  momentum: float = 0.0  # Flax then leaves the batch's own statistics, which are mixed in below

  @nn.compact
  def __call__(
    self, x: jax.Array, use_running_average: bool | None = None, *, mask: jax.Array | None = None
  ) -> jax.Array:
    """Returns x (..., channels) normalised; see flax.linen.BatchNorm."""
    names = ('mean', 'var')
    old: dict[str, jax.Array] = {name: self.get_variable('batch_stats', name) for name in names}
    y: jax.Array = super().__call__(x, use_running_average, mask=mask)
    running = nn.merge_param('use_running_average', self.use_running_average, use_running_average)
    if running or self.is_initializing():
      return y
    # Channel by channel: a sum over all of them would be two kernels more to compile for each norm.
    untouched = (old['mean'] == 0) & (old['var'] == 1)
    for name in names:
      batch: jax.Array = self.get_variable('batch_stats', name)
      mixed = self.decay * old[name] + (1 - self.decay) * batch
      self.put_variable('batch_stats', name, jnp.where(untouched, batch, mixed))
    return y


class Upsample(nn.Module):
  """Multiplies the spatial size by exactly `factor` and maps c_in channels to `features`, by the operator `kind`.

  Every kind has at most the parameters `kernel` and `bias`:

  | kind                 | what it is | kernel |
  |----------------------|------------|--------|
  | deconv               | transposed convolution of side kernel_size, stride factor | (k, k, c_in, features) |
  | deconv2 ... deconv5  | the same with that side instead of kernel_size | the same |
  | resize_nearest       | nearest-neighbour resize, convolution (Odena et al. 2016) | (k', k', c_in, features) |
  | resize_bilinear      | bilinear resize, convolution | the same |
  | subpixel             | convolution, depth_to_space (Shi et al. 2016) | (k', k', c_in, factor^2 features) |
  | unpool               | unpooling by switches, convolution (Noh et al. 2015) | (k', k', c_in, features) |
  | bilinear_deconv      | transposed convolution, bilinear at first (Long et al. 2015) | (f', f', c_in, features) |
  | bilinear_deconv_fixed | 1x1 convolution if c_in != features, fixed bilinear | (1, 1, c_in, features) or none |
  | blur                 | deconv, then a fixed triangle filter that removes the frequencies k / factor | as deconv |

  f' is 2 factor - factor % 2. k' is kernel_size rounded down to an odd number, because a convolution with stride 1
  needs a middle tap. With kernel_size 4 and factor 2, `deconv` and `resize_nearest` (k' = 3) both compute each output
  pixel from 2x2 input pixels. Transposed convolutions have PyTorch's padding ceil((k - factor) / 2) and the output
  padding that completes the size (5x5/2: padding 2, output_padding 1; 4x4/2: 1, 0). This is the placement of the
  authors of DCGAN. `subpixel` starts as nearest-neighbour upsampling (Aitken et al. 2017).

  Attributes:
    features: channels of the output.
    kind: a key of KINDS.
    kernel_size: side of the window, for the kinds that use it in the table.
    factor: output size over input size, an int >= 1.
    use_bias: whether each output channel has a bias.
    dtype: type of the computation.
    kernel_init: initialiser of the kernel (for the bilinear kinds: of the matrix that mixes the channels), or None for
      variance 2 / fan_in with the fan-in of the kind (fan_in_normal).
    spectral_norm: whether the kernel is divided by its largest singular value: SpectralNorm.
  """

  features: int
  kind: str = 'deconv'
  kernel_size: int = 4
  factor: int = 2
  use_bias: bool = True
  dtype: Any = None
  kernel_init: Initializer | None = default_kernel_init
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, switches: jax.Array | None = None) -> jax.Array:
    """Upsamples an image.

    Args:
      x: (batch, *spatial, c_in).
      switches: the second output of deconv.ops.max_pool with window `factor`, on an input of exactly the output's size.
        They have the shape of x. Only kind 'unpool' uses them.

    Returns:
      (batch, *(spatial * factor), features).

    Raises:
      UserError: the kind is unknown, a size is below 1, or kind 'unpool' got no switches.
    """
    if self.kind not in KINDS:
      near = nearest(self.kind, KINDS)
      hint = f"; did you mean '{near}'" if near else ''
      raise UserError(f"no kind of upsampling is called '{self.kind}'{hint}? There are: {', '.join(KINDS)}.")
    if self.factor < 1 or self.kernel_size < 1:
      raise UserError(f'Upsample: factor={self.factor} and kernel_size={self.kernel_size} must both be at least 1.')
    if self.kind == 'unpool' and switches is None:
      raise UserError(
        "Upsample of kind 'unpool' needs the switches of a max pooling: call upsample(x, switches), or "
        'choose another kind for a network without pooling.'
      )
    return _with_bias(self, KINDS[self.kind](self, x, switches))


def _kernel(
  module: _Convolution | Upsample,
  x: jax.Array,
  shape: Sequence[int],
  fan_init: Initializer,
  wrap: Callable[[Initializer], Initializer] = lambda init: init,
) -> tuple[jax.Array, jax.Array]:
  """Returns x and the parameter `kernel` of a shape, both in the type that is computed in."""
  kernel = module.param('kernel', wrap(module.kernel_init or fan_init), shape, jnp.float32)
  if module.spectral_norm:
    kernel = SpectralNorm(name='spectral_norm')(kernel)
  x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=module.dtype)
  return x, kernel


def _window_kernel(
  module: Upsample,
  x: jax.Array,
  side: int,
  features: int,
  fan_init: Initializer,
  wrap: Callable[[Initializer], Initializer] = lambda init: init,
) -> tuple[jax.Array, jax.Array]:
  """`_kernel` of (side, ..., c_in, features), a side for each spatial dimension of x."""
  return _kernel(module, x, (side,) * (x.ndim - 2) + (x.shape[-1], features), fan_init, wrap)


def _with_bias(module: Dense | _Convolution | Upsample, y: jax.Array) -> jax.Array:
  """y plus the parameter `bias`, in the type of y, where the module has one."""
  if not module.use_bias:
    return y
  bias = module.param('bias', nn.initializers.zeros, (module.features,), jnp.float32).astype(y.dtype)
  return y + of_rank(bias, y.ndim)


def _deconv(module: Upsample, x: jax.Array, switches: jax.Array | None, side: int | None = None) -> jax.Array:
  del switches
  fan_init = fan_in_normal(2.0, module.factor, transposed=True)
  return _transpose(*_window_kernel(module, x, side or module.kernel_size, module.features, fan_init), module.factor)


def _transpose(x: jax.Array, kernel: jax.Array, factor: int) -> jax.Array:
  """Transposed convolution to exactly factor times the size, PyTorch's placement."""
  dims, side = x.ndim - 2, kernel.shape[0]
  if side < factor:  # pixels that no tap reaches
    return ops.conv_transpose(x, kernel, strides=factor, output_padding=factor - side)
  low = -(-(side - factor) // 2)
  return ops.conv_transpose(x, kernel, strides=factor, padding=((low, side - factor - low),) * dims)


def _odd(module: Upsample) -> int:
  return module.kernel_size - (module.kernel_size % 2 == 0)


def _resize_nearest(module: Upsample, x: jax.Array, switches: jax.Array | None) -> jax.Array:
  del switches
  x, kernel = _window_kernel(module, x, _odd(module), module.features, fan_in_normal(2.0))
  return ops.resize_nearest_conv(x, kernel, module.factor)


def _resize_bilinear(module: Upsample, x: jax.Array, switches: jax.Array | None) -> jax.Array:
  del switches
  x, kernel = _window_kernel(module, x, _odd(module), module.features, fan_in_normal(2.0))
  return ops.conv(ops.resize_bilinear(x, module.factor), kernel, padding='SAME')


def _subpixel(module: Upsample, x: jax.Array, switches: jax.Array | None) -> jax.Array:
  del switches
  factor = module.factor
  features = module.features * factor ** (x.ndim - 2)
  wrap = functools.partial(ops.icnr, factor=factor)
  x, kernel = _window_kernel(module, x, _odd(module), features, fan_in_normal(2.0), wrap)
  return ops.depth_to_space(ops.conv(x, kernel, padding='SAME'), factor)


def _unpool(module: Upsample, x: jax.Array, switches: jax.Array | None) -> jax.Array:
  assert switches is not None  # Upsample has looked
  x, kernel = _window_kernel(module, x, _odd(module), module.features, fan_in_normal(2.0))
  return ops.conv(ops.max_unpool(x, switches, window=module.factor), kernel, padding='SAME')


def _bilinear_deconv(module: Upsample, x: jax.Array, switches: jax.Array | None) -> jax.Array:
  del switches
  filter_ = ops.bilinear_kernel(module.factor, x.ndim - 2)
  wrap = functools.partial(_bilinear_init, filter_=filter_)
  x, kernel = _window_kernel(module, x, len(filter_), module.features, fan_in_normal(2.0), wrap)
  return _transpose(x, kernel, module.factor)


def _bilinear_init(init: Initializer, filter_: np.ndarray) -> Initializer:
  """Interpolation in each channel: the channels are the same (Long et al. 2015), or mixed by a matrix drawn from
  `init`."""

  def bilinear(key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> jax.Array:
    c_in, c_out = shape[-2:]
    mix = jnp.eye(c_in, dtype=dtype) if c_in == c_out else init(key, (1,) * filter_.ndim + (c_in, c_out), dtype)
    return jnp.asarray(filter_, dtype)[..., None, None] * mix

  return bilinear


def _bilinear_deconv_fixed(module: Upsample, x: jax.Array, switches: jax.Array | None) -> jax.Array:
  del switches
  if x.shape[-1] != module.features:
    x, kernel = _window_kernel(module, x, 1, module.features, fan_in_normal(2.0))
    x = ops.conv(x, kernel)
  else:
    (x,) = nn.dtypes.promote_dtype(x, dtype=module.dtype)
  return ops.resize_bilinear(x, module.factor, border='zero')


def _blur(module: Upsample, x: jax.Array, switches: jax.Array | None) -> jax.Array:
  return ops.blur(_deconv(module, x, switches), ops.box_filter(module.factor, 2))


KINDS: dict[str, Callable[..., jax.Array]] = {
  'deconv': _deconv,
  'deconv2': functools.partial(_deconv, side=2),
  'deconv3': functools.partial(_deconv, side=3),
  'deconv4': functools.partial(_deconv, side=4),
  'deconv5': functools.partial(_deconv, side=5),
  'resize_nearest': _resize_nearest,
  'resize_bilinear': _resize_bilinear,
  'subpixel': _subpixel,
  'unpool': _unpool,
  'bilinear_deconv': _bilinear_deconv,
  'bilinear_deconv_fixed': _bilinear_deconv_fixed,
  'blur': _blur,
}
