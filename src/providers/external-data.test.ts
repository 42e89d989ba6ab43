/** Models with data files in workers of every isolation mode that works here. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, NodeProtoSchema, TensorProto_DataType, TensorProtoSchema } from 'onnx-buf';
import { artifactOfFiles, pathAsAddress } from '../../test/model-artifacts.ts';
import { setExternal, withExternalData } from '../../test/models/external.ts';
import { assertSameTensors, modelPath, sample } from '../../test/models/index.ts';
import { SystemClock } from '../clock.ts';
import { openLogs } from '../logs/index.ts';
import type { ModelFiles } from '../runtime/index.ts';
import { isolationSettings, LocalProvider, type WorkerView } from './index.ts';

const root = mkdtempSync('/tmp/penstock-test-');
chmodSync(root, 0o755);
after(() => rmSync(root, { recursive: true, maxRetries: 5 }));

/** Stored like objects: under names of no meaning, readable only by the server. */
function storedModel(state: string): ModelFiles {
  const { model, data } = withExternalData(readFileSync(modelPath('digits_mlp')), 'weights/all.data');
  const objects = join(state, 'objects');
  mkdirSync(objects, { mode: 0o700 });
  const put = (name: string, bytes: Buffer): string => {
    writeFileSync(join(objects, name), bytes, { mode: 0o400 });
    return join(objects, name);
  };
  return { path: put('aa', model), data: [{ name: 'weights/all.data', path: put('bb', data), bytes: data.length }] };
}

for (const mode of ['root', 'user', 'landlock', 'none']) {
  test(`a worker in mode ${mode} inspects and serves a model with data files, and leaves none of its links`, async (context) => {
    const state = mkdtempSync(join(root, 'state-'));
    const log = openLogs(null, 'silent').platform;
    const isolation = isolationSettings({ mode });
    const checked: string[] = [];
    const fetchFile = async (path: string): Promise<string> => {
      checked.push(path);
      return path;
    };
    const provider = new LocalProvider({ clock: new SystemClock(), log, stateDirectory: state, warmWorkers: 0, isolation, fetchFile });
    await provider.open();
    try {
      if (provider.isolation?.mode === 'unavailable') return context.skip(`mode ${mode} does not work here: ${provider.isolation.reason}`);
      const model = storedModel(state);
      const inspection = await provider.borrow((link) => link.inspect(model, join(state, 'unused')));
      assert.deepEqual([inspection.dataFiles, inspection.batchable], [['weights/all.data'], true]);
      const named = { id: 'w1', endpoint: 'e', variant: 'v', generation: 1, artifact: artifactOfFiles(model), modelName: 'digits/1' };
      await provider.start({ ...named, threads: 1, memoryMiB: 1024, instanceType: 'local.1', kind: 'instance', vcpuMax: null });
      const view = await new Promise<WorkerView>((resolve) => {
        const look = (each: WorkerView) => each.state !== 'starting' && resolve(each);
        provider.onChange(look);
        provider.list().forEach(look);
      });
      assert.equal(view.state, 'ready', view.reason ?? '');
      assert.deepEqual(checked, [model.path, model.data?.[0]?.path], 'each file is fetched before it is loaded');
      const { inputs, outputs } = sample('digits_mlp');
      const ran = await provider.link('w1')?.run(inputs.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] })));
      assertSameTensors(ran?.outputs ?? [], outputs);
      for (const path of [model.path, model.data?.[0]?.path ?? '']) assert.equal(statSync(path).nlink, 1, 'released after the load');
    } finally {
      await provider.close();
    }
    assert.deepEqual(readdirSync(join(state, 'processes')), []);
  });
}

test('a model that has to be rewritten is inspected and served with its data files', async () => {
  const state = mkdtempSync(join(root, 'state-'));
  const provider = new LocalProvider({
    clock: new SystemClock(),
    log: openLogs(null, 'silent').platform,
    stateDirectory: state,
    warmWorkers: 0,
    fetchFile: pathAsAddress,
  });
  await provider.open();
  try {
    const zipMap = fromBinary(ModelProtoSchema, readFileSync(modelPath('iris_rf_zipmap')));
    const weights = create(TensorProtoSchema, { name: 'w', dims: [2n], dataType: TensorProto_DataType.FLOAT });
    setExternal(weights, { location: 'w.data', offset: 0, length: 8 });
    zipMap.graph?.initializer.push(weights);
    zipMap.graph?.node.push(create(NodeProtoSchema, { opType: 'Identity', input: ['w'], output: ['copy of w'] }));
    writeFileSync(join(state, 'aa'), toBinary(ModelProtoSchema, zipMap));
    writeFileSync(join(state, 'bb'), Buffer.alloc(8));
    const data = [{ name: 'w.data', path: join(state, 'bb'), bytes: 8 }];
    const rewritten = join(state, 'rewritten');
    const inspection = await provider.borrow((link) => link.inspect({ path: join(state, 'aa'), data }, rewritten));
    assert.deepEqual([inspection.rewritten, inspection.dataFiles], [true, ['w.data']]);
    const { signature } = await provider.borrow((link) => link.load({ path: rewritten, data, threads: 1 }));
    assert.deepEqual(signature, inspection.signature);
  } finally {
    await provider.close();
  }
});
