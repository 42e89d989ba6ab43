import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { SystemClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { ThreadPool } from '../threads/index.ts';
import { recogniseFile } from './file-model.ts';
import { recogniseFolder } from './folder-model.ts';
import { recogniseModel } from './recognise-model.ts';
import type { PythonImports, RecognisedModel } from './recognised-model.ts';

const folder = join(import.meta.dirname, '../../test/models/python');
const limits = { bytesMax: 64 * 2 ** 20 };

/** What `make.py` found out in Python. */
interface Vector {
  readonly flavour: string;
  readonly imports?: readonly string[] | null;
  readonly holds?: string;
  readonly features?: number;
  readonly columns?: readonly string[];
  readonly objective?: string;
  readonly version?: string;
}

/** A file that hides what it imports. */
interface HostileVector {
  readonly hostile: true;
  /** What Python imports, until it fails or ends. */
  readonly imports: readonly string[];
  /** What must be listed for review. */
  readonly outside: readonly string[];
  /** Part of what else is said of the file, or of the reason why it is rejected. */
  readonly says: string | null;
}

const all = Object.entries(JSON.parse(readFileSync(join(folder, 'vectors.json'), 'utf8')) as Record<string, Vector | HostileVector>);
const vectors = all.flatMap(([name, vector]) => ('hostile' in vector ? [] : [[name, vector] as const]));
const hostile = all.flatMap(([name, vector]) => ('hostile' in vector ? [[name, vector] as const] : []));

async function recognised(name: string): Promise<RecognisedModel> {
  const found = await recogniseFile(join(folder, 'files', name), name, limits);
  assert(found !== null, `${name} is not recognised`);
  return found;
}

describe('files that libraries wrote', () => {
  test('every file has a vector', () => {
    assert.deepEqual(readdirSync(join(folder, 'files')).sort(), all.map(([name]) => name).sort());
  });

  for (const [name, vector] of vectors) {
    test(`${name}: ${vector.flavour}, with the imports that Python makes`, async () => {
      const found = await recognised(name);
      assert.equal(found.flavour, vector.flavour);
      if (vector.imports !== undefined) assert.deepEqual(found.imports?.all ?? null, vector.imports);
      assert.deepEqual(found.imports?.outside ?? [], []);
      if (vector.holds !== undefined) assert(found.notes.includes(`holds ${vector.holds}`), found.notes.join());
      if (vector.features !== undefined) assert.deepEqual(found.inputs?.[0]?.shape, [-1, vector.features]);
      assert.deepEqual(found.columns, vector.columns);
      if (vector.objective !== undefined) assert(found.notes.includes(`objective ${vector.objective}`), found.notes.join());
      if (vector.version !== undefined) assert.deepEqual(Object.values(found.madeWith), [vector.version]);
    });
  }
});

describe('files that hide what they import', () => {
  for (const [name, { imports, outside, says }] of hostile) {
    test(`${name}: ${says ?? (outside.join() || 'nothing but the bytes of an array')}`, async () => {
      const found = await recognised(name).catch((error: unknown) => {
        assert(error instanceof PlatformError && error.code === 'invalid_request', String(error));
        return error.message;
      });
      if (typeof found === 'string') {
        assert(says !== null, `rejected: ${found}`);
        assert(found.includes(says), found);
        return;
      }
      const listed = found.imports as PythonImports;
      if (says === null) for (const path of imports) assert(listed.all.includes(path), `${path} is not listed`);
      for (const path of outside) assert(listed.outside.includes(path), `${path} is not listed for review`);
      if (says === null) assert.deepEqual(listed.outside, outside);
      else
        assert(
          listed.outside.some((text) => text.includes(says)),
          listed.outside.join(),
        );
    });
  }
});

describe('bounds', () => {
  const recognise = (name: string, bytes: Uint8Array, opcodesMax?: number): Promise<RecognisedModel | null> =>
    inFolder({ [name]: bytes }, (path) =>
      recogniseFile(join(path, name), name, { ...limits, ...(opcodesMax === undefined ? {} : { opcodesMax }) }),
    );
  const start = Buffer.from([0x80, 4]);

  test('a pickle that is nested a million deep is read without recursion', async () => {
    const deep = Buffer.concat([start, Buffer.alloc(1_000_000, ']'), Buffer.alloc(999_999, 'a'), Buffer.from('.')]);
    await assert.rejects(recognise('m.pkl', deep), {
      code: 'invalid_request',
      message: /m\.pkl holds a list: expected an object with predict/,
    });
  });

  test('a pickle of too many opcodes is rejected', async () => {
    const many = Buffer.concat([start, Buffer.alloc(1001, 'N'), Buffer.from('.')]);
    await assert.rejects(recognise('m.pkl', many, 1000), { code: 'too_large', message: /more than 1000 opcodes/ });
  });

  test('a pickle that nests or remembers too many values is rejected', async () => {
    const marks = Buffer.concat([start, Buffer.alloc(1_000_001, '('), Buffer.from('.')]);
    await assert.rejects(recognise('m.pkl', marks), { code: 'invalid_request', message: /nests more than/ });
    const memo = Buffer.concat([start, Buffer.from('Nr\xff\xff\xff\x7f.', 'latin1')]);
    await assert.rejects(recognise('m.pkl', memo), { code: 'invalid_request', message: /remembers more than/ });
  });

  test('a packed file that unpacks beyond the limit is rejected', async () => {
    const bomb = deflateSync(Buffer.concat([start, Buffer.from([0x42, 0, 0, 0, 0x7f]), Buffer.alloc(limits.bytesMax)]));
    await assert.rejects(recognise('m.joblib', bomb), { code: 'too_large', message: /exceeds the limit/ });
  });

  // joblib itself never ends with such a file.
  test('a packed file that goes on after its content is rejected', async () => {
    const model = deflateSync(readFileSync(join(folder, 'files/tree.joblib')));
    assert.equal((await recognise('m.joblib', model))?.flavour, 'sklearn');
    const two = Buffer.concat([model, deflateSync(Buffer.from('cos\nsystem\n.'))]);
    await assert.rejects(recognise('m.joblib', two), { code: 'invalid_request', message: /got 20 bytes after its compressed content/ });
    const far = Buffer.concat([model, Buffer.alloc(2 ** 20)]);
    await assert.rejects(recognise('m.joblib', far), { code: 'invalid_request', message: /1048576 bytes after its compressed content/ });
  });

  test('packings that are not read are rejected with what to do', async () => {
    for (const first of ['BZh91AY', '\xfd7zXZ\0', '\x5d\0\0\x80\0', '\x04\x22\x4d\x18', 'ZF0x']) {
      await assert.rejects(recognise('m.joblib', Buffer.from(first.padEnd(20), 'latin1')), {
        code: 'unsupported',
        message: /Save it again with joblib\.dump\(model, path, compress=3\)/,
      });
    }
  });

  test('JSON that is malformed where it is read is rejected', async () => {
    for (const text of [
      '{"learner": {"a\u0001b": 1}}',
      '{"learner": {"feature_names": [1,]}}',
      '{"learner": {}} {}',
      '{"learner": {"a" 1}}',
      '{"learner": {"a": }}',
      '{"learner": [], "version": [1]}',
      '{"learner": {"objective": [], "learner_model_param": {"num_feature": "1"}}}',
      `{"learner": {"a": ${'['.repeat(2000)}`,
      '{"learner": {"learner_model_param": {"num_feature": "many"}}}',
    ]) {
      await assert.rejects(recognise('m.json', Buffer.from(text)), { code: 'invalid_request', message: /is damaged/ }, text.slice(0, 80));
    }
    assert.equal(await recognise('m.json', Buffer.from('{"learner": "a", "version": [1]}')), null);
  });

  test('names that a file makes up are shown without control characters', async () => {
    const odd = Buffer.concat([start, Buffer.from('c\u001b[2Jos\nsys\u202etem\n)R.')]);
    assert.deepEqual((await recognise('m.pkl', odd))?.imports?.outside, ['\\u{1b}[2Jos.sys\\u{202e}tem']);
    const changed = Buffer.concat([start, Buffer.from('cos\nsys\u0007tem\n}b0N.')]);
    assert((await recognise('m.pkl', changed))?.imports?.outside.includes('(the file changes os.sys\\u{7}tem)'));
  });
});

async function inFolder<Result>(
  files: Readonly<Record<string, string | Uint8Array>>,
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const path = await mkdtemp(join(tmpdir(), 'penstock-python-files-'));
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
    return await use(path);
  } finally {
    await rm(path, { recursive: true });
  }
}

