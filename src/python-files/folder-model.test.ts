import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { zipOf } from '../../test/models/zip.ts';
import { recogniseFile } from './file-model.ts';
import { recogniseFolder } from './folder-model.ts';
import { recognitionTask } from './recognise-model.ts';
import type { RecognisedModel } from './recognised-model.ts';

const vectors = join(import.meta.dirname, '../../test/models/python');
const limits = { bytesMax: 64 * 2 ** 20 };
const vector = (name: string): Buffer => readFileSync(join(vectors, name));
const forest = vector('files/forest-5.joblib');
const boosted = vector('files/xgboost.json');

type Files = Readonly<Record<string, string | Uint8Array>>;

async function inFolder<Result>(files: Files, use: (path: string) => Promise<Result>): Promise<Result> {
  const path = await mkdtemp(join(tmpdir(), 'penstock-python-files-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), content);
    }
    return await use(path);
  } finally {
    await rm(path, { recursive: true });
  }
}

const recognise = (files: Files): Promise<RecognisedModel | null> => inFolder(files, (path) => recogniseFolder(path, limits));
const settings = (implementation: string, uri?: string): string => JSON.stringify({ name: 'm', implementation, parameters: { uri } });

describe('a folder of MLflow', () => {
  test('with columns of one type has one input, its columns, and the libraries of its loader', async () => {
    const found = await inFolder({}, () => recogniseFolder(join(vectors, 'mlflow/columns'), limits));
    assert.deepEqual(found?.inputs, [{ name: 'x', datatype: 'FP64', shape: [-1, 4] }]);
    assert.deepEqual(found.columns, ['sepal length (cm)', 'sepal width (cm)', 'petal length (cm)', 'petal width (cm)']);
    assert.deepEqual(
      [found.flavour, found.entry, found.form, found.requirements, found.libraries, found.imports],
      ['mlflow', '', 'tensors', 'requirements.txt', ['mlflow', 'scikit-learn'], null],
    );
    assert.equal(found.madeWith['scikit-learn'], '1.9.1');
  });

  test('with own code has an input for each column of mixed types, and lists what its pickle imports', async () => {
    const found = await recogniseFolder(join(vectors, 'mlflow/own'), limits);
    assert.deepEqual(found?.inputs, [
      { name: 'a', datatype: 'FP64', shape: [-1] },
      { name: 'b', datatype: 'BYTES', shape: [-1] },
    ]);
    assert(found.imports?.outside.some((name) => name.startsWith('cloudpickle.')));
    assert.deepEqual(found.notes, ['loads with mlflow.pyfunc.model', 'made with mlflow 3.17.2']);
  });

  test('in a folder of an archive is found there', async () => {
    const found = await recognise({ 'model/MLmodel': vector('mlflow/columns/MLmodel'), 'model/requirements.txt': 'mlflow\n' });
    assert.deepEqual([found?.entry, found?.requirements], ['model', 'model/requirements.txt']);
  });
});

