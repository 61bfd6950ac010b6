"""Options: types, sentences, and that each field is written once: default, documentation, check."""

import dataclasses
import inspect
import re
import subprocess
import sys
from typing import ClassVar

import pytest

from deconv.errors import UserError
from deconv.options import DataOptions, experiment, options


@dataclasses.dataclass(frozen=True)
class Oven(options.Options):
  SECTION: ClassVar[str] = 'oven'
  EFFECT: ClassVar = {'fan': {'mode': ('wind',)}, 'steam': {'mode': ('wet', 'wind'), 'door': ('shut',)}}
  mode: str = 'dry'
  door: str = 'open'
  degrees: float = 180.0
  shelves: int = 2
  fan: int = 0
  steam: float = 0.0
  lit: bool = False
  sizes: tuple[int, ...] = (1, 2)
  range: tuple[float, float] = (0.0, 1.0)
  names: tuple[str, ...] = ()


def all_classes():
  """Every class of options that a config may have."""
  found = {experiment.TopLevel}
  for task, sections in experiment.TASKS.items():
    for model in sections.models:
      found |= set(experiment.section_classes(task, model).values())
  return sorted(found, key=lambda options: (options.__module__, options.__name__))


def test_nothing_in_options_imports_jax():
  code = 'import sys, deconv.options; sys.exit("jax" in sys.modules or "flax" in sys.modules)'
  assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


@pytest.mark.parametrize(
  'value, kind, expected',
  [
    (1, float, 1.0),
    (2.0, int, 2),
    ([1, 2], tuple[int, ...], (1, 2)),
    ((1,), tuple[float, ...], (1.0,)),
    (True, bool, True),
    ('a', str, 'a'),
    ([0, 1], tuple[float, float], (0.0, 1.0)),
    ([], tuple[str, ...], ()),
  ],
)
def test_convert(value, kind, expected):
  found = options.convert(value, kind)
  assert found == expected and type(found) is type(expected)
  assert not isinstance(found, tuple) or [type(x) for x in found] == [type(x) for x in expected]


@pytest.mark.parametrize(
  'value, kind',
  [
    (1.5, int),
    ('1', int),
    (True, int),
    (1, bool),
    (1, str),
    (3, tuple[int, ...]),
    ('ab', tuple[str, ...]),
    ((1, 2, 3), tuple[float, float]),
    ((1.5,), tuple[int, ...]),
    (None, float),
    (float('inf'), int),
  ],
)
def test_convert_refuses_what_would_lose_something(value, kind):
  with pytest.raises(ValueError):
    options.convert(value, kind)


@pytest.mark.parametrize(
  'text, kind, expected',
  [
    ('3', int, 3),
    ('1e-3', float, 1e-3),
    ('3', float, 3.0),
    ('True', bool, True),
    ('no', bool, False),
    ('x y', str, 'x y'),
    ('(1, 2)', tuple[int, ...], (1, 2)),
    ('7', tuple[int, ...], (7,)),
    ("('a', 'b')", tuple[str, ...], ('a', 'b')),
    ('(1, 2.5)', tuple[float, ...], (1.0, 2.5)),
    ('()', tuple[str, ...], ()),
    ('a, b', tuple[str, ...], ('a', 'b')),
    ('a', tuple[str, ...], ('a',)),
    ('', tuple[str, ...], ()),
  ],
)
def test_parse(text, kind, expected):
  assert options.parse(text, kind) == expected


@pytest.mark.parametrize(
  'text, kind',
  [
    ('1e3', int),
    ('wide', int),
    ('fast', float),
    ('perhaps', bool),
    ('(1, 2', tuple[int, ...]),
    ('(1.5,)', tuple[int, ...]),
    ('(a)', tuple[str, ...]),
    ('(1, {[]: 2})', tuple[int, ...]),
    ('(' * 5000, tuple[int, ...]),
  ],
)
def test_parse_refuses(text, kind):
  with pytest.raises(ValueError):
    options.parse(text, kind)


