import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../test/control-plane.ts';
import { SystemClock, VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { recogniseModel } from '../python-files/index.ts';
import { ThreadPool } from '../threads/index.ts';
import type { ModelVersion } from './model-version.ts';
import type { OpenedModel, OpenModel } from './openings.ts';

const forest = readFileSync(join(import.meta.dirname, '../../test/models/python/files/forest-5.joblib'));
const signature = {
  inputs: [{ name: 'x', datatype: 'FP64', shape: [-1, 4] }],
  outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }],
} as const;
const opened: OpenedModel = {
  form: 'tensors',
  signature,
  facts: { python: '3.11.7', libraries: { 'scikit-learn': '1.9.1' }, modules: ['sklearn'] },
  notes: [],
  environment: { name: null, lock: 'abc' },
  batchable: true,
  batchableReason: 'tested',
};

/** Never ends by itself. */
const waiting: OpenModel = (_version, _sample, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));

/** A registry with one registered model. */
async function inPlane(openPython: OpenModel, use: (plane: ControlPlane) => Promise<void>): Promise<void> {
  const threads = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
  const limits = { bytesMax: 2 ** 24 };
  const plane = await openControlPlane({ openPython, recognise: (path, name) => recogniseModel(path, { limits, threads, name }) });
  try {
    const { version } = await plane.registry.register({ group: 'forest', source: forest, sourceName: 'forest.joblib', who: 'author' });
    assert.deepEqual([version.python?.state, version.approval, version.signature.inputs], ['registered', 'PendingManualApproval', []]);
    await use(plane);
  } finally {
    await plane.registry.close();
    await plane.close();
    await threads.close();
  }
}

const approve = ({ registry }: Pick<ControlPlane, 'registry'>): Promise<ModelVersion> =>
  registry.setApproval('forest', 1, 'Approved', { who: 'approver', note: 'read' });