describe('a folder with a known layout', () => {
  for (const { when, files, flavour, entry, form = 'tensors' } of [
    {
      when: 'the usual name among others',
      files: { 'model.joblib': forest, 'old.pkl': forest },
      flavour: 'sklearn',
      entry: 'model.joblib',
    },
    {
      when: 'a model and a pickle that is none',
      files: { 'm.joblib': forest, 'labels.pkl': Buffer.from('80047d2e', 'hex') },
      flavour: 'sklearn',
      entry: 'm.joblib',
    },
    {
      when: 'settings of MLServer with a uri',
      files: { 'model-settings.json': settings('mlserver_sklearn.SKLearnModel', './a/rf.bin'), 'a/rf.bin': forest },
      flavour: 'sklearn',
      entry: 'a/rf.bin',
    },
    {
      when: 'settings of MLServer without',
      files: { 'model-settings.json': settings('mlserver_xgboost.XGBoostModel'), 'model.json': boosted },
      flavour: 'xgboost',
      entry: 'model.json',
    },
    { when: 'a SavedModel', files: { '1/saved_model.pb': 'x', '1/variables/variables.index': 'x' }, flavour: 'tensorflow', entry: '1' },
    {
      when: 'a script in code/',
      files: { 'code/inference.py': 'def model_fn(model_dir): ...', 'model.joblib': forest },
      flavour: 'script-mode',
      entry: 'code/inference.py',
      form: null,
    },
    {
      when: 'a script only',
      files: { 'code/inference.py': 'def transform_fn(a, b, c, d): ...' },
      flavour: 'script-mode',
      entry: 'code/inference.py',
      form: 'bytes',
    },
  ]) {
    test(`${when}: ${flavour}`, async () => {
      const found = await recognise(files);
      assert.deepEqual([found?.flavour, found?.entry, found?.form], [flavour, entry, form]);
    });
  }

  test('with a script of another name, as SAGEMAKER_PROGRAM names it', async () => {
    const files = { 'model.joblib': forest, 'code/serve.py': 'from handlers import model_fn', 'code/inference.py': 'def model_fn(a): ...' };
    const named = (script: string): Promise<RecognisedModel | null> => inFolder(files, (path) => recogniseFolder(path, limits, script));
    assert.equal((await named('serve.py'))?.entry, 'code/serve.py');
    await assert.rejects(named('train.py'), /SAGEMAKER_PROGRAM names 'train\.py', which is neither in code\/ nor at the top/);
  });

  test('with a file xgboost-model takes the bodies of SageMaker, also where that is a pickle', async () => {
    for (const [content, imports] of [
      [boosted, false],
      [vector('files/forest-5.pkl'), true],
    ] as const) {
      const found = await inFolder({ 'xgboost-model': content }, (path) =>
        recognitionTask.run({ path, name: 'model', script: null, limits }),
      );
      assert.deepEqual([found?.flavour, found?.form, found?.inputs, found?.entry], ['xgboost', 'bytes', undefined, 'xgboost-model']);
      assert.equal((found?.imports ?? null) !== null, imports);
    }
  });

  for (const { when, files, code = 'unsupported', message } of [
    {
      when: "Triton's Python backend",
      files: { 'config.pbtxt': 'backend: "python"', '1/model.py': 'class TritonPythonModel: ...' },
      message: /Triton's Python backend .* write a model\.py/,
    },
    {
      when: 'an own runtime of MLServer',
      files: { 'model-settings.json': settings('models.MyModel') },
      message: /'models\.MyModel', which is not supported: .* write a model\.py/,
    },
    {
      when: 'settings that lead out of the folder',
      files: { 'model-settings.json': settings('mlserver_sklearn.SKLearnModel', '../x') },
      code: 'invalid_request',
      message: /inside of its folder/,
    },
    {
      when: 'settings that name another library',
      files: { 'model-settings.json': settings('mlserver_sklearn.SKLearnModel'), 'model.json': boosted },
      code: 'invalid_request',
      message: /of sklearn, but the folder has a model of xgboost/,
    },
    {
      when: 'transform_fn and input_fn',
      files: { 'inference.py': 'def transform_fn(): ...\ndef input_fn(): ...' },
      code: 'invalid_request',
      message: /transform_fn and input_fn/,
    },
    {
      when: 'only weights',
      files: { 'model.safetensors': Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"x":1}')]) },
      message: /weights without a model. Put a model\.py/,
    },
  ]) {
    test(`${when} is rejected with what to do`, async () => {
      await assert.rejects(recognise(files), { code, message });
    });
  }
});

describe('an archive that is a model file', () => {
  const zip = (...paths: readonly string[]): Buffer => zipOf(paths.map((path) => ({ path, bytes: Buffer.from('x') })));
  const recogniseZip = (bytes: Buffer, name = 'net.pt'): Promise<RecognisedModel | null> =>
    inFolder({ [name]: bytes }, (path) => recogniseFile(join(path, name), name, limits));

  for (const { paths, flavour } of [
    { paths: ['net/data.pkl', 'net/code/__torch__.py', 'net/constants.pkl', 'net/version'], flavour: 'torchscript' },
    { paths: ['net/archive_format', 'net/models/model.json', 'net/data/weights/w'], flavour: 'torch-export' },
    { paths: ['serialized_exported_program.json', 'serialized_state_dict.pt', 'version'], flavour: 'torch-export' },
    { paths: ['config.json', 'metadata.json', 'model.weights.h5'], flavour: 'keras' },
  ]) {
    test(`with ${paths[0]}: ${flavour}`, async () => assert.equal((await recogniseZip(zip(...paths)))?.flavour, flavour));
  }

  test('with other files is passed on', async () => assert.equal(await recogniseZip(zip('model.onnx', 'weights.bin')), null));

  for (const { when, paths, message } of [
    { when: 'weights of PyTorch', paths: ['net/data.pkl', 'net/data/0', 'net/version'], message: /torch\.save\(\).*model\.py/ },
    { when: 'an archive of TorchServe', paths: ['MAR-INF/MANIFEST.json', 'handler.py'], message: /\.mar.*model\.py/ },
    { when: 'arrays', paths: ['a.npy', 'b.npy'], message: /NumPy archive/ },
  ]) {
    test(`${when} is rejected with what to do`, async () => {
      await assert.rejects(recogniseZip(zip(...paths)), { code: 'unsupported', message });
    });
  }

  test('with a name twice is rejected, because readers disagree about which one counts', async () => {
    await assert.rejects(recogniseZip(zip('schema.json', 'schema.json')), { code: 'invalid_request', message: /twice/ });
  });
});
