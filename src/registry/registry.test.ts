import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ControlPlane, type ControlPlaneOptions, openControlPlane, plainInspection } from '../../test/control-plane.ts';
import { PlatformError } from '../errors.ts';
import type { PlatformEvent } from '../records/index.ts';
import type { Registry } from './registry.ts';

const open: ControlPlane[] = [];

async function controlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const plane = await openControlPlane(options);
  open.push(plane);
  return plane;
}

afterEach(async () => {
  for (const plane of open.splice(0)) await plane.close();
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function register(registry: Registry, group: string, text: string, more: { reuse?: boolean } = {}) {
  return registry.register({ group, source: bytes(text), sourceName: 'model.onnx', who: 'me', ...more });
}

/** The names of all files below the object store. */
async function filesOf(plane: ControlPlane): Promise<string[]> {
  const entries = await readdir(join(plane.directory, 'objects'), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

function rejection(code: PlatformError['code'], message: RegExp) {
  return (error: unknown) => error instanceof PlatformError && error.code === code && message.test(error.message);
}

describe('a registration', () => {
  test('numbers versions from 1 in a group it creates, with all metadata', async () => {
    const { registry, clock } = await controlPlane();
    const { version } = await registry.register({
      group: 'Digits',
      source: bytes('one'),
      sourceName: 'C:\\models\\digits.onnx',
      description: 'first',
      metadata: { team: 'a' },
      metrics: { accuracy: 0.978 },
      tags: { stage: 'test' },
      who: 'me',
    });
    assert.equal(version.name, 'Digits/1');
    assert.deepEqual([version.description, version.metadata, version.metrics], ['first', { team: 'a' }, { accuracy: 0.978 }]);
    assert.deepEqual([version.tags, version.sourceName, version.createdBy], [{ stage: 'test' }, 'digits.onnx', 'me']);
    assert.equal(version.approval, 'PendingManualApproval');
    assert.deepEqual(version.signature, plainInspection().signature);
    assert.equal(version.createdAtMs, clock.wallMs());
    assert.equal(await readFile((await registry.verifiedModelFiles(version)).path, 'utf8'), 'one');
    assert.equal((await register(registry, 'digits', 'two')).version.name, 'Digits/2');
  });

  test('gives 50 concurrent registrations the numbers 1 to 50', async () => {
    const { registry } = await controlPlane();
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => register(registry, 'crowd', `model ${i}`)));
    const numbers = all.map(({ version }) => version.version).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
  });

  test('leaves no group, number or file on failure', async () => {
    const plane = await controlPlane({
      inspect: async () => {
        throw new PlatformError('invalid_request', 'not an ONNX model');
      },
    });
    await assert.rejects(register(plane.registry, 'broken', 'garbage'), rejection('invalid_request', /not an ONNX model/));
    assert.deepEqual(await plane.registry.groups(), []);
    assert.deepEqual(await filesOf(plane), []);
    assert.deepEqual(await plane.events.since(0, 10), []);
  });

  test('skips no number after a failure, and retains a file that another version uses', async () => {
    let fails = false;
    const plane = await controlPlane({
      inspect: async () => {
        if (fails) throw new PlatformError('model_failed', 'it crashed');
        return plainInspection();
      },
    });
    const { version } = await register(plane.registry, 'digits', 'same');
    fails = true;
    await assert.rejects(register(plane.registry, 'digits', 'same'));
    fails = false;
    assert.equal(await readFile((await plane.registry.verifiedModelFiles(version)).path, 'utf8'), 'same');
    assert.equal((await register(plane.registry, 'digits', 'other')).version.version, 2);
  });

  test('retains a file while another registration of the same bytes fails', async () => {
    let turn = 0;
    const plane = await controlPlane({
      inspect: async () => {
        if (turn++ % 2 === 0) throw new PlatformError('model_failed', 'it crashed');
        return plainInspection();
      },
    });
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => register(plane.registry, 'digits', 'same')));
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 10);
    const { version } = await register(plane.registry, 'digits', 'same').catch(() => register(plane.registry, 'digits', 'same'));
    assert.equal(await readFile((await plane.registry.verifiedModelFiles(version)).path, 'utf8'), 'same');
  });

  test('rejects an empty file and a file above the limit', async () => {
    const plane = await controlPlane({ modelBytesMax: 3 });
    await assert.rejects(register(plane.registry, 'digits', ''), rejection('invalid_request', /empty \(0 bytes\)/));
    await assert.rejects(register(plane.registry, 'digits', 'four'), rejection('too_large', /3 bytes/));
    assert.deepEqual(await filesOf(plane), []);
  });

  test('leaves nothing of an aborted upload', async () => {
    const plane = await controlPlane();
    async function* source() {
      yield bytes('half');
      throw new Error('the client disconnected');
    }
    const request = { group: 'digits', source: source(), sourceName: 'm.onnx', who: 'me' };
    await assert.rejects(plane.registry.register(request), /the client disconnected/);
    assert.deepEqual(await filesOf(plane), []);
  });

  test('reuses the version with the same bytes on request, also concurrently', async () => {
    const { registry } = await controlPlane();
    const all = await Promise.all(Array.from({ length: 10 }, () => register(registry, 'digits', 'same', { reuse: true })));
    assert.deepEqual(new Set(all.map(({ version }) => version.version)), new Set([1]));
    assert.equal(all.filter(({ reused }) => !reused).length, 1);
    assert.equal((await register(registry, 'digits', 'same')).version.version, 2);
    assert.equal((await register(registry, 'digits', 'same', { reuse: true })).version.version, 2);
    assert.equal((await register(registry, 'digits', 'next')).version.version, 3);
  });

  test('stores the rewritten model instead of the source, with its note', async () => {
    const plane = await controlPlane({
      inspect: async (_path, rewriteTo) => {
        await writeFile(rewriteTo, 'rewritten');
        return plainInspection({ rewritten: true, notes: ['ZipMap was taken out'] });
      },
    });
    const { version } = await register(plane.registry, 'iris', 'with ZipMap');
    assert.deepEqual(version.notes, ['ZipMap was taken out']);
    assert.notEqual(version.artifact.sha256, version.sourceSha256);
    assert.equal(await readFile((await plane.registry.verifiedModelFiles(version)).path, 'utf8'), 'rewritten');
    assert.deepEqual(await filesOf(plane), [version.artifact.sha256]);
    assert.equal((await register(plane.registry, 'iris', 'with ZipMap', { reuse: true })).reused, true);
  });

  test('is audited, and published once it is durable', async () => {
    const { registry, events, audit } = await controlPlane();
    const reported: PlatformEvent[] = [];
    events.subscribe((event) => reported.push(event));
    await register(registry, 'digits', 'one');
    assert.deepEqual(
      reported.map(({ kind, subject }) => `${kind} ${subject}`),
      ['group.created digits', 'version.registered digits/1'],
    );
    assert.deepEqual(
      (await audit.list({ limit: 10 })).map(({ who, action, target }) => `${who} ${action} ${target}`),
      ['me RegisterModelVersion digits/1'],
    );
  });

  test('rejects names, texts and numbers out of bounds', async () => {
    const { registry } = await controlPlane();
    const base = { group: 'digits', source: bytes('x'), sourceName: 'm.onnx', who: 'me' };
    await assert.rejects(registry.register({ ...base, group: 'no_underscores' }), rejection('invalid_request', /group name/));
    await assert.rejects(
      registry.register({ ...base, description: 'x'.repeat(1025) }),
      rejection('invalid_request', /characters, got 1025/),
    );
    await assert.rejects(registry.register({ ...base, metadata: { a: 'x'.repeat(2000) } }), rejection('invalid_request', /metadata 'a'/));
    await assert.rejects(registry.register({ ...base, metrics: { accuracy: Number.NaN } }), rejection('invalid_request', /finite number/));
    const tags = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v']));
    await assert.rejects(registry.register({ ...base, tags }), rejection('invalid_request', /entries, got 51/));
  });
});

