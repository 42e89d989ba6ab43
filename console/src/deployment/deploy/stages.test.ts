import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { stagesOf } from './stages.ts';

function endpoint(status: EndpointBody['status'], started: number, ready: number, requests = 0): EndpointBody {
  const workers = Array.from({ length: 2 }, (_, i) => ({ pid: i < started ? 100 + i : null }));
  return { status, variants: [{ workers, ready, statistics: { requests } }] } as unknown as EndpointBody;
}

const marks = { done: '✓', now: '>', failed: 'x', ahead: '.' } as const;
const told = (view: EndpointBody | undefined, instances = 2): string =>
  stagesOf(view, instances)
    .map(({ state }) => marks[state])
    .join('');

for (const { when, view, stages } of [
  { when: 'it is asked for', view: undefined, stages: '>....' },
  { when: 'nothing has started yet', view: endpoint('Creating', 0, 0), stages: '✓>...' },
  { when: 'all workers have started', view: endpoint('Creating', 2, 0), stages: '✓✓>..' },
  { when: 'one of two is ready', view: endpoint('Creating', 2, 1), stages: '✓✓>..' },
  { when: 'it failed while loading', view: endpoint('Failed', 2, 0), stages: '✓✓x..' },
  { when: 'it is in service', view: endpoint('InService', 2, 2), stages: '✓✓✓✓>' },
  { when: 'it has answered requests', view: endpoint('InService', 2, 2, 9), stages: '✓✓✓✓✓' },
]) {
  test(`${when}: ${stages}`, () => assert.equal(told(view), stages));
}

test('functions alone have no workers to wait for', () => {
  assert.equal(told(endpoint('InService', 0, 0), 0), '✓✓>');
});

test('says how many are ready', () => {
  assert.equal(stagesOf(endpoint('Creating', 2, 1), 2)[2]?.title, 'Load the model, answer a probe: 1 of 2 ready');
});
