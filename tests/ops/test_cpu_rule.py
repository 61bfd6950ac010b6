"""The tables of thresholds: which one a process takes, and what is refused."""

import json

import pytest

from deconv.errors import UserError
from deconv.ops import cpu_rule


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
  monkeypatch.setattr(cpu_rule, '_chosen', [])
  monkeypatch.delenv(cpu_rule.ENVIRONMENT_VARIABLE, raising=False)


@pytest.mark.parametrize(
  'flags, table',
  [(['avx', 'avx2', 'fma'], 'avx2'), (['avx2', 'avx512f'], 'avx512'), (['asimd', 'sve'], 'avx2'), ([], 'avx2')],
)
def test_the_nearer_table_of_a_processor(flags, table):
  assert cpu_rule.instruction_set(flags) == table


@pytest.mark.parametrize(
  'fields, table', [({'flags': 'fpu avx2'}, 'avx2'), ({'flags': 'fpu avx2 avx512f'}, 'avx512'), ({}, 'avx2')]
)
def test_the_processor_decides_where_nothing_else_does(monkeypatch, fields, table):
  monkeypatch.setattr(cpu_rule, 'processor_fields', lambda: fields)
  assert cpu_rule.use() is cpu_rule.RULES[table]


def test_the_environment_names_a_table_and_the_argument_another(monkeypatch):
  for name in cpu_rule.RULES:
    monkeypatch.setenv(cpu_rule.ENVIRONMENT_VARIABLE, name)
    monkeypatch.setattr(cpu_rule, '_chosen', [])
    assert cpu_rule.in_use() is cpu_rule.RULES[name]
    assert cpu_rule.use() is cpu_rule.RULES[name]
    assert cpu_rule.use('avx2') is cpu_rule.in_use() is cpu_rule.RULES['avx2']


def test_a_file_of_thresholds(monkeypatch, tmp_path):
  path = tmp_path / 'mine.json'
  path.write_text(json.dumps({'name': 'mine', 'thresholds': {'wide_row': 3}, 'measured': {'whatever': 1}}))
  monkeypatch.setenv(cpu_rule.ENVIRONMENT_VARIABLE, str(path))
  rule = cpu_rule.in_use()
  assert (rule.name, rule.wide_row) == ('mine', 3)
  assert rule.wide_outputs == cpu_rule.CpuRule('').wide_outputs


@pytest.mark.parametrize(
  'content, message',
  [
    ('[]', r"needs a 'name' and 'thresholds'"),
    ('{"name": "a"}', r"needs a 'name' and 'thresholds'"),
    ('{"name": "a", "thresholds": {"wide_rwo": 3}}', r"no threshold 'wide_rwo' \(did you mean 'wide_row'\?\)"),
    ('{"name": "a", "thresholds": {"wide_row": -3}}', r'wide_row=-3'),
    ('{"name": "a", "thresholds": {"wide_row": "3"}}', r"wide_row='3'"),
    ('{"name": "a", "thresholds": {"wide_row": 3.5}}', r'whole number'),
    ('{', r'cannot be read'),
  ],
)
def test_files_that_are_refused(tmp_path, content, message):
  path = tmp_path / 'mine.json'
  path.write_text(content)
  with pytest.raises(UserError, match=message):
    cpu_rule.rule_of(str(path))


def test_a_name_that_is_no_rule():
  with pytest.raises(UserError, match=r"no CPU rule 'avx51' \(did you mean 'avx512'\?\): choose avx2 or avx512"):
    cpu_rule.use('avx51')


def test_the_fingerprint_is_that_of_the_numbers():
  one = cpu_rule.CpuRule('one', wide_row=5)
  assert one.fingerprint() == cpu_rule.CpuRule('two', wide_row=5).fingerprint()
  assert one.fingerprint() != cpu_rule.CpuRule('one', wide_row=6).fingerprint()
  assert (
    len(one.fingerprint()) == 12
    and one.fingerprint() == cpu_rule.of_json({'name': 'x', 'thresholds': one.thresholds()}).fingerprint()
  )