async function settled({ registry }: Pick<ControlPlane, 'registry'>): Promise<ModelVersion> {
  for (;;) {
    const version = await registry.version('forest', 1);
    if (version.python?.state !== 'opening') return version;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('an approval is answered at once, and stores signature and approval together under the name of the approver', async () => {
  const gate = Promise.withResolvers<OpenedModel>();
  await inPlane(
    () => gate.promise,
    async (plane) => {
      assert.deepEqual([(await approve(plane)).python?.state, (await plane.registry.version('forest', 1)).approvalNote], ['opening', null]);
      gate.resolve(opened);
      const version = await settled(plane);
      assert.deepEqual([version.approval, version.approvalChangedBy, version.approvalNote], ['Approved', 'approver', 'read']);
      assert.deepEqual([version.signature, version.batchable], [signature, true]);
      assert(version.runtime.kind === 'python');
      assert.deepEqual([version.runtime.environment.lock, version.runtime.modules], ['abc', ['sklearn']]);
    },
  );
});

test('a note of its file that the opening says in full is shown once', async () => {
  const full = (note: string): string => `${note}, this environment has 9.9`;
  const open: OpenModel = async ({ notes }) => ({ ...opened, notes: notes.filter((note) => note.startsWith('made with')).map(full) });
  await inPlane(open, async (plane) => {
    const { notes } = await approve(plane);
    const due = notes.map((note) => (note.startsWith('made with') ? full(note) : note));
    assert.deepEqual((await settled(plane)).notes, due);
    assert.notDeepEqual(due, notes);
  });
});

test('a model that cannot be opened stays pending, with the reason and the last lines', async () => {
  await inPlane(
    async () => {
      throw new PlatformError('model_failed', 'no module named cv2', { lines: ['line 1'] });
    },
    async (plane) => {
      await approve(plane);
      const { approval, python, signature: found } = await settled(plane);
      assert.deepEqual(
        [approval, python?.state, python?.reason, python?.lastLines],
        ['PendingManualApproval', 'failed', 'no module named cv2', ['line 1']],
      );
      assert.deepEqual(found.inputs, []);
    },
  );
});

test('a call may wait for the end of an opening, for a limited time', async () => {
  const gate = Promise.withResolvers<OpenedModel>();
  await inPlane(
    () => gate.promise,
    async (plane) => {
      await approve(plane);
      const key = { group: 'forest', version: 1 };
      const late = plane.registry.openings?.settled(key, 50_000);
      assert(plane.clock instanceof VirtualClock);
      plane.clock.advance(50_000);
      await late;
      assert.equal((await plane.registry.version('forest', 1)).python?.state, 'opening');
      const ended = plane.registry.openings?.settled(key, 50_000);
      gate.resolve(opened);
      await ended;
      assert.equal((await plane.registry.version('forest', 1)).approval, 'Approved');
    },
  );
});

test('a cancelled opening leaves the version as it was', async () => {
  await inPlane(waiting, async (plane) => {
    await approve(plane);
    const { python, approval } = await plane.registry.cancelOpening('forest', 1, 'approver');
    assert.deepEqual([python?.state, approval], ['registered', 'PendingManualApproval']);
  });
});

test('what a running opening does is shown while it runs', async () => {
  const gate = Promise.withResolvers<OpenedModel>();
  let report: Parameters<OpenModel>[3] | null = null;
  const open: OpenModel = (_version, _sample, _signal, onStage) => {
    report = onStage;
    return gate.promise;
  };
  await inPlane(open, async (plane) => {
    const stage = (): unknown => plane.registry.openings?.stageOf({ group: 'forest', version: 1 });
    assert.equal(stage(), null);
    await approve(plane);
    while (report === null) await new Promise((resolve) => setImmediate(resolve));
    for (const each of ['environment', 'loading', 'probe'] as const) {
      report(each);
      assert.equal(stage(), each);
    }
    gate.resolve(opened);
    await settled(plane);
    await plane.registry.openings?.settled({ group: 'forest', version: 1 }, 1000);
    assert.equal(stage(), null);
  });
});

test('an opening that is requested again while the cancelled one ends is done', async () => {
  const ends = Promise.withResolvers<void>();
  let calls = 0;
  const open: OpenModel = async (_version, _sample, signal) => {
    if (++calls > 1) return opened;
    await ends.promise;
    throw signal.reason;
  };
  await inPlane(open, async (plane) => {
    await approve(plane);
    while (calls === 0) await new Promise((resolve) => setImmediate(resolve));
    await plane.registry.cancelOpening('forest', 1, 'approver');
    await approve(plane);
    ends.resolve();
    assert.deepEqual([(await settled(plane)).approval, calls], ['Approved', 2]);
  });
});

test('a requested opening is continued by the next server, under the name of its approver', async () => {
  await inPlane(waiting, async (plane) => {
    await approve(plane);
    await plane.registry.close();
    assert.equal((await plane.registry.version('forest', 1)).python?.state, 'opening');
    const next = await openControlPlane({ directory: plane.directory, database: plane.database, openPython: async () => opened });
    await next.registry.openings?.open();
    const version = await settled(next);
    assert.deepEqual([version.approval, version.approvalChangedBy], ['Approved', 'approver']);
    await next.registry.close();
  });
});

test('a preview of a Python model shows what its files say, runs nothing and stores nothing', async () => {
  const never: OpenModel = () => Promise.reject(new Error('a preview opened the model'));
  await inPlane(never, async ({ registry, directory }) => {
    const objects = (): Promise<string[]> => readdir(join(directory, 'objects'), { recursive: true });
    const stored = await objects();
    const { recognised, source, inspection } = await registry.preview(forest, 'forest.joblib');
    assert.deepEqual(
      [recognised?.flavour, recognised?.entry, recognised?.libraries.includes('scikit-learn'), recognised?.imports?.outside],
      ['sklearn', 'forest.joblib', true, []],
    );
    assert.deepEqual(await registry.versionsOfSource(source.sha256), ['forest/1']);
    assert.equal(inspection.batchable, false);
    assert.deepEqual(await objects(), stored);
    assert(stored.length > 0);
    await assert.rejects(registry.preview(Buffer.from('import os\n'), 'model.py'), /neither a function predict nor a class Model/);
  });
});
