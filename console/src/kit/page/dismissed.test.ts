import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noteIdentity } from './dismissed.ts';

test('a note with other numbers is the same note, one with other words is not', () => {
  const busy = (minutes: number, percent: string): string => `the machine was busy in ${minutes} of the last 10 min, ${percent} % of it`;
  assert.equal(noteIdentity(busy(7, '97.5')), noteIdentity(busy(10, '8')));
  assert.notEqual(noteIdentity('digits is slow'), noteIdentity('wine is slow'));
});
