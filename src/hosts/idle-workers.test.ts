import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServingLink } from '../runtime/index.ts';
import { IdleWorkers } from './idle-workers.ts';

const linkWith = (runsSent: number, runsOpen = 0): ServingLink => ({ runsSent, runsOpen }) as ServingLink;

test('a worker is idle once nothing ran on its link for the time, and not when it is restarted or runs again', () => {
  const idle = new IdleWorkers(30_000);
  const look = (link: ServingLink | null, atMs: number): boolean => idle.observe([{ id: 'w', link }], atMs).has('w');
  const link = { runsSent: 5, runsOpen: 0 };
  const seen = link as ServingLink;
  assert.equal(look(seen, 0), false);
  assert.equal(look(seen, 29_000), false);
  assert.equal(look(seen, 30_000), true);
  link.runsSent++;
  assert.equal(look(seen, 31_000), false);
  assert.equal(look(seen, 61_000), true);
  link.runsOpen = 1;
  assert.equal(look(seen, 62_000), false, 'a run that began before is under way');
  link.runsOpen = 0;
  assert.equal(look(linkWith(6), 93_000), false, 'another link: it was restarted');
  assert.equal(look(null, 130_000), false, 'it is not ready');
});

test('nothing is kept of workers that are gone', () => {
  const idle = new IdleWorkers(1000);
  const link = linkWith(1);
  idle.observe([{ id: 'w', link }], 0);
  idle.observe([], 1000);
  assert.deepEqual([...idle.observe([{ id: 'w', link }], 2000)], []);
});
