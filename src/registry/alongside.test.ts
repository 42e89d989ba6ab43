/** Writes of other modules in the registry's transactions, and operations for other APIs. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../test/control-plane.ts';
import { PlatformError } from '../errors.ts';
import { ConnectionLost } from '../storage/index.ts';

const open: ControlPlane[] = [];

async function plane(): Promise<ControlPlane> {
  const opened = await openControlPlane();
  open.push(opened);
  return opened;
}

afterEach(async () => {
  for (const opened of open.splice(0)) await opened.close();
});

const model = { source: new TextEncoder().encode('one'), sourceName: 'model.onnx', who: 'me' };

test('alongside writes commit or roll back together with the version', async () => {
  const { registry, db } = await plane();
  const reported: number[] = [];
  await registry.register({ ...model, group: 'digits', alongside: async (_, version) => void reported.push(version) });
  const fails = registry.register({
    ...model,
    group: 'digits',
    alongside: async () => {
      throw new Error('no');
    },
  });
  await assert.rejects(fails, /no/);
  assert.deepEqual(reported, [1]);
  assert.equal((await db.selectFrom('model_versions').selectAll().execute()).length, 1);
  assert.equal((await registry.register({ ...model, group: 'digits' })).version.version, 2, 'no number is skipped');
});

test('retains the file if the outcome of the commit is unknown', async () => {
  const { registry, objects } = await plane();
  const files = async (): Promise<number> => {
    let count = 0;
    for await (const _ of objects.list()) count++;
    return count;
  };
  const lost = new ConnectionLost(new Error('reset'), true);
  await assert.rejects(registry.register({ ...model, group: 'digits', alongside: () => Promise.reject(lost) }), lost);
  assert.equal(await files(), 1);
  const rejected = new Error('rejected');
  await assert.rejects(registry.register({ ...model, group: 'digits', alongside: () => Promise.reject(rejected) }), rejected);
  assert.equal(await files(), 0);
});

test('an approval at registration is audited and published like any other', async () => {
  const { registry, events, db, clock } = await plane();
  const { version } = await registry.register({ ...model, group: 'digits', approval: 'Approved' });
  assert.deepEqual([version.approval, version.approvalChangedBy, version.approvalChangedAtMs], ['Approved', 'me', clock.wallMs()]);
  const [group, registered, approved] = await events.since(0, 10);
  assert.deepEqual([group?.kind, registered?.kind, approved?.kind], ['group.created', 'version.registered', 'version.approved']);
  assert.equal(((registered?.detail ?? {}) as { approval?: string }).approval, 'Approved');
  assert.deepEqual(approved?.detail, { from: 'PendingManualApproval', to: 'Approved', note: null, withRegistration: true });
  assert.equal((await db.selectFrom('audit').selectAll().where('action', '=', 'SetApproval').execute()).length, 1);
});

test('rejects an existing group if it must be new, case-insensitively', async () => {
  const { registry } = await plane();
  await registry.register({ ...model, group: 'digits', newGroup: true });
  await assert.rejects(
    registry.register({ ...model, group: 'Digits', newGroup: true }),
    (error) => error instanceof PlatformError && error.code === 'already_exists',
  );
});

test('a failed model uses a number, is audited and published, and creates no version', async () => {
  const { registry, events, db } = await plane();
  await registry.createGroup({ name: 'digits', who: 'me' });
  const number = await registry.numberFailed({ group: 'digits', who: 'me', reason: 'broken', alongside: async () => undefined });
  assert.equal(number, 1);
  assert.deepEqual(await registry.versions('digits'), []);
  assert.equal((await registry.register({ ...model, group: 'digits' })).version.version, 2);
  const kinds = (await events.since(0, 10)).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['group.created', 'version.failed', 'version.registered']);
  const [reported] = await db.selectFrom('audit').selectAll().where('outcome', '=', 'invalid_request').execute();
  assert.deepEqual([reported?.target, reported?.detail], ['digits/1', '{"message":"broken"}']);
});

test('concurrent changes of tags and metadata are all applied', async () => {
  const { registry } = await plane();
  await registry.register({ ...model, group: 'digits' });
  const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
  const add = (key: string) => (words: Readonly<Record<string, string>>) => ({ ...words, [key]: 'v' });
  await Promise.all(
    keys.flatMap((key) => [
      registry.retag({ group: 'digits', version: null }, add(key), 'me'),
      registry.retag({ group: 'digits', version: 1 }, add(key), 'me'),
      registry.changeMetadata('digits', 1, add(key), 'me'),
    ]),
  );
  const version = await registry.version('digits', 1);
  for (const words of [(await registry.describeGroup('digits')).tags, version.tags, version.metadata]) {
    assert.deepEqual(Object.keys(words).sort(), keys);
  }
  await assert.rejects(registry.retag({ group: 'none', version: null }, add('k'), 'me'), /no model group 'none'/);
  await assert.rejects(registry.retag({ group: 'digits', version: 2 }, add('k'), 'me'), /digits\/2/);
});

test('updates an approval note alone, and counts an emoji as one character', async () => {
  const { registry } = await plane();
  await registry.register({ ...model, group: 'digits', description: '🌊'.repeat(1024) });
  await registry.setApproval('digits', 1, 'Approved', { who: 'me', note: 'good' });
  assert.equal((await registry.update('digits', 1, { approvalNote: 'better' }, 'me')).approvalNote, 'better');
  await assert.rejects(registry.update('digits', 1, { description: '🌊'.repeat(1025) }, 'me'), /characters, got 1025/);
});
