import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { AgentHealth } from './agent-health.ts';

describe('the health of a host', () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-health-'));
  const clock = new VirtualClock();
  const state = { isLinked: true, isStopping: false };
  let health: AgentHealth;
  beforeEach(async () => {
    Object.assign(state, { isLinked: true, isStopping: false });
    const of = { isLinked: () => state.isLinked, isStopping: () => state.isStopping };
    health = await AgentHealth.open({ clock, address: { host: '127.0.0.1', port: 0 }, folder, ...of });
  });
  afterEach(() => health.close());
  after(() => rmSync(folder, { recursive: true, force: true }));

  const ask = async (path: string, options: RequestInit = {}): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${health.port}${path}`, options);
    return `${answer.status} ${await answer.text()}`;
  };

  test('is ready while it is linked, does not stop and can write; it is alive in any case', async () => {
    assert.equal(await ask('/v2/health/ready'), '200 ready');
    state.isLinked = false;
    assert.equal(await ask('/v2/health/ready'), '503 this host has no link to the node that serves');
    assert.equal(await ask('/v2/health/live'), '200 ready');
    Object.assign(state, { isLinked: true, isStopping: true });
    assert.match(await ask('/v2/health/ready'), /^503 this host stops/);
    state.isStopping = false;
    rmSync(folder, { recursive: true });
    assert.equal(await ask('/v2/health/ready'), '200 ready', 'the disk was tried a moment ago');
    clock.advance(5000);
    assert.match(await ask('/v2/health/ready'), /^503 no file can be written in/);
  });

  test('answers nothing else', async () => {
    assert.equal(await ask('/'), '404 ');
    assert.equal(await ask('/v2/health/ready?x'), '404 ');
    assert.equal(await ask('/v2/health/ready', { method: 'POST', body: 'x' }), '404 ');
  });

  test('says which option to change if it cannot listen', async () => {
    const address = { host: '127.0.0.1', port: health.port };
    const options = { clock, address, folder, isLinked: () => true, isStopping: () => false };
    await assert.rejects(AgentHealth.open(options), { code: 'unavailable', message: /--health: cannot listen on 127\.0\.0\.1/ });
  });
});
