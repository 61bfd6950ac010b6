"""The measured numbers by which a CPU's programs are chosen (`cpu.py`), one table for each kind of processor.

Which form of a convolution is the fastest depends on its shape and on the processor's vector instructions. So the rule
is a function of the shape, and its thresholds are a `CpuRule`: RULES has one for each instruction set that was
measured. A processor of another kind takes the nearer one. `python -m scripts.tune_ops` measures the machine at hand
and writes a table of its own; the environment variable DECONV_CPU_RULE, or `use`, puts it into place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
import json
import os
from typing import Any

import jax

from deconv.errors import UserError, did_you_mean

# Names a table of RULES, or a file that scripts.tune_ops wrote.
ENVIRONMENT_VARIABLE = 'DECONV_CPU_RULE'

# A threshold that no shape reaches.
NEVER = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class CpuRule:
  """The thresholds of the rule. Rows are pixels of the last dimension; channels are those of one group.

  Attributes:
    name: of the table: that of an instruction set, or of the processor it was measured on.
    wide_row: shortest row of the small image for the form 'wide' of expand.
    wide_outputs: fewest output channels over all phases for it.
    plain_row: shortest row for XLA's convolution at stride 1.
    plain_outputs: fewest output channels of expand for it.
    strided_row: shortest row of the small image for XLA's strided convolution as a form of reduce.
    strided_inputs: fewest input channels for it.
    beside_row_products: at stride 1, images go side by side where a row has fewer products per tap than this:
      pixels times channels of both sides; 0 = never.
    beside_products: and the batch at least so many.
    beside_channels: and the side that has more channels at least so many.
    thin_column: columns of the unfolded array with fewer channels than this share one matrix product.
    group_channels: fewest channels of the large array for one batched product over all groups.
    lax_taps: most taps of a kernel whose gradient at stride 1 is left to XLA.
    lax_channels: and the most channels, on either side.
    lax_elements: and the most elements of an array, of the small positions times the channels of the wider side.
    small_channels: a kernel gradient at stride 1 unfolds the small array where it has fewer channels than this, and
      fewer than the large one.

  Raises:
    UserError: a threshold is not a whole number that is at least 0.
  """

  name: str
  wide_row: int = 8
  wide_outputs: int = 64
  plain_row: int = 8
  plain_outputs: int = 8
  strided_row: int = 16
  strided_inputs: int = 32
  beside_row_products: int = 0
  beside_products: int = 2**24
  beside_channels: int = 17
  thin_column: int = 64
  group_channels: int = NEVER
  lax_taps: int = 9
  lax_channels: int = 32
  lax_elements: int = NEVER
  small_channels: int = 64

  def __post_init__(self) -> None:
    for field, value in self.thresholds().items():
      if type(value) is not int or value < 0:
        raise UserError(f'the CPU rule {self.name!r} has {field}={value!r}; it must be a whole number, 0 or more')

  def thresholds(self) -> dict[str, int]:
    """Returns {field: number}, without the name."""
    fields = dataclasses.asdict(self)
    del fields['name']
    return fields

  def fingerprint(self) -> str:
    """Returns 12 hexadecimal digits that are the same for the same thresholds, whatever their table is called."""
    return hashlib.sha256(json.dumps(self.thresholds(), sort_keys=True).encode()).hexdigest()[:12]


# By instruction set. docs/lowering.md says on which processors they were measured.
RULES = {
  'avx2': CpuRule('avx2'),
  'avx512': CpuRule(
    'avx512', strided_row=8, beside_row_products=2**18, thin_column=129, group_channels=16, lax_elements=2**19
  ),
}

# Holds the rule of this process, once it has been asked for.
_chosen: list[CpuRule] = []


def instruction_set(flags: Sequence[str] | None = None) -> str:
  """Returns the key of RULES for a processor: 'avx512', or 'avx2' for all others.

  Args:
    flags: what the processor can do, in the words of Linux; None = the one at hand. Where the system does not tell,
      as on a Mac with its vectors of 128 bits, the narrower table is the nearer one.
  """
  known = processor_fields().get('flags', '').split() if flags is None else flags
  return 'avx512' if 'avx512f' in known else 'avx2'


def processor_fields() -> dict[str, str]:
  """Returns {name: text} of /proc/cpuinfo, such as 'model name' and 'flags'; {} where there is no such file."""
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as file:
      parts = [line.partition(':') for line in file]
  except OSError:  # not Linux
    return {}
  return {name.strip(): value.strip() for name, colon, value in parts if colon}


def rule_of(name: str) -> CpuRule:
  """Returns a rule by its name: '' = that of this processor, a key of RULES, or a file of scripts.tune_ops.

  Raises:
    UserError: there is no such rule, or the file does not hold one.
  """
  if not name:
    return RULES[instruction_set()]
  if name in RULES:
    return RULES[name]
  path = os.path.expanduser(name)
  try:
    with open(path, encoding='utf-8') as file:
      return of_json(json.load(file))
  except FileNotFoundError:
    raise UserError(
      f"there is no CPU rule '{name}'{did_you_mean(name, RULES)}: choose {' or '.join(RULES)}, or a file that "
      'scripts.tune_ops wrote'
    ) from None
  except (OSError, ValueError) as error:
    raise UserError(f"the CPU rule in '{name}' cannot be read ({error}): write it again by scripts.tune_ops") from error


def of_json(content: Any) -> CpuRule:
  """Returns the rule in the content of a file of scripts.tune_ops. A threshold that it lacks has its default.

  Raises:
    UserError: it has no name or no thresholds, or one that is not known.
  """
  if not isinstance(content, Mapping) or not isinstance(content.get('thresholds'), Mapping):
    raise UserError("it needs a 'name' and 'thresholds'")
  known = [field.name for field in dataclasses.fields(CpuRule) if field.name != 'name']
  for field in content['thresholds']:
    if field not in known:
      raise UserError(f"there is no threshold '{field}'{did_you_mean(str(field), known)}")
  return CpuRule(str(content.get('name', 'unnamed')), **content['thresholds'])


def in_use() -> CpuRule:
  """Returns the rule of this process: what `use` chose, else DECONV_CPU_RULE, else that of this processor.

  Raises:
    UserError: the environment variable names no rule.
  """
  return _chosen[0] if _chosen else use()


def use(name: str = '') -> CpuRule:
  """Chooses the rule of this process, and returns it. Call it before the first program is compiled.

  Programs that were compiled by another rule are forgotten, since one program should not hold forms of two rules.

  Args:
    name: see `rule_of`; '' = DECONV_CPU_RULE, and without that variable the rule of this processor.

  Raises:
    UserError: there is no such rule.
  """
  rule = rule_of(name or os.environ.get(ENVIRONMENT_VARIABLE, ''))
  if _chosen and _chosen[0].thresholds() != rule.thresholds():
    jax.clear_caches()
  _chosen[:] = [rule]
  return rule