describe('the registry', () => {
  let plane: ControlPlane;
  let users: string[] = [];
  beforeEach(async () => {
    users = [];
    plane = await controlPlane({ inUse: async () => users });
  });

  test('treats names as case-insensitive', async () => {
    const { registry } = plane;
    await registry.createGroup({ name: 'Digits', description: 'd', who: 'me' });
    await assert.rejects(registry.createGroup({ name: 'DIGITS', who: 'me' }), rejection('already_exists', /case-insensitive/));
    await register(registry, 'dIGITS', 'one');
    assert.equal((await registry.version('digits', 1)).name, 'Digits/1');
    assert.equal((await registry.resolve('DIGITS/1')).name, 'Digits/1');
  });

  test('counts the versions of a group, and finds the latest Approved one', async () => {
    const { registry } = plane;
    for (const text of ['one', 'two', 'three']) await register(registry, 'digits', text);
    await registry.createGroup({ name: 'empty', who: 'me' });
    await assert.rejects(registry.resolve('digits'), rejection('wrong_state', /penstock approve digits\/3/));
    await assert.rejects(registry.resolve('empty'), rejection('wrong_state', /penstock register/));
    await registry.setApproval('digits', 1, 'Approved', { who: 'you' });
    await registry.setApproval('digits', 2, 'Approved', { who: 'you' });
    const [digits, empty] = await registry.groups();
    assert.deepEqual([digits?.versions, digits?.latestVersion, digits?.latestApproved], [3, 3, 2]);
    assert.deepEqual([empty?.versions, empty?.latestVersion, empty?.latestApproved], [0, null, null]);
    assert.equal((await registry.resolve('digits')).version, 2);
    assert.equal(await registry.latestApproved('empty'), null);
    assert.deepEqual(
      (await registry.versions('digits', { limit: 2, offset: 1 })).map(({ version }) => version),
      [2, 1],
    );
    assert.deepEqual(
      (await registry.groups({ limit: 1, offset: 1 })).map(({ name }) => name),
      ['empty'],
    );
  });

  test('records author, time and note of an approval; repeating it changes nothing', async () => {
    const { registry, clock, events } = plane;
    await register(registry, 'digits', 'one');
    const approved = await registry.setApproval('digits', 1, 'Approved', { who: 'you', note: 'looks good' });
    assert.deepEqual(
      [approved.approval, approved.approvalChangedBy, approved.approvalChangedAtMs, approved.approvalNote],
      ['Approved', 'you', clock.wallMs(), 'looks good'],
    );
    const again = await registry.setApproval('digits', 1, 'Approved', { who: 'someone else' });
    assert.equal(again.approvalChangedBy, 'you');
    assert.equal((await registry.setApproval('digits', 1, 'Rejected', { who: 'me' })).approvalNote, null);
    const kinds = (await events.since(0, 10)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['group.created', 'version.registered', 'version.approved', 'version.rejected']);
  });

  test('allows reversing a decision, and withdrawing it', async () => {
    const { registry, events } = plane;
    await register(registry, 'digits', 'one');
    for (const approval of ['PendingManualApproval', 'Rejected', 'Approved', 'Approved', 'PendingManualApproval', 'Rejected'] as const) {
      assert.equal((await registry.setApproval('digits', 1, approval, { who: 'me' })).approval, approval);
    }
    const decided = (await events.since(0, 20)).map(({ kind }) => kind).filter((kind) => !/created|registered/.test(kind));
    assert.deepEqual(decided, ['version.rejected', 'version.approved', 'version.withdrawn', 'version.rejected']);
  });

  test('registers a model under a reserved number, once', async () => {
    const { registry } = plane;
    await registry.createGroup({ name: 'digits', who: 'me' });
    const number = await registry.reserveNumber({ group: 'digits', who: 'me', alongside: async () => undefined });
    await register(registry, 'digits', 'two');
    const request = { group: 'digits', source: bytes('one'), sourceName: 'model.onnx', who: 'me' };
    assert.equal((await registry.register({ ...request, number })).version.version, 1);
    for (const wrong of [0, 1, 2, 3]) {
      await assert.rejects(registry.register({ ...request, number: wrong }), rejection('wrong_state', /expected a reserved number/));
    }
    assert.deepEqual(
      (await registry.versions('digits')).map(({ version }) => version),
      [2, 1],
    );
    await register(registry, 'digits', 'three');
    assert.equal((await registry.describeGroup('digits')).latestVersion, 3);
  });

  test('never reuses a number, even after a deletion', async () => {
    const { registry } = plane;
    await register(registry, 'digits', 'one');
    await register(registry, 'digits', 'two');
    await registry.deleteVersion('digits', 2, 'me');
    await assert.rejects(registry.version('digits', 2), rejection('not_found', /digits\/2/));
    assert.equal((await register(registry, 'digits', 'three')).version.version, 3);
  });

  test('deletes a file with its last version', async () => {
    const { registry } = plane;
    const { version } = await register(registry, 'digits', 'same');
    await register(registry, 'other', 'same');
    await registry.deleteVersion('digits', 1, 'me');
    assert.deepEqual(await filesOf(plane), [version.artifact.sha256]);
    await registry.deleteVersion('other', 1, 'me');
    assert.deepEqual(await filesOf(plane), []);
  });

  test('rejects deleting a version in use, or a group with versions', async () => {
    const { registry } = plane;
    await register(registry, 'digits', 'one');
    users = ['prod'];
    await assert.rejects(registry.deleteVersion('digits', 1, 'me'), rejection('wrong_state', /used by prod/));
    await assert.rejects(registry.deleteGroup('digits', 'me'), rejection('wrong_state', /still has version 1/));
    users = [];
    await registry.deleteVersion('digits', 1, 'me');
    await registry.deleteGroup('digits', 'me');
    await assert.rejects(registry.describeGroup('digits'), rejection('not_found', /digits/));
  });

  test('updates only the given fields of a version', async () => {
    const { registry } = plane;
    await register(registry, 'digits', 'one');
    await registry.update('digits', 1, { description: 'better', metrics: { accuracy: 1 } }, 'me');
    const after = await registry.update('digits', 1, { tags: { a: 'b' } }, 'me');
    assert.deepEqual([after.description, after.metrics, after.tags], ['better', { accuracy: 1 }, { a: 'b' }]);
  });

  test('moves only leftovers of a killed registration to the trash at start', async () => {
    const { registry, objects } = plane;
    const { version } = await register(registry, 'digits', 'one');
    const leftover = await objects.put(bytes('stored, never committed'));
    await writeFile(await objects.temporaryPath(), 'half an upload');
    const trashed: string[] = [];
    const onTrashed = (sha256s: readonly string[]) => void trashed.push(...sha256s);
    await registry.open({ nowMs: () => 7, onTrashed, onRestored: () => assert.fail(), onFailure: assert.ifError });
    assert.deepEqual((await filesOf(plane)).sort(), [`7-${leftover.sha256}`, version.artifact.sha256].sort());
    assert.deepEqual(trashed, [leftover.sha256]);
  });

  test('registers models from the catalogue once', async () => {
    const { registry } = plane;
    const names = registry.catalogue.entries.map(({ name }) => name);
    assert.ok(names.includes('digits-mlp') && names.includes('spam-text'), names.join(' '));
    const first = await registry.registerFromCatalogue('digits-mlp', { who: 'me' });
    assert.deepEqual([first.version.name, first.version.metrics], ['digits-mlp/1', { accuracy: 0.978 }]);
    assert.equal((await registry.registerFromCatalogue('Digits-MLP', { who: 'me' })).reused, true);
    await assert.rejects(registry.registerFromCatalogue('gpt', { who: 'me' }), rejection('not_found', /digits-mlp/));
    for (const entry of registry.catalogue.entries) {
      for await (const chunk of createReadStream(registry.catalogue.sampleRowsPath(entry))) assert.ok(chunk.length > 0);
      for await (const chunk of registry.catalogue.model(entry)) assert.ok(chunk.length > 0);
    }
  });

  test('tests models from the catalogue with their sample rows first', async () => {
    let first = '';
    const { registry } = await controlPlane({
      inspect: async (_path, _rewriteTo, sample) => {
        first = `${sample?.contentType} ${sample?.label} ${sample?.body.toString().split('\n')[0]}`;
        return plainInspection();
      },
    });
    await registry.registerFromCatalogue('iris-rf', { who: 'me' });
    assert.match(first, /^text\/csv \w+ .*,/);
  });

  test('rejects malformed references', async () => {
    const { registry } = plane;
    for (const wrong of ['digits/0', 'digits/x', 'digits/1/2', '', '/1', 'digits/-1', 'digits/1e3']) {
      await assert.rejects(registry.resolve(wrong), rejection('invalid_request', /name|expected/));
    }
  });
});
