import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointView } from './endpoint-view.ts';
import { Readiness } from './readiness.ts';
import type { EndpointStatus } from './reconcile/status.ts';

/** A server that restarts with these endpoints, and what its modules report later. */
function restarted(statuses: Readonly<Record<string, EndpointStatus>>, takenOver: string | null = null) {
  const viewOf = (name: string, status: EndpointStatus) => ({ config: { name }, status }) as EndpointView;
  let [changed, deleted] = [(_view: EndpointView): void => {}, (_name: string): void => {}];
  const availability = { takenOver };
  const readiness = new Readiness(
    {
      list: () => Object.entries(statuses).map(([name, status]) => viewOf(name, status)),
      onChange: (listener) => {
        changed = listener;
        return () => {};
      },
      onDeleted: (listener) => {
        deleted = listener;
        return () => {};
      },
    },
    availability,
  );
  const changes: boolean[] = [];
  readiness.onChange(() => changes.push(readiness.state.ready));
  return { readiness, availability, changes, becomes: (name: string, status: EndpointStatus) => changed(viewOf(name, status)), deleted };
}

test('a server without endpoints is ready at once', () => {
  assert.deepEqual(restarted({}).readiness.state, { ready: true, reason: null });
});

test('a restarted server is ready once each of its endpoints serves, failed, is unloaded or was deleted', () => {
  const { readiness, changes, becomes, deleted } = restarted({
    a: 'InService',
    b: 'Creating',
    c: 'Updating',
    d: 'Creating',
    e: 'Creating',
  });
  assert.deepEqual(readiness.state, { ready: false, reason: 'coming back into service: b, c, d, e' });
  becomes('b', 'InService');
  becomes('c', 'Failed');
  becomes('d', 'Unloaded');
  assert.deepEqual(readiness.state, { ready: false, reason: 'coming back into service: e' });
  deleted('e');
  assert.equal(readiness.state.ready, true);
  assert.deepEqual(changes, [false, false, false, true]);
});

test('an endpoint that fails later, or is new, does not make a server unready', () => {
  const { readiness, becomes } = restarted({ a: 'InService' });
  becomes('a', 'Failed');
  becomes('b', 'Creating');
  assert.equal(readiness.state.ready, true);
});

test('a server is not ready while it shuts down, and after another one took over its database', () => {
  const ending = restarted({});
  ending.readiness.end();
  assert.deepEqual(ending.readiness.state, { ready: false, reason: 'the server is shutting down' });
  assert.deepEqual(ending.changes, [false]);
  const { readiness } = restarted({}, 'the database belongs to host b');
  assert.deepEqual(readiness.state, { ready: false, reason: 'the database belongs to host b' });
});
