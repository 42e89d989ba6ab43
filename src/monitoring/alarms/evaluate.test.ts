import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AlarmRule, type AlarmState, evaluate, type MissingData, percentileNamed } from './evaluate.ts';

const rule: AlarmRule = {
  comparison: 'GreaterThanThreshold',
  threshold: 10,
  evaluationPeriods: 3,
  datapointsToAlarm: 3,
  missingData: 'missing',
};

/** `X` breaches, `0` does not, `-` is missing; the latest is last. */
function stateOf(pattern: string, missingData: MissingData, more: Partial<AlarmRule> = {}, before: AlarmState = 'OK'): AlarmState {
  const values = Array.from(pattern, (letter) => (letter === '-' ? null : letter === 'X' ? 20 : 5));
  return evaluate({ ...rule, missingData, ...more }, values, before).state;
}

describe('an alarm', () => {
  test('treats missing data as CloudWatch documents it, three of three', () => {
    const [kept, wanted] = ['INSUFFICIENT_DATA', {} as Record<string, AlarmState[]>] as const;
    // In the order missing, ignore, breaching, notBreaching.
    wanted['0-X-X'] = ['OK', 'OK', 'OK', 'OK'];
    wanted['0----'] = ['OK', 'OK', 'OK', 'OK'];
    wanted['-----'] = ['INSUFFICIENT_DATA', kept, 'ALARM', 'OK'];
    wanted['0XX-X'] = ['ALARM', 'ALARM', 'ALARM', 'ALARM'];
    wanted['--X--'] = ['ALARM', kept, 'ALARM', 'OK'];
    for (const [pattern, states] of Object.entries(wanted)) {
      const got = (['missing', 'ignore', 'breaching', 'notBreaching'] as const).map((how) => stateOf(pattern, how, {}, kept));
      assert.deepEqual(got, states, pattern);
    }
  });

  test('rings when M of the latest N breach, and is calm when they no more do', () => {
    const two = { datapointsToAlarm: 2 };
    assert.equal(stateOf('X0X', 'missing', two), 'ALARM');
    assert.equal(stateOf('X00', 'missing', two, 'ALARM'), 'OK');
    assert.equal(stateOf('XX000', 'missing', two, 'ALARM'), 'OK');
  });

  test('without anything missing depends on nothing but the latest N', () => {
    const letters = fc.array(fc.constantFrom('0', 'X'), { minLength: 3, maxLength: 12 });
    fc.assert(
      fc.property(letters, fc.integer({ min: 1, max: 3 }), (pattern, m) => {
        const rings = pattern.slice(-3).filter((letter) => letter === 'X').length >= m;
        for (const how of ['missing', 'ignore', 'breaching', 'notBreaching'] as const) {
          assert.equal(stateOf(pattern.join(''), how, { datapointsToAlarm: m }), rings ? 'ALARM' : 'OK');
        }
      }),
    );
  });

  test('says why', () => {
    const { reason } = evaluate({ ...rule, evaluationPeriods: 1, datapointsToAlarm: 1 }, [12.5], 'OK');
    assert.equal(
      reason,
      'Threshold Crossed: 1 out of 1 datapoint [12.5] was greater than the threshold (10) (minimum 1 datapoint for OK -> ALARM transition).',
    );
  });
});

test('a percentile has a name', () => {
  assert.deepEqual(['p99', 'p99.9', 'p0.0', 'p100', 'p101', 'p', 'P99', 'p9e1'].map(percentileNamed), [
    99,
    99.9,
    0,
    100,
    null,
    null,
    null,
    null,
  ]);
});
