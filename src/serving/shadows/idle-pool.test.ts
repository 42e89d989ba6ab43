import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { PlatformError } from '../../errors.ts';
import { type Profile, ServiceTable } from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { RunRequests } from '../runners/run-requests.ts';
import { VariantPool } from '../variant-pool.ts';

const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }], outputs: [] } as const;
const versionOf = (name: string): ModelVersion =>
  ({ name, group: 'digits', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } }) as unknown as ModelVersion;

function tableOf(ms: number): ServiceTable {
  const samples = (b: number) => Array.from({ length: 200 }, () => ms * b);
  const service = [1, 8, 32].map((b) => ({ b, p50Ms: ms * b, p95Ms: ms * b, p99Ms: ms * b, samples: samples(b), rssMiB: 0 }));
  const profile: Profile = { executor: 'instance:local.1', service, measuredAtMs: 0, loadMs: 0, batchMax: 32, notes: [] };
  return new ServiceTable(profile);
}

interface Options {
  readonly instances?: number;
  readonly latencyMs?: number | null;
}

/** The production model takes 2 ms a row, the shadow, plan 1 of the same workers, 5 ms. */
function fixture({ instances = 1, latencyMs = 50 }: Options = {}) {
  const clock = new VirtualClock();
  const objective = latencyMs === null ? null : { percentile: 95, latencyMs };
  const settings = { objective, late: 'serve', timeoutMs: 60_000, queueRowsMax: 10_000, functions: null } as const;
  const deps = { clock, onDispatch: () => undefined, restart: () => undefined };
  const live = new VariantPool({ endpoint: 'e', variant: 'live', model: versionOf('digits/1') }, settings, {
    ...deps,
    serviceTable: () => tableOf(2),
  });
  const shared = { ...settings, isShadow: true, sharesWorkers: true };
  const shadow = new VariantPool({ endpoint: 'e', variant: 'next', model: versionOf('digits/2') }, shared, {
    ...deps,
    serviceTable: () => tableOf(5),
  });
  const runs: { plan: number; atMs: number }[] = [];
  const state = { crashes: false, missing: null as string | null, charged: 0 };
  for (let i = 0; i < instances; i++) {
    const run: RunRequests = (requests, done, plan = 0) => {
      runs.push({ plan, atMs: clock.nowMs() });
      const outputs = requests.map(() => []);
      clock.after((plan === 0 ? 2 : 5) * requests.length, () =>
        done(state.crashes ? { kind: 'gone', why: 'killed' } : { kind: 'done', outputs, timings: { inMs: 0, runMs: 1, outMs: 0 } }),
      );
    };
    const worker = { id: `w${i}`, instanceType: 'local.1', coldStartMs: 0, run, charge: (ms: number) => (state.charged += ms) };
    live.attach(worker);
    shadow.attachShared({ ...worker, idle: live.idleTime, missingReason: () => state.missing });
  }
  const latencies: number[] = [];
  const copies: ('answered' | PlatformError)[] = [];
  const send = (): void => {
    const arrivedAtMs = clock.nowMs();
    const call = { requestId: 'r', inputs: [], rows: 1, arrivedAtMs };
    live.submit(call, () => {
      latencies.push(clock.nowMs() - arrivedAtMs);
      shadow.submit({ ...call, arrivedAtMs: clock.nowMs() }, (outcome) => copies.push(outcome.ok ? 'answered' : outcome.error));
    });
  };
  return { clock, live, shadow, send, runs, latencies, copies, state };
}

describe('a shadow that shares workers', () => {
  test('runs a copy once its instance has been idle for a while, at no cost', () => {
    const { clock, send, runs, copies, state } = fixture();
    send();
    clock.advance(100);
    assert.deepEqual(runs, [
      { plan: 0, atMs: 0 },
      { plan: 1, atMs: 20 },
    ]);
    assert.deepEqual([copies, state.charged], [['answered'], 2]);
  });

  test('makes no request late that would be in time without it, and answers the copies when there is time', () => {
    const { clock, send, latencies, copies, shadow } = fixture({ instances: 2 });
    for (let i = 0; i < 2000; i++) {
      if (i % 100 < 40) send();
      clock.advance(2);
    }
    clock.advance(10_000);
    assert.equal(latencies.filter((ms) => ms > 50).length, 0);
    assert.equal(copies.filter((copy) => copy === 'answered').length, latencies.length);
    assert.equal(shadow.statistics.success.count + shadow.statistics.fail.count, 0, 'counted by who invokes it');
  });

  test('fails a copy that finds no idle time within its timeout, with the reason', () => {
    const { clock, send, copies } = fixture({ latencyMs: 6 });
    send();
    clock.advance(61_000);
    const [copy] = copies;
    assert.match(String(copy), /no response .* within the timeout of 60s .* no idle time/);
  });

  test('does not run a copy again that has crashed its worker, nor any other for a minute', () => {
    const { clock, live, send, runs, copies, state } = fixture({ instances: 2 });
    send();
    clock.advance(3);
    state.crashes = true;
    clock.advance(100);
    state.crashes = false;
    assert.match(String(copies), /worker that digits\/2 shares crashed/);
    assert.equal(live.executors.length, 1);
    send();
    clock.advance(30_000);
    assert.equal(runs.filter(({ plan }) => plan === 1).length, 1);
    clock.advance(35_000);
    assert.equal(runs.filter(({ plan }) => plan === 1).length, 2);
  });

  test('rejects copies while no worker has loaded its model, with the reason', () => {
    const { clock, send, copies, latencies, state } = fixture();
    state.missing = 'the file is damaged';
    send();
    clock.advance(100);
    assert.match(String(copies), /no worker has loaded digits\/2, which shares workers: the file is damaged/);
    assert.equal(latencies.length, 1);
  });

  test('drops what waits when its endpoint is unloaded', async () => {
    const { clock, shadow, send, copies } = fixture({ latencyMs: 6 });
    send();
    clock.advance(10);
    await shadow.finish();
    assert.match(String(copies), /being unloaded: the copy was dropped/);
  });
});
