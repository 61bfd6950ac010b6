"""What a program multiplies and moves: counted by hand from its operators, and read from the text of its compilation.

The first is what the mathematics asks for; the second is what a device is told to do. Where the second is larger, a
compiler multiplies zeros or computes something twice.
"""

import collections
import dataclasses
import math
import re

from jax.extend import core
from jax.interpreters import partial_eval

# Counted by hand.


def by_hand(closed_jaxpr):
  """Returns the multiplications and additions of all convolutions and matrix products of a traced program.

  A convolution counts 2 * batch * small positions * taps * c_small * c_large / groups, in either direction and for both
  gradients: no zeros between pixels, and the taps that fall on the border are counted. Elementwise work is left out. A
  loop counts as often as it runs (`while`, whose number is not known: once), of a choice the dearest branch, and
  nothing that no result needs.

  Args:
    closed_jaxpr: of jax.make_jaxpr.
  """
  jaxpr = closed_jaxpr.jaxpr
  jaxpr, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
  return _count(jaxpr)


def _count(jaxpr):
  return sum(_count_equation(equation) for equation in jaxpr.eqns)


def _count_equation(equation):
  name, parameters = equation.primitive.name, equation.params
  shapes = [var.aval.shape for var in equation.invars]
  if name in ('conv_expand', 'conv_reduce', 'conv_correlate'):
    return _of_geometry(name, shapes, equation.outvars[0].aval.shape, parameters['geometry'])
  if name == 'dot_general':
    (contracted, _), _ = parameters['dimension_numbers']
    return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(shapes[0][axis] for axis in contracted)
  if name == 'conv_general_dilated':
    return _of_lax(shapes, equation.outvars[0].aval.shape, parameters)
  inner = [_count(jaxpr) for jaxpr in _jaxprs_in(parameters.values())]
  if name == 'cond':
    return max(inner)
  return sum(inner) * (parameters['length'] if name == 'scan' else 1)


def _jaxprs_in(values):
  for value in values:
    if isinstance(value, core.ClosedJaxpr):
      yield value.jaxpr
    elif isinstance(value, core.Jaxpr):
      yield value
    elif isinstance(value, (tuple, list)):
      yield from _jaxprs_in(value)


def _of_geometry(name, shapes, out, geometry):
  batch = shapes[0][0]
  c_small, c_large = out[-2:] if name == 'conv_correlate' else shapes[1][-2:]
  return 2 * geometry.positions(batch) * math.prod(geometry.window) * c_small * c_large


def _of_lax(shapes, out, parameters):
  numbers, (lhs, rhs) = parameters['dimension_numbers'], shapes
  dims = zip(
    numbers.lhs_spec[2:],
    numbers.rhs_spec[2:],
    numbers.out_spec[2:],
    parameters['window_strides'],
    parameters['padding'],
    parameters['lhs_dilation'],
    parameters['rhs_dilation'],
  )
  pairs = math.prod(
    seen_pairs(lhs[i], rhs[k], out[o], stride, low, dilation, window_dilation)
    for i, k, o, stride, (low, _), dilation, window_dilation in dims
  )
  batch, channels = (out[axis] for axis in numbers.out_spec[:2])
  return 2 * batch * channels * rhs[numbers.rhs_spec[1]] * pairs


def seen_pairs(size, window, out, stride, low, dilation=1, window_dilation=1):
  """Returns how many (position of the output, tap) of one dimension fall on a pixel, not on padding or between two."""
  return sum(
    0 <= at < (size - 1) * dilation + 1 and at % dilation == 0
    for position in range(out)
    for at in (position * stride - low + tap * window_dilation for tap in range(window))
  )


# Read from the text of an optimized program.


@dataclasses.dataclass(frozen=True)
class Call:
  """What a device is told to do at once: a call of a library, a fused kernel, a copy, a collective.

  Attributes:
    kind: of KINDS, or the name of a collective.
    products: multiplications and additions of convolutions and matrix products in it.
    bytes: of operands and results: what is read and written where nothing stays in a cache.
    operand_bytes: of the operands alone.
    times: how often it runs.
  """

  kind: str
  products: int
  bytes: int
  operand_bytes: int
  times: int


