/** Suggestions for unknown verbs and names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closestName } from '../names.ts';
import { suggestedVerb } from './suggest.ts';

const verbs = ['deploy', 'delete', 'endpoints', 'groups', 'invoke', 'logs', 'top', 'why'];

for (const [word, verb] of [
  ['predict', 'invoke'],
  ['models', 'groups'],
  ['ls', 'endpoints'],
  ['ps', 'endpoints'],
  ['RM', 'delete'],
  ['deplyo', 'deploy'],
  ['delpoy', 'deploy'],
  ['endpoint', 'endpoints'],
  ['log', 'logs'],
  ['groupes', 'groups'],
] as const) {
  test(`${word} suggests ${verb}`, () => assert.equal(suggestedVerb(word, verbs), verb));
}

test('suggests nothing for a word that is close to no verb', () => {
  for (const word of ['fly', 'x', 'y'.repeat(10_000), 'register']) assert.equal(suggestedVerb(word, verbs), null);
});

test('suggests no word of another tool whose verb is not among the known ones', () => {
  assert.equal(suggestedVerb('predict', ['create', 'list', 'revoke']), null);
  assert.equal(suggestedVerb('creat', ['create', 'list', 'revoke']), 'create');
  assert.equal(suggestedVerb('creat', ['list', 'set', 'delete']), 'set', 'a word of another tool with a typing error');
});

test('suggests the name of a resource for one with a typing error', () => {
  const names = ['digits', 'Wine', 'digits-mlp'];
  assert.deepEqual(
    ['digts', 'wnie', 'digit-mlp', 'iris'].map((name) => closestName(name, names)),
    ['digits', 'Wine', 'digits-mlp', null],
  );
});