describe('in a thread', () => {
  const use = async (path: string, name?: string): Promise<RecognisedModel | null> => {
    const threads = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
    try {
      return await recogniseModel(path, { limits, threads, ...(name === undefined ? {} : { name }) });
    } finally {
      await threads.close();
    }
  };

  test('recognises files and folders; a file of another name by the name that it was uploaded with', async () => {
    assert.equal((await use(join(folder, 'files/forest-5.joblib')))?.flavour, 'sklearn');
    assert.equal(await use(folder), null);
    await inFolder({ abc123: 'def predict(x): ...' }, async (path) => {
      assert.equal(await use(join(path, 'abc123')), null);
      assert.equal((await use(join(path, 'abc123'), 'model.py'))?.flavour, 'code');
    });
  });

  test('rejects with the reason', async () => {
    await inFolder({ 'm.pkl': Buffer.from([0x80, 4, 0x4b]) }, async (path) => {
      await assert.rejects(use(join(path, 'm.pkl')), { code: 'invalid_request', message: /the pickle is damaged: it is cut off/ });
    });
  });
});

describe('a folder', () => {
  const forest = readFileSync(join(folder, 'files/forest-5.joblib'));
  const recognise = (files: Readonly<Record<string, string | Uint8Array>>): Promise<RecognisedModel | null> =>
    inFolder(files, (path) => recogniseFolder(path, limits));

  test('with model.py is code, whatever else is in it', async () => {
    const source =
      'import joblib\n\ndef load(folder):\n    return joblib.load(folder / "m.joblib")\n\ndef predict(model, x: "float32[n,4]"):\n    return model.predict(x)\n';
    const found = await recognise({ 'model.py': source, 'm.joblib': forest, 'requirements.txt': 'joblib\n' });
    assert.deepEqual(
      [found?.flavour, found?.entry, found?.requirements, found?.libraries],
      ['code', 'model.py', 'requirements.txt', ['joblib']],
    );
  });

  test('with one model file is that model', async () => {
    const found = await recognise({ 'churn.joblib': forest, 'README.md': 'a model' });
    assert.deepEqual([found?.flavour, found?.entry], ['sklearn', 'churn.joblib']);
  });

  test('with two model files is rejected, naming them', async () => {
    await assert.rejects(recognise({ 'a.joblib': forest, 'b.joblib': forest }), {
      code: 'invalid_request',
      message: /a\.joblib, b\.joblib/,
    });
  });

  test('without a model, or with an ONNX file, is none', async () => {
    assert.equal(await recognise({ 'README.md': 'none' }), null);
    assert.equal(await recognise({ 'm.onnx': 'x', 'model.py': 'def predict(x): pass' }), null);
  });
});

