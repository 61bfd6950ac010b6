"""What every section of a config is: a frozen dataclass that holds its defaults, its documentation and its checks."""

import ast
from collections.abc import Collection
import dataclasses
import inspect
import os
import re
import types
import typing
from typing import Any, ClassVar

from deconv.errors import UserError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Options:
  """One section of a config.

  A subclass is the only place of its fields: the default stands at the field, what the field means in `Attributes:`,
  and what values it takes in `__post_init__`, which first calls `super().__post_init__()` for the types. Numbers of
  another type are converted where nothing is lost (1 to 1.0, a list to a tuple).

  Class attributes:
    SECTION: name of the section, for sentences.
    PATHS: fields that name a file or folder: a leading ~ is the user's home.
    EFFECT: {field: {choice: (values, ...)}}: the field has an effect only where the field `choice` of this section has
      one of these values; elsewhere it must keep its default. With several choices one of them is enough; {} is a
      field that this section shares with others and that has no effect here at all.

  Raises:
    UserError: a field has a value that means nothing, or one that would have no effect.
  """

  SECTION: ClassVar[str] = ''
  PATHS: ClassVar[tuple[str, ...]] = ()
  EFFECT: ClassVar[dict[str, dict[str, tuple[Any, ...]]]] = {}

  def __post_init__(self) -> None:
    self._convert(kinds(type(self)))
    self._check_effect()

  def check_experiment(self, experiment: Any) -> None:
    """Checks what concerns other sections too; called once all sections are there.

    Args:
      experiment: deconv.options.Experiment.

    Raises:
      UserError: fields that do not fit together.
    """

  @property
  def minibatches(self) -> int:
    """Minibatches that a training step takes from the data, where this section is the objective."""
    return 1

  @property
  def names_images(self) -> bool:
    """Whether a batch of the training says which images it has, where this section is the objective."""
    return False

  # What the checks of subclasses are made of.

  def _convert(self, fields: dict[str, Any]) -> None:
    """Each of the fields, {name: type}, gets its type, and each path its home."""
    for name, kind in fields.items():
      try:
        value = convert(getattr(self, name), kind)
      except ValueError:
        raise UserError(
          f'{self._name(name)}={getattr(self, name)!r}: the field needs {needs(kind, default(type(self), name))}'
        ) from None
      object.__setattr__(self, name, os.path.expanduser(value) if name in self.PATHS else value)

  def _name(self, field: str) -> str:
    return f'{self.SECTION}.{field}' if self.SECTION else field

  def _one_of(self, **choices: Collection[Any]) -> None:
    """Each named field has one of the given values."""
    for field, values in choices.items():
      value = getattr(self, field)
      if value not in values:
        raise UserError(
          f"{self._name(field)} is '{value}'{did_you_mean(str(value), map(str, values))}; choose one of: "
          f'{", ".join(map(str, values))}'
        )

  def _at_least(self, **limits: float) -> None:
    """Each named field is not below its limit."""
    for field, least in limits.items():
      value = getattr(self, field)
      if not value >= least:
        rule = 'must not be negative' if least == 0 else f'must be at least {least}'
        raise UserError(f'{self._name(field)}={value} {rule}; change it')

  def _above_zero(self, *fields: str) -> None:
    for field in fields:
      if not getattr(self, field) > 0:
        raise UserError(f'{self._name(field)}={getattr(self, field)} must be above 0; change it')

  def _between(self, **limits: tuple[float, float]) -> None:
    """Each named field lies from the first to the second of its limits, ends included."""
    for field, (least, most) in limits.items():
      if not least <= getattr(self, field) <= most:
        raise UserError(f'{self._name(field)}={getattr(self, field)} must be from {least:g} to {most:g}; change it')

  def _share(self, *fields: str) -> None:
    """Each named field is at least 0 and below 1."""
    for field in fields:
      if not 0 <= getattr(self, field) < 1:
        raise UserError(f'{self._name(field)}={getattr(self, field)} must be at least 0 and below 1; change it')

  def _check_effect(self) -> None:
    """A setting without effect is refused: the reader of the config would believe in it."""
    for field, choices in self.EFFECT.items():
      neutral, value = default(type(self), field), getattr(self, field)
      if value == neutral or any(getattr(self, choice) in values for choice, values in choices.items()):
        continue
      raise UserError(f'{self._name(field)}={value} has no effect {self._without(choices)}; leave it at {neutral}')

  def _without(self, choices: dict[str, tuple[Any, ...]]) -> str:
    if not choices:
      return 'in a run of this task'
    users = ' or '.join(f'{self._name(choice)}={value!r}' for choice, values in choices.items() for value in values)
    return f'here (only with {users})'


