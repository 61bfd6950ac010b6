"""Convolutions as loops over taps in float64, written from the definition and from nothing in `deconv`."""

import itertools

import numpy as np


def conv_transpose(x, kernel, large, strides, lows, dilation, groups):
  """`y[i * stride + k * dilation - low] += x[i] @ kernel[k]`, pixels outside of `large` dropped."""
  x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
  n, c_out = len(large), kernel.shape[-1]
  y = np.zeros((x.shape[0], *large, groups * c_out))
  for i in itertools.product(*map(range, x.shape[1:-1])):
    for k in itertools.product(*map(range, kernel.shape[:n])):
      o = tuple(i[d] * strides[d] + k[d] * dilation[d] - lows[d] for d in range(n))
      if all(0 <= o[d] < large[d] for d in range(n)):
        for g, (xs, ks) in enumerate(zip(np.split(x[(slice(None), *i)], groups, -1), np.split(kernel[k], groups, 0))):
          y[(slice(None), *o, slice(g * c_out, (g + 1) * c_out))] += xs @ ks
  return y


def conv(x, kernel, small, strides, lows, dilation, groups):
  """`y[i] = sum_k x[i * stride + k * dilation - low] @ kernel[k]`, zero outside of x."""
  x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
  n = len(small)
  y = np.zeros((x.shape[0], *small, kernel.shape[-1]))
  for i in itertools.product(*map(range, small)):
    for k in itertools.product(*map(range, kernel.shape[:n])):
      o = tuple(i[d] * strides[d] + k[d] * dilation[d] - lows[d] for d in range(n))
      if all(0 <= o[d] < x.shape[1 + d] for d in range(n)):
        pairs = zip(np.split(x[(slice(None), *o)], groups, -1), np.split(kernel[k], groups, -1))
        y[(slice(None), *i)] += np.concatenate([xs @ ks for xs, ks in pairs], -1)
  return y


def conv_transpose_grads(x, kernel, ct, large, strides, lows, dilation, groups):
  """The two gradients of sum(ct * conv_transpose): loops of their own, which check the adjoints independently."""
  x, kernel, ct = (np.asarray(a, np.float64) for a in (x, kernel, ct))
  n, c_out = len(large), kernel.shape[-1]
  dx, dk = np.zeros(x.shape), np.zeros(kernel.shape)
  c_in = x.shape[-1] // groups
  for i in itertools.product(*map(range, x.shape[1:-1])):
    for k in itertools.product(*map(range, kernel.shape[:n])):
      o = tuple(i[d] * strides[d] + k[d] * dilation[d] - lows[d] for d in range(n))
      if all(0 <= o[d] < large[d] for d in range(n)):
        for g in range(groups):
          ins, outs = slice(g * c_in, (g + 1) * c_in), slice(g * c_out, (g + 1) * c_out)
          c = ct[(slice(None), *o, outs)]
          dx[(slice(None), *i, ins)] += c @ kernel[(*k, ins)].T
          dk[(*k, ins)] += x[(slice(None), *i, ins)].T @ c
  return dx, dk
