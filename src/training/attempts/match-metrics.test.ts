import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkMetricsTask, leadingLiteral, matchMetricsTask } from './match-metrics.ts';

const valuesOf = (regex: string, ...lines: readonly string[]): number[] =>
  matchMetricsTask.run({ metrics: [{ name: 'm', regex }], lines: lines.map((line) => ({ atMs: 1, line })) }).map(({ value }) => value);

describe('metrics in lines of output', () => {
  test('are all matches of the first group that are finite numbers', () => {
    assert.deepEqual(valuesOf('acc=([^ ]+)', 'acc=0.5 acc=1e-3', 'none', 'acc=nan acc=1e309 acc=0x10 acc= acc=-2'), [0.5, 0.001, -2]);
    assert.deepEqual(valuesOf('loss=([0-9]+(\\.[0-9]+)?)', 'loss=12.5'), [12.5]);
    assert.deepEqual(valuesOf('a=(\\d+)|b=(\\d+)', 'b=1 a=2'), [2]);
  });

  test('take time linear in the line, whatever the pattern', () => {
    assert.deepEqual(valuesOf('(a+)+$', `${'a'.repeat(100_000)}!`), []);
    assert.deepEqual(valuesOf('(x+x+)+y', 'x'.repeat(100_000)), []);
  });

  test('match by the same literal that is looked for', () => {
    const rows = [
      ['validation-accuracy=([0-9.]+)', 'validation-accuracy='],
      ['^epoch: (.*)', 'epoch: '],
      ['ab*=(.)', 'a'],
      ['ab?=(.)', 'a'],
      ['ab{0,2}=(.)', 'a'],
      ['a=(.)|b=(.)', ''],
      ['(?i)acc=(.)', ''],
      ['\\w=(.)', ''],
    ] as const;
    for (const [regex, literal] of rows) assert.equal(leadingLiteral(regex), literal, regex);
    assert.deepEqual(valuesOf('ab*=([0-9])', 'a=1', 'abb=2'), [1, 2]);
  });

  test('patterns that cannot be used are named with the reason', () => {
    const reasonsOf = (regex: string) => checkMetricsTask.run([{ name: 'acc', regex }]).join();
    assert.equal(reasonsOf('acc=([0-9.]+)'), '');
    assert.match(reasonsOf('(?=x)'), /^MetricDefinitions: regex '\(\?=x\)' of 'acc' cannot be used: look-ahead is not supported\.$/);
    assert.match(reasonsOf('(?<!x)(a)'), /look-behind is not supported/);
    assert.match(reasonsOf('(a)\\1'), /cannot be used: .*invalid escape sequence/);
    assert.match(reasonsOf('('), /cannot be used: .*missing/);
    assert.match(reasonsOf('acc'), /it has no capture group/);
  });
});