@pytest.mark.parametrize(
  'fields, sentence',
  [
    (dict(shelves=1.5), 'oven.shelves=1.5: the field needs a whole number, such as 2'),
    (dict(degrees='hot'), "oven.degrees='hot': the field needs a number, such as 180.0"),
    (dict(lit=1), 'oven.lit=1: the field needs true or false'),
    (dict(sizes=3), "oven.sizes=3: the field needs values in parentheses, such as '(1, 2)'"),
    (dict(range=(1,)), "oven.range=(1,): the field needs 2 values in parentheses, such as '(0.0, 1.0)'"),
    (dict(names=4), "oven.names=4: the field needs values in parentheses, such as '('a', 'b')'"),
    (dict(fan=3), "oven.fan=3 has no effect here (only with oven.mode='wind'); leave it at 0"),
    (
      dict(steam=3, mode='dry'),
      "oven.steam=3.0 has no effect here (only with oven.mode='wet' or oven.mode='wind' or "
      "oven.door='shut'); leave it at 0.0",
    ),
  ],
)
def test_sentences(fields, sentence):
  with pytest.raises(UserError) as error:
    Oven(**fields)
  assert str(error.value) == sentence


def test_a_field_with_an_effect_is_taken():
  assert Oven(mode='wind', fan=3, steam=1).steam == 1.0
  assert Oven(door='shut', steam=1).steam == 1.0


def test_options_are_frozen_and_hashable():
  assert hash(Oven(sizes=[3])) == hash(Oven(sizes=(3,)))
  with pytest.raises(dataclasses.FrozenInstanceError):
    Oven().shelves = 3


@pytest.mark.parametrize('cls', all_classes(), ids=lambda cls: cls.__name__)
def test_every_field_is_documented_once(cls):
  """In the `Attributes:` of the class that brings it, or again where a subclass gives it another default."""
  for owner in cls.__mro__:
    if not dataclasses.is_dataclass(owner) or owner is options.Options:
      continue
    own = {name for name in inspect.get_annotations(owner) if name in owner.__dataclass_fields__}
    own = {name for name in own if name in options.kinds(owner)}
    section = re.search(r'^  Attributes:\n(.*?)(?:\n\n|\Z)', owner.__doc__, re.MULTILINE | re.DOTALL)
    documented = re.findall(r'^    (\w+): ', section[1], re.MULTILINE) if section else []
    inherited = {name for parent in owner.__mro__[1:] for name in getattr(parent, '__dataclass_fields__', ())}
    assert own - inherited <= set(documented), owner
    assert not {name for name in set(documented) if documented.count(name) > 1}, owner
    assert set(documented) <= own, f'{owner} documents what is not its own field'


@pytest.mark.parametrize('cls', all_classes(), ids=lambda cls: cls.__name__)
def test_defaults_have_the_type_of_their_field(cls):
  for name, kind in options.kinds(cls).items():
    value = options.default(cls, name)
    assert options.convert(value, kind) == value and type(options.convert(value, kind)) is type(value), (cls, name)


@pytest.mark.parametrize('cls', all_classes(), ids=lambda cls: cls.__name__)
def test_a_section_of_defaults_is_fine_but_for_what_must_be_said(cls):
  cls()


@pytest.mark.parametrize('cls', all_classes(), ids=lambda cls: cls.__name__)
def test_the_fields_of_effect_exist(cls):
  for field, choices in cls.EFFECT.items():
    assert {field, *choices} <= set(options.kinds(cls))


def test_documentation():
  found = options.documentation(experiment.section_classes('inverse_graphics', 'dcign')['objective'])
  assert found['clamp'].startswith('what inactive latents become: their mean over the batch')
  assert found['binarization'].startswith('as for the task vae; ')  # the subclass's own words
  assert found['likelihood'].startswith('bernoulli | ')


@pytest.mark.parametrize('cls', all_classes(), ids=lambda cls: cls.__name__)
def test_help_has_a_word_on_every_field(cls):
  assert all(options.documentation(cls).values())


def test_the_users_home(monkeypatch):
  monkeypatch.setenv('HOME', '/home/user')
  assert DataOptions(path='~/faces', name='~/faces').path == '/home/user/faces'
  assert DataOptions(path='~/faces', name='~/faces').name == '~/faces'
