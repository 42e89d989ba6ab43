import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openNativeApi } from '../../../test/native-api-fixture.ts';
import type { ClusterBody } from './cluster-bodies.ts';

describe('the routes of a cluster, on a server that is alone', () => {
  let api: Awaited<ReturnType<typeof openNativeApi>>;
  before(async () => {
    api = await openNativeApi();
  });
  after(async () => api?.close());

  test('show nothing, and know no host', async () => {
    const status = await fetch(`${api.url}/api/v1/cluster`);
    assert.equal(status.status, 200);
    const { as_of: asOf, ...rest } = (await status.json()) as ClusterBody;
    assert.ok(Date.parse(asOf) > 0);
    const empty = { nodes: [], hosts: [], moving: [], pending: [], recent: [], wanted: null, scaling: null, notes: [] };
    assert.deepEqual(rest, { ...empty, database_away_since: null });
    for (const [method, path] of [
      ['GET', '/cluster/hosts/h1'],
      ['POST', '/cluster/hosts/h1/drain'],
    ] as const) {
      const rejected = await fetch(`${api.url}/api/v1${path}`, { method });
      assert.equal(rejected.status, 404);
      assert.match(await rejected.text(), /start it with --node/);
    }
  });
});
