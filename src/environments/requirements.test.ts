import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withinCpuMs } from '../../test/cpu-time.ts';
import { PlatformError } from '../errors.ts';
import { parseRequirements } from './requirements.ts';

const sha = 'a'.repeat(64);

for (const { text, lines } of [
  { text: 'numpy', lines: ['numpy'] },
  { text: '\uFEFFscikit-learn == 1.5.2  # pinned\r\n\r\n# nothing\nnumpy>=1.26, <3\n', lines: ['numpy>=1.26,<3', 'scikit-learn==1.5.2'] },
  { text: 'mlflow[extras, gcp]~=2.0; python_version < "3.13"', lines: ['mlflow[extras,gcp]~=2.0; python_version < "3.13"'] },
  {
    text: `leaf==1.1 \\\n    --hash=sha256:${sha} \\\n    --hash sha256:${sha}`,
    lines: [`leaf==1.1 --hash=sha256:${sha} --hash=sha256:${sha}`],
  },
  { text: 'torch==2.3.0+cpu\ntorch==2.3.0+cpu', lines: ['torch==2.3.0+cpu'] },
  { text: 'a (>=1.0)\nb==1.*', lines: ['a>=1.0', 'b==1.*'] },
  { text: '', lines: [] },
]) {
  test(`reads the requirements ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.deepEqual(parseRequirements(text), lines);
    assert.deepEqual(parseRequirements(lines.join('\n')), lines, 'the canonical form is stable');
  });
}

for (const { line, reason } of [
  { line: '-r /etc/passwd', reason: /reads another file/ },
  { line: '-r/etc/passwd', reason: /reads another file|path/ },
  { line: '--requirement=other.txt', reason: /reads another file/ },
  { line: '-c constraints.txt', reason: /reads another file/ },
  { line: '--index-url https://u:secret@evil.example/simple', reason: /only the operator can/ },
  { line: '--extra-index-url=https://evil.example', reason: /only the operator can/ },
  { line: '-f /srv', reason: /only the operator can/ },
  { line: '--trusted-host x', reason: /only the operator can/ },
  { line: '-e .', reason: /path or a URL/ },
  { line: 'x @ https://evil.example/x.whl', reason: /path or a URL/ },
  { line: 'git+https://evil.example/x', reason: /path or a URL/ },
  { line: './wheel', reason: /path or a URL/ },
  { line: 'x.whl', reason: /path or a URL/ },
  { line: '../../x', reason: /path or a URL/ },
  { line: '~/x', reason: /path or a URL/ },
  { line: '--pre', reason: /an option/ },
  { line: '--no-binary :all:', reason: /an option/ },
  { line: 'x==${SECRET}', reason: /environment variable/ },
  { line: 'x --global-option=a', reason: /not the name of a package/ },
  { line: 'x --config-settings=a=b', reason: /not the name of a package/ },
  { line: 'x y', reason: /not the name of a package/ },
  { line: 'x\0y', reason: /control characters/ },
]) {
  test(`rejects ${JSON.stringify(line)}, naming its line`, () => {
    assert.throws(
      () => parseRequirements(`numpy\n\n${line}`),
      (error: PlatformError) =>
        error.code === 'invalid_request' &&
        error.message.startsWith('requirements line 3: expected a package') &&
        reason.test(error.message),
    );
    assert.throws(
      () => parseRequirements(line),
      (error: PlatformError) => !error.message.includes('secret'),
    );
  });
}

test('what is not a line of a file is named otherwise', () => {
  assert.throws(() => parseRequirements('numpy\n-e .', 'package'), /^PlatformError: package 2: expected a package such as/);
});

test('a continued line cannot hide an option', () => {
  assert.throws(() => parseRequirements('numpy \\\n --index-url x'), /not the name of a package/);
  assert.throws(() => parseRequirements('--ind\\\nex-url x'), /option|only the operator/);
});

test('bounds the text, its lines and their length', () => {
  assert.throws(() => parseRequirements('a\n'.repeat(200_000)), /at most 256 KiB/);
  assert.throws(() => parseRequirements(Array.from({ length: 2001 }, (_, i) => `p${i}`).join('\n')), /at most 2000 packages/);
  assert.throws(() => parseRequirements('a'.repeat(5000)), /at most 4096 characters/);
  assert.throws(() => parseRequirements('a \\\n'.repeat(5000)), /at most 4096 characters/);
});

test('lines of spaces take no longer than others', () => {
  const line = `a${' '.repeat(4000)}==1\n`;
  assert.deepEqual(
    withinCpuMs(500, () => parseRequirements(line.repeat(63))),
    ['a==1'],
  );
});

test('any other text is rejected, and what passes holds neither paths nor options', () => {
  const part = fc.constantFrom(
    'a',
    '==',
    '1',
    ' ',
    '-r',
    '--',
    '/',
    '\\\n',
    '\n',
    '$',
    '{',
    '@',
    ';',
    '[',
    ']',
    '#',
    '"',
    '.',
    '~',
    ':',
    'http',
    '\t',
    ',',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      let lines: readonly string[];
      try {
        lines = parseRequirements(parts.join(''));
      } catch (error) {
        assert(error instanceof PlatformError);
        return;
      }
      for (const line of lines) assert.match(line, /^[A-Za-z0-9][^/@$\\\n]*$/);
    }),
    { numRuns: 2000 },
  );
});
