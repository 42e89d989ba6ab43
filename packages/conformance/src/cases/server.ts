/** Cases C1 to C5: server and model metadata, and health. */
import assert from 'node:assert/strict';
import { formatReply, ok } from '../assertions.ts';
import type { Case } from '../case.ts';
import type { Target } from '../client/target.ts';
import type { Json } from '../client/wire.ts';
import { Skipped } from '../outcome.ts';

/** A name that no server has. */
export const unknownModelName = 'no-such-model-of-the-conformance-suite';
export const unknownModel = `model '${unknownModelName}' does not exist; GET /v2/models lists all models`;

/** A large model may take this long to load. */
export const loadMsMax = 60_000;

/** The protocol requires only the status, but a body must not contradict it: clients of KServe read it. */
async function assertWell(target: Target, path: string, word: 'live' | 'ready'): Promise<void> {
  const reply = await target.wire.send(path);
  assert(reply.status === 200, `${path}: expected 200, got ${formatReply(reply)}`);
  const hasBody = reply.body.length > 0 || target.isPenstock;
  if (hasBody) assert.equal(ok(reply)[word], true, `the body of ${path} must have "${word}": true`);
}

/** Repeats a request while the model is reloaded. */
async function whileLoading(target: Target, ask: () => Promise<void>): Promise<void> {
  target.requireReload();
  let loading = true;
  const call = { method: 'POST', body: '', timeoutMs: loadMsMax };
  const loaded = target.wire.send(`/v2/repository/models/${target.subject.name}/load`, call).finally(() => {
    loading = false;
  });
  try {
    while (loading) await ask();
  } finally {
    await loaded.catch(() => undefined);
  }
  const { status } = await loaded;
  if (status !== 200) throw new Skipped(`the server does not load models on request (${status})`);
}

export const serverCases: readonly Case[] = [
  {
    id: 'C1',
    level: 'must',
    promise: 'GET /v2 has name, version and a list of extensions',
    async run({ wire }) {
      const { name, version, extensions } = ok(await wire.send('/v2'));
      assert.equal(typeof name, 'string', `'name' must be a string`);
      assert.equal(typeof version, 'string', `'version' must be a string`);
      assert(
        Array.isArray(extensions) && extensions.every((extension) => typeof extension === 'string'),
        `'extensions' must be an array of strings`,
      );
    },
  },
  {
    id: 'C2',
    level: 'must',
    promise: 'the server is live, also while a model loads',
    async run(target) {
      const call = (): Promise<void> => assertWell(target, '/v2/health/live', 'live');
      await call();
      await whileLoading(target, call);
    },
  },
  {
    id: 'C3',
    level: 'should',
    promise: 'the server is ready once its first models have settled, and a later load does not change that',
    async run(target) {
      const call = (): Promise<void> => assertWell(target, '/v2/health/ready', 'ready');
      await call();
      await whileLoading(target, call);
    },
  },
  {
    id: 'C4',
    level: 'must',
    promise: 'a model is ready by name; an unknown one is 404',
    async run(target) {
      const { name } = target.subject;
      const reply = await target.wire.send(`/v2/models/${name}/ready`);
      assert.equal(reply.status, 200);
      if (target.isPenstock) assert.deepEqual(ok(reply), { name, ready: true });
      const paths = target.isPenstock ? ['/ready', '', '/stats', '/config', '/versions/1/ready'] : ['/ready', ''];
      for (const path of paths) await target.refused(await target.wire.send(`/v2/models/${unknownModelName}${path}`), 404, unknownModel);
      await target.refused(await target.infer(unknownModelName, target.subject.request()), 404, unknownModel);
    },
  },
  {
    id: 'C5',
    level: 'must',
    promise: 'metadata has versions, platform, and shapes with -1 for variable dimensions',
    async run(target) {
      const { wire, subject } = target;
      const metadata = ok(await wire.send(`/v2/models/${subject.name}`));
      assert.equal(metadata['name'], subject.name);
      const versions = metadata['versions'] ?? [];
      assert(Array.isArray(versions) && versions.every((version) => typeof version === 'string'), `'versions' must be an array of strings`);
      assert.equal(typeof metadata['platform'], 'string', `'platform' must be a string`);
      for (const side of ['inputs', 'outputs']) {
        const tensors = metadata[side];
        assert(Array.isArray(tensors) && tensors.length > 0, `'${side}' must be an array of tensors, got ${JSON.stringify(tensors)}`);
        for (const tensor of tensors as Json[]) assertTensor(side, tensor);
      }
      if (subject.isAffine) {
        assert.deepEqual(metadata['inputs'], [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }]);
        assert.deepEqual(metadata['outputs'], [
          { name: 'y', datatype: 'FP32', shape: [-1, 3] },
          { name: 'sum', datatype: 'FP32', shape: [] },
        ]);
      }
      if (target.isPenstock)
        assert((ok(await wire.send('/v2/models'))['models'] as unknown[]).includes(subject.name), '/v2/models must list it');
      const [version] = versions;
      if (version === undefined) return;
      assert.deepEqual(ok(await wire.send(`/v2/models/${subject.name}/versions/${version}`))['inputs'], metadata['inputs']);
    },
  },
];

function assertTensor(side: string, { name, datatype, shape }: Json): void {
  assert(typeof name === 'string' && typeof datatype === 'string', `each of '${side}' must have a name and a datatype`);
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && (size as number) >= -1);
  assert(isShape, `'${name}' must have a shape of integers, -1 for variable dimensions; got ${JSON.stringify(shape)}`);
}
