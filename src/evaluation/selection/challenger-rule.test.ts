import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SelectedLadder } from '../../deployment/index.ts';
import { SeededRandom } from '../../random.ts';
import { challengerEvidence, challengerVerdict, discordanceText, withChallenger, withoutChallenger } from './challenger-rule.ts';

const challenger = { model: 'digits-mlp/2', incumbent: 'digits-mlp/1', sinceMs: 5 };

describe('labels decide between a challenger and its incumbent', () => {
  for (const { better, worse, verdict } of [
    { better: 0, worse: 0, verdict: null },
    { better: 9, worse: 0, verdict: null },
    { better: 10, worse: 0, verdict: 'promote' },
    { better: 8, worse: 8, verdict: null },
    { better: 30, worse: 5, verdict: 'promote' },
    { better: 2, worse: 20, verdict: 'demote' },
  ] as const) {
    test(`if it alone is right on ${better} rows, and alone wrong on ${worse}: ${verdict ?? 'not yet'}`, () => {
      assert.equal(challengerVerdict(challengerEvidence({ rows: 500, better, worse })), verdict);
    });
  }

  test('with at most 5 % of false decisions either way, looked at after each pair', () => {
    const random = new SeededRandom(7);
    const ended = { promote: 0, demote: 0 };
    for (let run = 0; run < 200; run++) {
      let [better, worse] = [0, 0];
      for (let pair = 0; pair < 200; pair++) {
        if (random.next() < 0.5) better++;
        else worse++;
        const verdict = challengerVerdict(challengerEvidence({ rows: pair, better, worse }));
        if (verdict === null) continue;
        ended[verdict]++;
        break;
      }
    }
    assert(ended.promote <= 10 && ended.demote <= 10, JSON.stringify(ended));
  });

  test('and say so in a sentence', () => {
    assert.equal(
      discordanceText(challenger, challengerEvidence({ rows: 1450, better: 20, worse: 2 }), 'promote'),
      'on 22 of 1,450 labelled rows only one of them is right: digits-mlp/2 on 20, digits-mlp/1 on 2 (e = 968, 20 decides)',
    );
  });
});

test('a demoted challenger is not loaded, and remembered', () => {
  const ladder = { models: ['digits-mlp/1'], rungs: [], selection: { request: {} } } as unknown as SelectedLadder;
  const tried = withChallenger(ladder, challenger);
  assert.deepEqual([tried.models, tried.challenger], [['digits-mlp/1', 'digits-mlp/2'], challenger]);
  assert.deepEqual(withoutChallenger(tried, false), ladder);
  assert.deepEqual(withoutChallenger(tried, true).selection.request.demoted, ['digits-mlp/2']);
});
