"""What run.json says about the machine and the code."""

import os
import subprocess
import time

from deconv.native import Library
from deconv.ops import cpu_rule
from deconv.training import provenance


def test_describe(monkeypatch, tmp_path):
  about = provenance.describe()
  assert about['devices']['count'] == 4 and about['versions']['jax'] and about['command']
  commit, changed = provenance.git_commit()
  assert commit is None or (len(commit) == 40 and changed >= 0)
  monkeypatch.setattr(provenance.deconv, '__file__', str(tmp_path / '__init__.py'))
  assert provenance.git_commit() == (None, None)


def test_the_native_library_is_recorded(monkeypatch):
  assert provenance.describe()['native'] is None
  monkeypatch.setattr(provenance.native, 'in_use', lambda: Library('/somewhere.so', '3.2.0', 'abc'))
  assert provenance.describe()['native'] == {'onednn': '3.2.0', 'build': 'abc'}


def test_the_repository_is_only_read(monkeypatch, tmp_path):
  """`git status` writes what it has found into the index, under a lock that stays when it is killed."""

  def git(*arguments):
    subprocess.run(['git', '-C', tmp_path, *arguments], check=True, capture_output=True)

  file = tmp_path / '__init__.py'
  file.write_text('')
  git('init')
  git('add', '.')
  git('-c', 'user.name=a', '-c', 'user.email=a@b.c', 'commit', '-m', 'first')
  os.utime(file, (1, 1))  # the index does not know this time
  before = (tmp_path / '.git/index').read_bytes()
  monkeypatch.setattr(provenance.deconv, '__file__', str(file))
  assert provenance.git_commit()[1] == 0
  assert (tmp_path / '.git/index').read_bytes() == before


def test_processor_is_that_of_lscpu():
  about = provenance.processor()
  assert about['processor'] and about['instructions'] in ('AVX-512', 'AVX2', None)
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as file:
      text = file.read()
  except OSError:
    return
  if 'model name' in text:
    assert f': {about["processor"]}\n' in text
  assert (about['instructions'] == 'AVX-512') == (' avx512f ' in text)


def test_the_rule_of_the_cpu_is_recorded():
  rule = cpu_rule.in_use()
  assert provenance.describe()['cpu_rule'] == {'name': rule.name, 'fingerprint': rule.fingerprint()}


def test_process_seconds_count():
  before = provenance.process_seconds()
  time.sleep(0.05)
  assert 0.03 < provenance.process_seconds() - before < 5 and before > 0
