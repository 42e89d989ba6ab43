import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { stagesOf } from './stages.ts';

function endpoint(status: EndpointBody['status'], started: number, ready: number, requests = 0): EndpointBody {
  const workers = Array.from({ length: 2 }, (_, i) => ({ pid: i < started ? 100 + i : null }));
  return { status, variants: [{ workers, ready, statistics: { requests } }] } as unknown as EndpointBody;
}

const marks = { done: '✓', now: '>', failed: 'x', ahead: '.' } as const;
const states = (view: EndpointBody | undefined, instances = 2): string =>
  stagesOf(view, instances)
    .map(({ state }) => marks[state])
    .join('');

for (const { when, view, stages } of [
  { when: 'it was requested', view: undefined, stages: '>....' },
  { when: 'nothing has started yet', view: endpoint('Creating', 0, 0), stages: '✓>...' },
  { when: 'all workers have started', view: endpoint('Creating', 2, 0), stages: '✓✓>..' },
  { when: 'one of two is ready', view: endpoint('Creating', 2, 1), stages: '✓✓>..' },
  { when: 'it failed while loading', view: endpoint('Failed', 2, 0), stages: '✓✓x..' },
  { when: 'it is in service', view: endpoint('InService', 2, 2), stages: '✓✓✓✓>' },
  { when: 'it has answered requests', view: endpoint('InService', 2, 2, 9), stages: '✓✓✓✓✓' },
]) {
  test(`${when}: ${stages}`, () => assert.equal(states(view), stages));
}

test('does not wait for workers if there are only functions', () => {
  assert.equal(states(endpoint('InService', 0, 0), 0), '✓✓>');
});

test('reports how many workers are ready', () => {
  assert.equal(stagesOf(endpoint('Creating', 2, 1), 2)[2]?.title, 'Load the model, pass a probe: 1 of 2 ready');
});