COLLECTIVES = ('all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all', 'collective-permute')
KINDS = ('forward', 'backward data', 'backward filter', 'convolution', 'matrix product', 'copy', 'other kernels')
_LIBRARY = {
  '__cudnn$convForward': 'forward',
  '__cudnn$convForwardGraph': 'forward',
  '__cudnn$convBiasActivationForward': 'forward',
  '__cudnn$convBackwardInput': 'backward data',
  '__cudnn$convBackwardFilter': 'backward filter',
}
# What costs nothing by itself, or is counted where it is called.
_FREE = {
  'parameter',
  'get-tuple-element',
  'tuple',
  'constant',
  'bitcast',
  'after-all',
  'partition-id',
  'replica-id',
  'while',
  'conditional',
  'call',
  'opt-barrier',
}
_MOVES = {'transpose', 'copy', 'pad', 'slice', 'concatenate', 'reshape', 'bitcast', 'convert', 'parameter', 'constant'}
_ARRAY = re.compile(r'\b(pred|token|[a-z]+\d+\w*)\[([\d,]*)\]')


@dataclasses.dataclass(frozen=True)
class _Instruction:
  name: str
  arrays: list  # (element type, shape) of the result, several of a tuple
  op: str
  operands: list  # names
  attributes: str

  @property
  def shape(self):
    return self.arrays[0][1]

  @property
  def bytes(self):
    return sum(_bits(kind) * math.prod(shape) // 8 for kind, shape in self.arrays)


def _bits(kind):
  digits = re.search(r'\d+', kind)
  return int(digits[0]) if digits else {'pred': 8, 'token': 0}[kind]


class Program:
  """The optimized program of one device.

  Attributes:
    calls: list of Call, in the order of the text.
    computations: {name: {name: instruction}}, fused ones among them.
  """

  def __init__(self, text):
    """Reads `compiled.as_text()`."""
    self.aliased = len(re.findall(r'\{[\d, ]*\}: \(\d+, \{[\d, ]*\}, (?:may|must)-alias\)', text.partition('\n')[0]))
    self.computations, entry = _parse(text)
    self.calls = list(self._walk(entry, 1))

  def products(self):
    """Returns the multiplications and additions of all convolutions and matrix products.

    Those of a library are counted as it computes them, border and all; a convolution that a TPU runs, which dilates in
    hardware and skips what it pads, only where a tap falls on a pixel.
    """
    return sum(call.products * call.times for call in self.calls)

  def zero_stuffed(self):
    """Returns the operands, as text, into which zeros are written between pixels."""
    found = []
    for computation in self.computations.values():
      for instruction in computation.values():
        if instruction.op == 'pad':
          padding = re.search(r'padding=([\dx_-]+)', instruction.attributes)[1]
          if any(part.count('_') == 2 and int(part.split('_')[2]) for part in padding.split('x')):
            found.append(f'pad {padding}')
        if instruction.op in ('convolution', 'custom-call'):
          found += re.findall(r'lhs_dilate=[\dx]+', instruction.attributes)
    return found

  def _walk(self, name, times):
    computation = self.computations[name]
    for instruction in computation.values():
      attributes = instruction.attributes
      inner = re.findall(r'(?:body|to_apply|true_computation|false_computation)=%?([\w.\-]+)', attributes)
      inner += re.findall(r'%?([\w.\-]+)', ' '.join(re.findall(r'branch_computations=\{([^}]*)\}', attributes)))
      if instruction.op in ('while', 'conditional', 'call'):
        trips = re.search(r'"known_trip_count":\{"n":"(\d+)"', attributes)
        for called in inner:
          yield from self._walk(called, times * (int(trips[1]) if trips else 1))
      if instruction.op in _FREE or instruction.op.endswith(('-done', '-update')):
        continue
      # A tuple as an operand stands for what a get-tuple-element before it has named.
      operand_bytes = sum(computation[operand].bytes for operand in instruction.operands)
      kind, products = self._kind_and_products(instruction, computation)
      yield Call(kind, products, operand_bytes + instruction.bytes, operand_bytes, times)

  def _kind_and_products(self, instruction, computation):
    op = instruction.op.removesuffix('-start')
    if op in COLLECTIVES:
      return op, 0
    if op == 'custom-call':
      return _library(instruction, computation)
    if op in ('dot', 'convolution'):
      return ('matrix product' if op == 'dot' else op), _products(instruction, computation)
    called = re.search(r'calls=%?([\w.\-]+)', instruction.attributes)
    if not called:
      return ('copy' if op in _MOVES else 'other kernels'), 0
    ops, products = set(), 0
    for inside, within in self._fused(called[1]):
      ops.add(inside.op)
      products += _products(inside, within)
    if products:
      return ('convolution' if 'convolution' in ops else 'matrix product'), products
    collective = [name for name in COLLECTIVES if {name, f'{name}-start'} & ops]
    return (collective or ['copy' if ops <= _MOVES else 'other kernels'])[0], 0

  def _fused(self, name):
    computation = self.computations[name]
    for instruction in computation.values():
      yield instruction, computation
      for called in re.findall(r'calls=%?([\w.\-]+)', instruction.attributes):
        yield from self._fused(called)


def _library(instruction, computation):
  (target,) = re.findall(r'custom_call_target="([^"]+)"', instruction.attributes)
  operand = lambda i: computation[instruction.operands[i]].shape
  if target in _LIBRARY:
    kind = _LIBRARY[target]
    small, kernel = {
      'forward': lambda: (instruction.shape, operand(1)),
      'backward data': lambda: (operand(0), operand(1)),
      'backward filter': lambda: (operand(1), instruction.shape),
    }[kind]()
    labels = re.search(r'dim_labels=\w+?_(\w+)->', instruction.attributes)[1]
    each = math.prod(size for size, label in zip(kernel, labels) if label != 'o')
    return kind, 2 * math.prod(small) * each
  if 'cublas' in target:
    axes = re.search(r'"lhs_contracting_dimensions":\[([^\]]*)\]', instruction.attributes)[1]
    return 'matrix product', 2 * math.prod(instruction.shape) * _sizes(operand(0), axes)
  return 'other kernels', 0


def _products(instruction, computation):
  if instruction.op == 'dot':
    axes = re.search(r'lhs_contracting_dims=\{([\d,]*)\}', instruction.attributes)[1]
    return 2 * math.prod(instruction.shape) * _sizes(computation[instruction.operands[0]].shape, axes)
  if instruction.op == 'convolution':
    return _of_convolution(instruction, computation)
  return 0


def _sizes(shape, axes):
  return math.prod(shape[int(axis)] for axis in re.findall(r'\d+', axes))


def _of_convolution(instruction, computation):
  lhs, rhs = (computation[name].shape for name in instruction.operands[:2])
  labels = re.search(r'dim_labels=(\w+)_(\w+)->(\w+)', instruction.attributes).groups()
  window = re.search(r'window=\{([^}]*)\}', instruction.attributes)
  window = dict(part.split('=') for part in window[1].split()) if window else {}
  spatial = sum(label.isdigit() for label in labels[0])
  per_dim = lambda name, default: window.get(name, 'x'.join([default] * spatial)).split('x')
  pairs = 1
  for d in range(spatial):
    size, side, out = (shape[label.index(str(d))] for shape, label in zip((lhs, rhs, instruction.shape), labels))
    pairs *= seen_pairs(
      size,
      side,
      out,
      int(per_dim('stride', '1')[d]),
      int(per_dim('pad', '0_0')[d].split('_')[0]),
      int(per_dim('lhs_dilate', '1')[d]),
      int(per_dim('rhs_dilate', '1')[d]),
    )
  others = math.prod(size for size, label in zip(instruction.shape, labels[2]) if not label.isdigit())
  return 2 * others * rhs[labels[1].index('i')] * pairs


def _parse(text):
  """Returns {name of a computation: {name: instruction}} and the name of the one that is run."""
  computations, entry, current = {}, None, None
  for line in text.splitlines():
    opened = re.match(r'(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{', line)
    if opened:
      current = computations.setdefault(opened[2], {})
      entry = opened[2] if opened[1] else entry
      continue
    named = re.match(r'\s+(?:ROOT )?%?([\w.\-]+) = (.*)', line)
    if named and current is not None:
      name, rest = named.groups()
      end = _closing(rest) if rest.startswith('(') else rest.index(' ')
      arrays = [(kind, tuple(map(int, re.findall(r'\d+', sizes)))) for kind, sizes in _ARRAY.findall(rest[:end])]
      op, _, rest = rest[end:].strip().partition('(')
      end = _closing('(' + rest) - 1
      current[name] = _Instruction(name, arrays, op, re.findall(r'%([\w.\-]+)', rest[:end]), rest[end:])
  return computations, entry


def _closing(text):
  """Returns the index after the parenthesis that closes the first one."""
  depth = 0
  for i, character in enumerate(text):
    depth += {'(': 1, ')': -1}.get(character, 0)
    if not depth:
      return i + 1
  return len(text)


def by_kind(calls):
  """Returns {kind: (calls, products, bytes)}, the kinds of KINDS first, in its order."""
  sums = collections.defaultdict(lambda: [0, 0, 0])
  for call in calls:
    total = sums[call.kind]
    for i, amount in enumerate((1, call.products, call.bytes)):
      total[i] += amount * call.times
  order = {kind: i for i, kind in enumerate(KINDS)}
  return {kind: tuple(sums[kind]) for kind in sorted(sums, key=lambda kind: (order.get(kind, len(order)), kind))}
