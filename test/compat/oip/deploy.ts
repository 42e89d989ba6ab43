/** Puts the models of the suite on a Penstock, by its native API. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { modelPath } from '../../models/index.ts';
import { models } from './suite.ts';

const readyWithinMs = 30_000;

/** Registers, approves and deploys each model that is not there yet; resolves when all are in service. */
export async function deployModels(url: string, key?: string): Promise<void> {
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    raw?: Buffer,
  ): Promise<{ status: number; json: Record<string, unknown> }> => {
    const type = raw === undefined ? 'application/json' : 'application/octet-stream';
    const payload = raw === undefined ? (body === undefined ? null : JSON.stringify(body)) : new Uint8Array(raw);
    const headers = {
      ...(payload === null ? {} : { 'content-type': type }),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
    const response = await fetch(`${url}/api/v1${path}`, { method, headers, body: payload });
    const text = await response.text();
    return { status: response.status, json: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
  };
  const must = async (method: string, path: string, body?: unknown, raw?: Buffer): Promise<Record<string, unknown>> => {
    const { status, json } = await call(method, path, body, raw);
    assert(status < 300, `${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json;
  };
  for (const name of Object.values(models)) {
    if ((await call('GET', `/endpoints/${name}`)).status === 200) continue;
    const file = await readFile(modelPath(name.replaceAll('-', '_')));
    await must('POST', `/groups/${name}/versions?reuse=true`, undefined, file);
    await must('POST', `/groups/${name}/versions/1/approval`, { approval: 'Approved' });
    await must('POST', '/endpoints', { name, variants: [{ model: `${name}/1` }] });
  }
  const until = performance.now() + readyWithinMs;
  for (const name of Object.values(models)) {
    for (;;) {
      const { status, reason } = await must('GET', `/endpoints/${name}`);
      if (status === 'InService') break;
      assert(status !== 'Failed' && performance.now() < until, `${name} is ${String(status)}: ${String(reason)}`);
      await wait(50);
    }
  }
}