def kinds(options: type[Options]) -> dict[str, Any]:
  """Returns {field: its type} of a subclass of Options, in the order of the fields."""
  hints = typing.get_type_hints(options)
  return {field.name: hints[field.name] for field in dataclasses.fields(options)}


def default(options: type[Options], field: str) -> Any:
  """Returns the default of a field of a subclass of Options."""
  return options.__dataclass_fields__[field].default


def documentation(options: type[Options]) -> dict[str, str]:
  """Returns {field: what it means} of a subclass of Options, from the `Attributes:` of its class and those above."""
  found = {}
  for cls in reversed(options.__mro__):
    text = inspect.cleandoc(cls.__dict__.get('__doc__') or '')
    section = re.search(r'^Attributes:\n(.*?)(?:\n\n|\Z)', text, re.MULTILINE | re.DOTALL)
    for name, meaning in re.findall(
      r'^  (\w+): (.*?)(?=^  \w|\Z)', section[1] if section else '', re.MULTILINE | re.DOTALL
    ):
      found[name] = ' '.join(meaning.split())
  return {name: found.get(name, '') for name in kinds(options)}


def convert(value: Any, kind: Any) -> Any:
  """Returns the value as the type of a field.

  Args:
    value: anything; an int serves as a float, and a list as a tuple.
    kind: bool, int, float, str, or a tuple of these such as `tuple[int, ...]` or `tuple[int, int, int]`.

  Raises:
    ValueError: it is of another type.
  """
  if isinstance(kind, types.GenericAlias):
    if not isinstance(value, (tuple, list)):
      raise ValueError(value)
    inner = typing.get_args(kind)
    inner = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
    if len(inner) != len(value):
      raise ValueError(value)
    return tuple(convert(item, one) for item, one in zip(value, inner))
  if (kind is bool and isinstance(value, bool)) or (kind is str and isinstance(value, str)):
    return value
  if kind in (int, float) and not isinstance(value, (bool, str)):
    try:
      number = kind(value)
    except (TypeError, OverflowError):
      raise ValueError(value) from None
    if number == value or number != number:
      return number
  raise ValueError(value)


# How a yes and a no are written on the command line.
_WORDS = {'true': True, '1': True, 'yes': True, 'false': False, '0': False, 'no': False}


def parse(text: str, kind: Any) -> Any:
  """Returns what a field's text on the command line means.

  Tuples are written as in Python; a single value serves as a tuple of one, and words need no quotes: `a,b` is ('a',
  'b').

  Raises:
    ValueError: the text is not of this type.
  """
  if kind is str:
    return text
  if kind is bool:
    if text.lower() not in _WORDS:
      raise ValueError(text)
    return _WORDS[text.lower()]
  if kind in (int, float):
    return kind(text)
  if typing.get_args(kind)[0] is str and not set(text) & set('\'"()[]'):
    return tuple(word.strip() for word in text.split(',') if word.strip())
  try:
    value = ast.literal_eval(text)
  except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
    raise ValueError(text) from error
  return convert(value if isinstance(value, (tuple, list)) else (value,), kind)


def needs(kind: Any, example: Any) -> str:
  """Returns what a field of this type needs, for a sentence."""
  if kind is bool:
    return 'true or false'
  if kind is int:
    return f'a whole number, such as {example}'
  if kind is float:
    return f'a number, such as {example}'
  if kind is str:
    return 'text'
  inner = typing.get_args(kind)
  many = 'values' if inner[-1] is Ellipsis else f'{len(inner)} values'
  shown: Any = example or (('a', 'b') if inner[0] is str else (1, 2))
  return f"{many} in parentheses, such as '{shown}'"
