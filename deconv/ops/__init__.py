"""Deconvolution as pure array functions: JAX alone, channels last, under any framework.

Semantics, correspondence with other libraries and examples: docs/operators.md.
"""

from deconv.host_memory import keep_freed_memory
from deconv.ops.blur import blur, blur_upsample, box_filter, upsample_filter
from deconv.ops.conv import conv, conv_transpose
from deconv.ops.drop_in import lax_conv_general_dilated, lax_conv_transpose
from deconv.ops.pool import avg_pool, avg_unpool, max_pool, max_unpool
from deconv.ops.resize import bilinear_kernel, resize_bilinear, resize_nearest, resize_nearest_conv
from deconv.ops.shuffle import depth_to_space, icnr, space_to_depth

__all__ = [
  'avg_pool',
  'avg_unpool',
  'bilinear_kernel',
  'blur',
  'blur_upsample',
  'box_filter',
  'conv',
  'conv_transpose',
  'depth_to_space',
  'icnr',
  'keep_freed_memory',
  'lax_conv_general_dilated',
  'lax_conv_transpose',
  'max_pool',
  'max_unpool',
  'resize_bilinear',
  'resize_nearest',
  'resize_nearest_conv',
  'space_to_depth',
  'upsample_filter',
]
