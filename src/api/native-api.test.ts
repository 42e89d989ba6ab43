/** The native API over HTTP, with real modules below it and one real worker. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Answer, clientOf, digitRows, digits, openNativeApi } from '../../test/native-api-fixture.ts';
import type { VariantBody } from './bodies.ts';
import type { DeploymentPlanBody } from './endpoints/deployment-plan-bodies.ts';
import type { CostsBody } from './metrics/costs.ts';
import type { PlanBody } from './records/decision-bodies.ts';

describe('the native API', () => {
  let server: Awaited<ReturnType<typeof openNativeApi>>;
  before(async () => {
    server = await openNativeApi();
  });
  after(() => server.close());

  const { call, send, upload, inService } = clientOf(() => server.url);

  test('registers, approves, deploys and invokes a model', async () => {
    const registered = await upload('/groups/digits/versions?name=digits_mlp.onnx&metrics=%7B%22accuracy%22:0.978%7D', digits);
    assert.equal(registered.status, 201, JSON.stringify(registered.body));
    const { version, reused } = registered.body as { version: { name: string; approval: string; metrics: unknown }; reused: boolean };
    assert.deepEqual(
      [version.name, version.approval, version.metrics, reused],
      ['digits/1', 'PendingManualApproval', { accuracy: 0.978 }, false],
    );

    const early = await send('POST', '/endpoints', { name: 'digits', variants: [{ model: 'digits/1' }] });
    assert.equal(early.status, 409);
    assert.match(String(early.body.error), /penstock approve digits\/1/);

    const approved = await send('POST', '/groups/digits/versions/1/approval', { approval: 'Approved', note: 'good' });
    assert.deepEqual([approved.status, approved.body.approval, approved.body.approval_changed_by], [200, 'Approved', 'anonymous']);

    const created = await send('POST', '/endpoints', {
      name: 'digits',
      objective: 'p95 <= 50 ms',
      timeout_ms: 2000,
      variants: [{ model: 'digits' }],
    });
    assert.equal(created.status, 202, JSON.stringify(created.body));
    const view = await inService('digits');
    assert.deepEqual([view.status, view.objective], ['InService', 'p95<=50ms']);

    const rows = digitRows.trimEnd().split('\n').slice(1);
    const instances = rows.slice(0, 3).map((line) => line.split(',').slice(0, 64).map(Number));
    const answer = await send('POST', '/endpoints/digits/invoke?timings=true', { instances });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { predictions, timings, model_version } = answer.body as {
      predictions: { label: number }[];
      timings: { parts: number };
      model_version: string;
    };
    assert.deepEqual(
      [predictions.map(({ label }) => label), timings.parts, model_version],
      [rows.slice(0, 3).map((line) => Number(line.split(',')[64])), 1, '1'],
    );
  });

  test('accepts a CSV file with more rows than a batch and keeps their order', async () => {
    const answer = await call('POST', '/endpoints/digits/invoke?label=label&timings=true', {
      body: digitRows,
      headers: { 'content-type': 'text/csv', 'x-request-id': 'whole-file' },
    });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { predictions, timings } = answer.body as { predictions: { label: number }[]; timings: { parts: number } };
    const truth = digitRows
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => Number(line.split(',')[64]));
    assert.equal(predictions.length, 450);
    assert(timings.parts > 1);
    assert.equal(predictions.filter(({ label }, index) => label === truth[index]).length, 440);
  });

  test('audits rejected mutating calls under their action, and a wrong key on any call', async () => {
    const wrong = { headers: { authorization: 'Bearer PKNOBODY:a-secret' } };
    for (const [method, path, init, reported] of [
      [
        'POST',
        '/plan/deployment',
        { headers: { 'content-type': 'application/json' }, body: '{' },
        ['anonymous', 'PlanDeployment', '/api/v1/plan/deployment', 'invalid_request'],
      ],
      ['DELETE', '/endpoints/digits', wrong, ['unknown', 'DeleteEndpoint', 'digits', 'unauthenticated']],
      ['GET', '/status', wrong, ['unknown', 'Authenticate', '/api/v1/status', 'unauthenticated']],
    ] as const) {
      await call(method, path, init);
      const { body } = await call('GET', '/audit?limit=1');
      const [record] = body.items as { who: string; action: string; target: string; outcome: string; detail: { claimed?: string } }[];
      assert.deepEqual([record?.who, record?.action, record?.target, record?.outcome], reported);
      assert.equal(record?.detail.claimed, init === wrong ? 'PKNOBODY' : undefined);
      assert(!JSON.stringify(body).includes('a-secret'));
    }
  });

  test('reports calls in status, audit and logs', async () => {
    const { body: status } = await call('GET', '/status');
    assert.deepEqual([status.version, status.ready, status.endpoints], ['1.2.3', true, { InService: 1 }]);
    const { body: audit } = await call('GET', '/audit?limit=2');
    assert.equal((audit.items as unknown[]).length, 2);
    assert.equal(typeof audit.next, 'string');
    // A body rejected by its schema is audited as the caller's error, too.
    await send('POST', '/groups/digits/versions/1/approval', { approval: 'Approved', comment: 'unknown member' });
    const { body: latest } = await call('GET', '/audit?limit=1');
    const [refused] = latest.items as { action: string; outcome: string }[];
    assert.deepEqual([refused?.action, refused?.outcome], ['SetApproval', 'invalid_request']);
    const { body: logs } = await call('GET', '/endpoints/digits/logs?limit=2');
    const lines = (logs.items as { line: string }[]).map(({ line }) => JSON.parse(line) as { endpoint: string; rows: number });
    // The file of 450 rows is one call, no matter how many batches it ran in.
    assert.deepEqual(
      lines.map(({ endpoint, rows }) => [endpoint, rows]),
      [
        ['digits', 3],
        ['digits', 450],
      ],
    );
    const { body: why } = await call('GET', '/requests/whole-file');
    assert.deepEqual([why.rows, (why.parts as number) > 1], [450, true]);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /penstock_requests_total\{endpoint="digits"/);
  });

  test('creates and shows a serverless endpoint whose first request starts the first function', async () => {
    const functions = { memory_mib: 1024, max_concurrency: 2, batching: 'fixed', batch_size_max: 4, wait_ms_max: 1 };
    const created = await send('POST', '/endpoints', { name: 'on-demand', variants: [{ model: 'digits/1', functions }] });
    assert.equal(created.status, 202, JSON.stringify(created.body));
    const shown = { ...functions, provisioned: 0, keep_alive_ms: 60_000 };
    const variant = ({ body }: Answer) => (body.variants as VariantBody[])[0];
    assert.deepEqual([created.body.status, variant(created)?.instance_count, variant(created)?.functions], ['InService', 0, shown]);
    assert.deepEqual(variant(created)?.setting, { memory_mib: 1024, batch_size_max: 4, wait_ms_max: 1, decision_id: null });
    const instances = [digitRows.split('\n')[1]?.split(',').slice(0, 64).map(Number)];
    const answer = await send('POST', '/endpoints/on-demand/invoke', { instances });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const after = variant(await call('GET', '/endpoints/on-demand'));
    assert.deepEqual([after?.usage.cold_starts, after?.usage.instance_usd, after?.usage.requests], [1, 0, 1]);
    const wrong = await send('PATCH', '/endpoints/on-demand', { variants: [{ model: 'digits/1', functions: { usd_per_hour_max: 1 } }] });
    assert.deepEqual([wrong.status, wrong.body.code], [400, 'invalid_request']);
    assert.match(String(wrong.body.error), /a functions budget requires instances, but the variant is serverless/);
    const lacking = await send('PATCH', '/endpoints/on-demand', { variants: [{ model: 'digits/1', functions: { batching: 'fixed' } }] });
    assert.match(String(lacking.body.error), /fixed batching needs the rows of a full batch.*got nothing/);
    assert.equal((await call('DELETE', '/endpoints/on-demand')).status, 204);
  });

  test('creates and shows functions together with instances', async () => {
    const functions = {
      memory_mib: 1024,
      max_concurrency: 2,
      provisioned: 0,
      keep_alive_ms: 60_000,
      batching: 'slack',
      usd_per_hour_max: 0.5,
    };
    const created = await send('POST', '/endpoints', { name: 'both', variants: [{ model: 'digits/1', instance_count: 1, functions }] });
    assert.equal(created.status, 202, JSON.stringify(created.body));
    const [variant] = (await inService('both')).variants as VariantBody[];
    assert.deepEqual([variant?.ready, variant?.instance_count, variant?.functions], [1, 1, functions]);
    assert.deepEqual([variant?.overflow, variant?.environments?.busy], [{ share: 0, shut_reason: null }, 0]);
    const instances = [digitRows.split('\n')[1]?.split(',').slice(0, 64).map(Number)];
    const answer = await send('POST', '/endpoints/both/invoke?timings=true', { instances });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual((answer.body.timings as { executors: string[] }).executors, ['instance:local.1']);
    assert.equal((await call('DELETE', '/endpoints/both')).status, 204);
  });

  test('reports usage and cost by endpoint and in total', async () => {
    const costs = (query: string) => call('GET', `/costs${query}`);
    const { status, body } = await costs('');
    assert.equal(status, 200);
    const { items, total, ...about } = body as unknown as CostsBody;
    assert.deepEqual([about.by, about.prices_as_of], ['total', '2026-10-01']);
    const [fromMs, toMs] = [about.from, about.to].map((text) => Date.parse(text)) as [number, number];
    assert.equal(fromMs, Math.floor((toMs - 86_400_000) / 3_600_000) * 3_600_000, 'whole hours');
    const { function_usd: usd, requests } = items.find(({ endpoint }) => endpoint === 'on-demand') ?? assert.fail('its costs are listed');
    assert(usd > 0 && requests > 0 && total.requests >= requests);
    for (const field of ['total_usd', 'requests', 'cold_starts'] as const) {
      const sum = items.reduce((total, item) => total + item[field], 0);
      assert(Math.abs(total[field] - sum) <= 1e-9 * sum, field);
    }
    const future = await costs('?from=2030-01-01T00:00:00Z&to=2030-01-02T00:00:00%2B01:00&by=hour&endpoint=on-demand');
    assert.deepEqual([future.status, future.body.items, future.body.to], [200, [], '2030-01-01T23:00:00.000Z']);
    for (const wrong of ['?by=week', '?from=yesterday', '?from=2030-01-01T00:00:00Z', '?since=1d']) {
      assert.deepEqual([(await costs(wrong)).status, wrong], [400, wrong]);
    }
  });

  test('plans for a model that was not measured yet, and lists no decisions before the first', async () => {
    const planRequest = { model: 'digits/1', objective: 'p95 <= 100 ms', rate_per_second: 50 };
    const { status, body } = await send('POST', '/plan', planRequest);
    assert.equal(status, 200, JSON.stringify(body));
    const plan = body as unknown as PlanBody;
    assert.deepEqual([plan.model, plan.objective, plan.feasible, plan.arrivals.rate_per_second], ['digits/1', 'p95<=100ms', true, 50]);
    assert.deepEqual([plan.alternatives[0]?.label, plan.profiles[0]?.basis], ['chosen', 'unlimited']);
    for (const [wrong, code, says] of [
      [{ ...planRequest, model: 'missing/1' }, 404, /missing/],
      [{ ...planRequest, rate_per_second: 0 }, 400, /above 0/],
      [{ ...planRequest, rate_per_second: undefined }, 400, /either rate_per_second or arrivals/],
      [{ ...planRequest, policy: 'fixed' }, 400, /fixed batching needs the rows/],
      [{ ...planRequest, batch_size_max: 4 }, 400, /only for the policy fixed, got slack/],
      [{ ...planRequest, memory_mib: 77 }, 400, /no memory size of 77 MiB/],
    ] as const) {
      const refused = await send('POST', '/plan', wrong);
      assert.equal(refused.status, code, JSON.stringify(refused.body));
      assert.match(String(refused.body.error), says);
    }
    const { body: page } = await call('GET', '/endpoints/digits/decisions?kind=batching&limit=5');
    assert.deepEqual(page, { items: [], next: null, total: 0 });
    assert.equal((await call('GET', '/endpoints/missing/decisions')).status, 404);
    assert.deepEqual((await call('POST', '/endpoints/digits/decisions')).body, { asked: false });
  });

  test('plans a deployment and its cost without deploying it', async () => {
    // Service times are measured on this machine, which may be busy, so the objective is loose.
    const planRequest = { model: 'digits/1', objective: 'p95<=5s', rate_per_second: 40, peak_factor: 1.5, curve: true };
    const { status, body } = await send('POST', '/plan/deployment', planRequest);
    assert.equal(status, 200, JSON.stringify(body));
    const { chosen, curve, mixtures, nearest_ms: nearest } = body as unknown as DeploymentPlanBody;
    assert(chosen !== null && chosen.in_time >= 0.95 && chosen.p95_ms <= 5000 && chosen.usd_per_hour > 0);
    assert(Math.abs(chosen.distribution.shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
    assert(mixtures.length > 1 && mixtures.every(({ usd_per_hour: usd }) => usd >= chosen.usd_per_hour / 1.01));
    assert(curve !== null && curve.some(({ usd_per_hour: usd }) => usd !== null) && nearest === null);
    for (const [wrong, reported] of [
      [{ objective: 'fast' }, /objective 'fast' is not understood/],
      [{ rate_per_second: 0 }, /invalid average rate: expected above 0/],
      [{ peak_factor: 0.5 }, /expected a busiest minute of 1 to 100 times/],
      [{ instance_type: 'c9.huge' }, /c9\.huge/],
      [{ instance_type: null, functions: false }, /allow at least one/],
      [{ usd_per_hour_max: -1 }, /expected more than \$0/],
    ] as const) {
      const refused = await send('POST', '/plan/deployment', { ...planRequest, ...wrong });
      assert.equal(refused.status, 400, JSON.stringify(refused.body));
      assert.match(String(refused.body.error), reported);
    }
  });

  test('inspects a model file without storing it', async () => {
    const before = await call('GET', '/groups');
    const { status, body } = await upload('/models/preview', digits);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual((body.signature as { inputs: unknown }).inputs, [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }]);
    assert.deepEqual([body.batchable, body.same_as], [true, ['digits/1']]);
    assert.deepEqual(await call('GET', '/groups'), before);
    const refused = await upload('/models/preview', Buffer.from('no model'));
    assert.deepEqual([refused.status, refused.body.code], [400, 'invalid_request']);
    assert.equal((await upload('/models/preview', new Uint8Array(0))).status, 400);
  });

  test('paginates lists', async () => {
    for (const name of ['a', 'b', 'c']) assert.equal((await send('POST', '/groups', { name })).status, 201);
    const first = await call('GET', '/groups?limit=2');
    assert.deepEqual([(first.body.items as { name: string }[]).map(({ name }) => name), first.body.next], [['a', 'b'], '2']);
    const second = await call('GET', '/groups?limit=2&cursor=2');
    assert.deepEqual([(second.body.items as { name: string }[]).map(({ name }) => name), second.body.next], [['c', 'digits'], null]);
    for (const name of ['a', 'b', 'c']) assert.equal((await call('DELETE', `/groups/${name}`)).status, 204);
  });

  test('lists the catalogue and registers from it', async () => {
    const { body: catalogue } = await call('GET', '/catalogue');
    assert((catalogue.items as { name: string }[]).some(({ name }) => name === 'iris-rf'));
    const { body: entry } = await call('GET', '/catalogue/iris-rf');
    assert.match(String(entry.sample_rows), /^sepal_length_cm/);
    const registered = await send('POST', '/catalogue/iris-rf/register', {});
    assert.deepEqual([registered.status, registered.body.reused], [201, false]);
    const profile = '/groups/iris-rf/versions/1/profile';
    assert.deepEqual((await call('GET', profile)).body, { items: [], functions: [], served: [] });
    const { body: measured } = await send('POST', `${profile}/functions`, {});
    const [smallest, ...others] = measured.functions as { memory_mib: number; basis: string; fits: boolean; best_batch: number }[];
    assert.deepEqual([smallest?.memory_mib, smallest?.basis, others.length], [128, 'unlimited', 14]);
    assert.ok(others.every(({ fits, best_batch }) => fits && best_batch > 1));
    const { body: known } = await call('GET', profile);
    assert.deepEqual([known.functions, (known.items as unknown[]).length], [measured.functions, 1]);
  });

  test('streams missed events to a reconnecting client, then live ones', async () => {
    const response = await fetch(`${server.url}/api/v1/events`, { headers: { 'last-event-id': '0' } });
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    assert(response.body !== null);
    let text = '';
    let isCreated = false;
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('group.created') && !isCreated) {
        isCreated = true;
        void send('POST', '/groups', { name: 'later' });
      }
      if (text.includes('"subject":"later"')) break;
    }
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    assert.deepEqual(
      ids,
      ids.map((_, index) => index + 1),
    );
  });

  test('describes every route in the OpenAPI document and on the documentation page', async () => {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as {
      openapi: string;
      tags: { name: string }[];
      paths: Record<string, Record<string, { tags: string[]; responses: Record<string, { content?: object }> }>>;
    };
    const typesOf = (path: string, method: string): string[] =>
      Object.keys(document.paths[path]?.[method]?.responses['200']?.content ?? {});
    assert.deepEqual(typesOf('/api/v1/logs', 'get'), ['application/json', 'text/event-stream']);
    assert.deepEqual(typesOf('/api/v1/events', 'get'), ['text/event-stream']);
    assert.deepEqual(typesOf('/api/v1/endpoints/{endpoint}/invoke', 'post'), ['application/json', '*/*']);
    assert.match(document.openapi, /^3\.1/);
    const used = Object.values(document.paths).flatMap((path) => Object.values(path).flatMap((each) => each.tags));
    assert.deepEqual(new Set(used), new Set(document.tags.map(({ name }) => name)), 'every used tag is described');
    assert('/api/v1/endpoints/{endpoint}/invoke' in document.paths, Object.keys(document.paths).join(' '));
    assert.equal((await fetch(`${server.url}/api/docs`)).status, 200);
  });

  for (const { what, method = 'POST', path, json, status, code, says } of [
    { what: 'an unknown field', path: '/groups', json: { name: 'x', colour: 'red' }, status: 400, code: 'invalid_request', says: /colour/ },
    { what: 'an unknown query', method: 'GET', path: '/groups?colour=red', status: 400, code: 'invalid_request', says: /colour/ },
    { what: 'an illegal name', path: '/groups', json: { name: 'a_b' }, status: 400, code: 'invalid_request', says: /group name 'a_b'/ },
    { what: 'a duplicate name', path: '/groups', json: { name: 'DIGITS' }, status: 409, code: 'already_exists', says: /already/ },
    { what: 'an unknown route', method: 'GET', path: '/nothing', status: 404, code: 'not_found', says: /unknown route/ },
    {
      what: 'an unknown endpoint',
      path: '/endpoints/missing/invoke',
      json: { instances: [[1]] },
      status: 404,
      code: 'not_found',
      says: /missing/,
    },
    {
      what: 'rows of the wrong length',
      path: '/endpoints/digits/invoke',
      json: { instances: [[1]] },
      status: 400,
      code: 'invalid_request',
      says: /64 values/,
    },
    { what: 'a version in use', method: 'DELETE', path: '/groups/digits/versions/1', status: 409, code: 'wrong_state', says: /digits/ },
    {
      what: 'a broken objective',
      path: '/endpoints',
      json: { name: 'x', objective: 'fast', variants: [{ model: 'digits/1' }] },
      status: 400,
      code: 'invalid_request',
      says: /p95<=50ms/,
    },
    { what: 'a broken cursor', method: 'GET', path: '/groups?cursor=x', status: 400, code: 'invalid_request', says: /cursor/ },
    {
      what: 'an unknown instance type',
      path: '/groups/digits/versions/1/profile',
      json: { instance_type: 'huge' },
      status: 400,
      code: 'invalid_request',
      says: /huge/,
    },
  ]) {
    test(`rejects ${what} with a specific error`, async () => {
      const answer = json === undefined ? await call(method, path) : await send(method, path, json);
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
      assert.match(String(answer.body.error), says);
      assert.equal(typeof answer.body.request_id, 'string');
    });
  }

  test('rejects a file that is not a model and leaves no trace of it', async () => {
    const answer = await upload('/groups/broken/versions', Buffer.from('not a model'));
    assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_request']);
    assert.equal((await call('GET', '/groups/broken')).status, 404);
  });

  test('rejects a body above the limit without running it', async () => {
    const answer = await call('POST', '/endpoints/digits/invoke', {
      body: 'x'.repeat(1024 * 1024 + 1),
      headers: { 'content-type': 'text/csv' },
    });
    assert.deepEqual([answer.status, answer.body.code], [413, 'too_large']);
  });

  test('restricts each role to its permissions', async () => {
    const made = await send('POST', '/keys', { role: 'viewer', description: 'a test' });
    assert.equal(made.status, 201);
    const { id, secret } = made.body as { id: string; secret: string };
    const headers = { authorization: `Bearer ${id}:${secret}` };
    assert.equal((await call('GET', '/endpoints', { headers })).status, 200);
    const refused = await call('DELETE', '/endpoints/digits', { headers });
    assert.deepEqual([refused.status, refused.body.code], [403, 'forbidden']);
    assert.match(String(refused.body.error), /role deployer or above/);
    const { body: keys } = await call('GET', '/keys');
    assert(!JSON.stringify(keys).includes(secret));
    assert.equal((await call('DELETE', `/keys/${id}`)).status, 204);
    assert.equal((await call('GET', '/endpoints', { headers })).status, 401);
  });

  test('creates and updates endpoints while metrics cannot be read, with in_time null', async (t) => {
    const unreadable = (): Promise<never> => Promise.reject(new Error('the disk is gone'));
    const reading = t.mock.method(server.series, 'columns', unreadable);
    const created = await send('POST', '/endpoints', { name: 'unread', objective: 'p95<=50ms', variants: [{ model: 'digits' }] });
    assert.deepEqual([created.status, created.body.in_time], [202, null], JSON.stringify(created.body));
    const changed = await send('PATCH', '/endpoints/unread', { description: 'changed' });
    assert.deepEqual([changed.status, changed.body.in_time, changed.body.description], [202, null, 'changed']);
    assert.equal((await call('GET', '/endpoints')).status, 200);
    assert(reading.mock.callCount() >= 4);
    assert.deepEqual(server.warnings, ['failed to read the share of responses that met the objective: the disk is gone']);

    reading.mock.restore();
    assert.equal((await call('GET', '/endpoints/unread')).status, 200);
    t.mock.method(server.series, 'columns', unreadable);
    assert.equal((await call('GET', '/endpoints/unread')).status, 200);
    assert.equal(server.warnings.length, 2, 'logged once per outage');
    assert.equal((await call('DELETE', '/endpoints/unread')).status, 204);
  });

  test('updates, unloads, loads and deletes an endpoint', async () => {
    const updated = await send('PATCH', '/endpoints/digits', { objective: null, timeout_ms: 5000 });
    assert.deepEqual([updated.status, updated.body.objective, updated.body.timeout_ms], [202, null, 5000]);
    assert.equal((await call('POST', '/endpoints/digits/unload')).status, 202);
    assert.equal((await send('POST', '/endpoints/digits/invoke', { instances: [] })).status, 503);
    assert.equal((await call('POST', '/endpoints/digits/load')).status, 202);
    assert.equal((await call('DELETE', '/endpoints/digits')).status, 204);
  });
});