describe('a Python file', () => {
  const recognise = (text: string): Promise<RecognisedModel | null> =>
    inFolder({ 'model.py': text }, (path) => recogniseFile(join(path, 'model.py'), 'model.py', limits));

  for (const { when, text } of [
    { when: 'a function', text: 'def predict(x): return x' },
    { when: 'an async function', text: 'async def predict(x):\n  return x' },
    { when: 'a class', text: 'class Model:\n  def predict(self, x): ...' },
    { when: 'an imported function', text: 'from other import (load,\n  run as predict,\n)' },
    { when: 'an assigned function', text: 'predict = print' },
    { when: 'a function after a text with brackets', text: 's = """(\n[ def x" \\""" """\n\ndef predict(x): ...' },
    { when: 'a function after a comment with quotes', text: "# don't\r\ndef predict(x): ..." },
  ]) {
    test(`with ${when} is code`, async () => assert.equal((await recognise(text))?.flavour, 'code'));
  }

  for (const { when, text, message } of [
    { when: 'neither', text: 'x = 1', message: /neither a function predict nor a class Model/ },
    { when: 'an indented function', text: 'if True:\n  def predict(x): ...', message: /neither/ },
    { when: 'a function in a text', text: 's = """\ndef predict(x): ...\n"""', message: /neither/ },
    { when: 'both', text: 'def predict(x): ...\n\nclass Model: ...', message: /predict \(line 1\) and a class Model \(line 3\)/ },
  ]) {
    test(`with ${when} is rejected`, async () => assert.rejects(recognise(text), { code: 'invalid_request', message }));
  }
});
