import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AlarmRule, type AlarmState, evaluate, type MissingData } from './evaluate.ts';

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
  const ways = ['missing', 'ignore', 'breaching', 'notBreaching'] as const;
  /** The two tables of CloudWatch's guide, in the order of `ways`; `kept` means "retain current state". */
  const tables: Readonly<Record<string, Readonly<Record<string, readonly (AlarmState | 'kept')[]>>>> = {
    3: {
      '0-X-X': ['OK', 'OK', 'OK', 'OK'],
      '0----': ['OK', 'OK', 'OK', 'OK'],
      '-----': ['INSUFFICIENT_DATA', 'kept', 'ALARM', 'OK'],
      '0XX-X': ['ALARM', 'ALARM', 'ALARM', 'ALARM'],
      '--X--': ['ALARM', 'kept', 'ALARM', 'OK'],
    },
    2: {
      '0-X-X': ['ALARM', 'ALARM', 'ALARM', 'ALARM'],
      '00X0X': ['ALARM', 'ALARM', 'ALARM', 'ALARM'],
      '0-X--': ['OK', 'OK', 'ALARM', 'OK'],
      '----0': ['OK', 'OK', 'ALARM', 'OK'],
      '---X-': ['ALARM', 'kept', 'ALARM', 'OK'],
    },
  };
  for (const [datapointsToAlarm, table] of Object.entries(tables)) {
    for (const [pattern, states] of Object.entries(table)) {
      test(`of ${datapointsToAlarm} of 3 periods treats ${pattern} as CloudWatch documents it`, () => {
        for (const before of ['OK', 'ALARM', 'INSUFFICIENT_DATA'] as const) {
          const got = ways.map((how) => stateOf(pattern, how, { datapointsToAlarm: Number(datapointsToAlarm) }, before));
          assert.deepEqual(
            got,
            states.map((state) => (state === 'kept' ? before : state)),
            `while ${before}`,
          );
        }
      });
    }
  }

  test('does not fire early: the next period may no longer breach', () => {
    for (const pattern of ['----X', '---X-']) {
      assert.equal(stateOf(pattern, 'missing'), 'OK');
      assert.equal(stateOf(pattern, 'missing', {}, 'ALARM'), 'ALARM');
    }
  });

  test('fires if M of the latest N breach, and recovers if fewer do', () => {
    const two = { datapointsToAlarm: 2 };
    assert.equal(stateOf('X0X', 'missing', two), 'ALARM');
    assert.equal(stateOf('X00', 'missing', two, 'ALARM'), 'OK');
    assert.equal(stateOf('XX000', 'missing', two, 'ALARM'), 'OK');
  });

  test('depends only on the latest N if nothing is missing', () => {
    const letters = fc.array(fc.constantFrom('0', 'X'), { minLength: 3, maxLength: 12 });
    fc.assert(
      fc.property(letters, fc.integer({ min: 1, max: 3 }), (pattern, m) => {
        const rings = pattern.slice(-3).filter((letter) => letter === 'X').length >= m;
        for (const how of ways) {
          assert.equal(stateOf(pattern.join(''), how, { datapointsToAlarm: m }), rings ? 'ALARM' : 'OK');
        }
      }),
    );
  });

  test('explains the state', () => {
    const { reason } = evaluate({ ...rule, evaluationPeriods: 1, datapointsToAlarm: 1 }, [12.5], 'OK');
    assert.equal(
      reason,
      'Threshold Crossed: 1 out of 1 datapoint [12.5] was greater than the threshold (10) (minimum 1 datapoint for OK -> ALARM transition).',
    );
  });
});
