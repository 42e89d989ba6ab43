import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { gunzipSync as gunzipOf, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { openRegistryFixture, type RegistryFixture, type TarItem, tarGz } from '../../../../test/aws-registry-fixture.ts';
import { readTar } from '../../../tar/index.ts';
import { AwsError } from '../../service.ts';
import { readSamplePayload } from './sample-payload.ts';

let fixture: RegistryFixture;
before(async () => {
  fixture = await openRegistryFixture();
});
after(() => fixture.close());

let count = 0;

/** The registered artifact of a new Model with this container. */
async function registeredFrom(container: object): Promise<string> {
  const ModelName = `m${count++}`;
  await fixture.call('CreateModel', { ModelName, PrimaryContainer: { Image: 'penstock/onnx', ...container } });
  const { group, version } = (await fixture.services.models.findModel(ModelName)) ?? assert.fail();
  return readFile((await fixture.registry.verifiedModelFiles(await fixture.registry.version(group, version))).path, 'utf8');
}

async function registeredFromObject(bytes: Uint8Array | string): Promise<string> {
  return registeredFrom({ ModelDataUrl: await fixture.put(`object-${count}`, bytes) });
}

function refusal(message: RegExp) {
  return (error: unknown) => {
    assert(error instanceof AwsError, String(error));
    assert.equal(error.code, 'ValidationException');
    assert.match(error.message, message);
    return true;
  };
}

describe('the model data of a container', () => {
  test('is an .onnx object, stored unchanged', async () => {
    assert.equal(await registeredFromObject('onnx bytes'), 'onnx bytes');
  });

  for (const path of ['model.onnx', './model.onnx', 'a/b/Model.ONNX']) {
    test(`is the only .onnx file of an archive, ${path}, next to other files`, async () => {
      const archive = tarGz([
        { path: 'code/', type: '5' },
        { path: 'code/inference.py', text: 'import this' },
        { path: './._model.onnx', text: 'what macOS writes' },
        { path, text: 'x'.repeat(3000) },
        { path: 'after.txt', text: 'more' },
      ]);
      assert.equal(await registeredFromObject(archive), 'x'.repeat(3000));
    });
  }

  test('is never what clients sent, alone or in a folder: a registered copy could be read by others', async () => {
    const input = { headers: { origin: 'input' } } as const;
    await fixture.store.put('models', 'sent/alone.onnx', Buffer.from('onnx bytes'), input);
    await fixture.store.put('models', 'beside/rows.csv', Buffer.from('1,2'), input);
    await fixture.put('beside/model.onnx', 'needs rows.csv');
    const folder = { S3DataSource: { S3Uri: 's3://models/beside/', S3DataType: 'S3Prefix', CompressionType: 'None' } };
    await assert.rejects(registeredFrom({ ModelDataUrl: 's3://models/sent/alone.onnx' }), refusal(/holds requests of clients/));
    await assert.rejects(registeredFrom({ ModelDataSource: folder }), refusal(/rows\.csv holds requests of clients/));
    const sample = readSamplePayload(fixture.store, 's3://models/beside/rows.csv');
    await assert.rejects(sample, { code: 'forbidden', message: /holds requests of clients/ });
  });

  test('is read through ModelDataSource: an object, or the only .onnx file of a folder', async () => {
    await fixture.put('folder/readme.txt', 'read me');
    await fixture.put('folder/deep/m.onnx', 'in a folder');
    const packed = await fixture.put('packed.tar.gz', tarGz([{ path: 'm.onnx', text: 'packed' }]));
    const source = (S3Uri: string, S3DataType: string, CompressionType: string) => ({
      ModelDataSource: { S3DataSource: { S3Uri, S3DataType, CompressionType } },
    });
    assert.equal(await registeredFrom(source('s3://models/folder/', 'S3Prefix', 'None')), 'in a folder');
    assert.equal(await registeredFrom(source(packed, 'S3Object', 'Gzip')), 'packed');
    await fixture.put('folder/second.onnx', 'another');
    await assert.rejects(
      registeredFrom(source('s3://models/folder/', 'S3Prefix', 'None')),
      refusal(/got 2: .*deep\/m\.onnx.*second\.onnx/),
    );
    await assert.rejects(
      registeredFrom(source('s3://models/none/', 'S3Prefix', 'None')),
      refusal(/^Could not find model data at s3:\/\/models\/none\/\.$/),
    );
    await assert.rejects(
      registeredFrom(source('s3://models/folder/', 'S3Prefix', 'Gzip')),
      refusal(/S3Prefix requires CompressionType None/),
    );
  });

  test('is read from https URLs of S3 objects', async () => {
    await fixture.put('a b.onnx', 'spaced');
    assert.equal(await registeredFrom({ ModelDataUrl: 'https://models.s3.us-east-1.amazonaws.com/a%20b.onnx' }), 'spaced');
    assert.equal(await registeredFrom({ ModelDataUrl: 'https://s3.us-east-1.amazonaws.com/models/a%20b.onnx' }), 'spaced');
  });

  test('can be a version that was registered through another API', async () => {
    await fixture.registry.register({ group: 'native', source: Buffer.from('native bytes'), sourceName: 'm.onnx', who: 'me' });
    assert.equal(await registeredFrom({ ModelDataUrl: 's3://penstock-models/native/1/model.onnx' }), 'native bytes');
    await assert.rejects(
      registeredFrom({ ModelDataUrl: 's3://penstock-models/native/2/model.onnx' }),
      refusal(/^Could not find model data at/),
    );
  });

  test('has its data files from an archive, from the folder of the model, or from a registered version', async () => {
    const weights = 'the weights';
    const filesFrom = async (container: object): Promise<string[]> => {
      const ModelName = `m${count++}`;
      await fixture.call('CreateModel', { ModelName, PrimaryContainer: { Image: 'penstock/onnx', ...container } });
      const { group, version } = (await fixture.services.models.findModel(ModelName)) ?? assert.fail();
      const { path, data = [] } = await fixture.registry.verifiedModelFiles(await fixture.registry.version(group, version));
      return Promise.all([path, ...data.map((file) => file.path)].map((file) => readFile(file, 'utf8')));
    };
    const archive = tarGz([
      { path: 'a/weights/w', text: weights },
      { path: 'a/large.onnx', text: 'needs weights/w' },
      { path: 'config.json', text: '{}' },
    ]);
    const expected = ['needs weights/w', weights];
    assert.deepEqual(await filesFrom({ ModelDataUrl: await fixture.put('large.tar.gz', archive) }), expected);
    await fixture.put('large-tree/b/large.onnx', 'needs weights/w');
    await fixture.put('large-tree/b/weights/w', weights);
    await fixture.put('large-tree/other/weights.bin', 'x'.repeat(100));
    const S3DataSource = { S3Uri: 's3://models/large-tree/', S3DataType: 'S3Prefix', CompressionType: 'None' };
    assert.deepEqual(await filesFrom({ ModelDataSource: { S3DataSource } }), expected);
    await fixture.registry.register({ group: 'with-data', source: archive, sourceName: 'large.tar.gz', who: 'me' });
    assert.deepEqual(await filesFrom({ ModelDataUrl: 's3://penstock-models/with-data/1/model.onnx' }), expected);
    await assert.rejects(
      filesFrom({ ModelDataUrl: await fixture.put('alone.onnx', 'needs weights/w') }),
      (error) => error instanceof AwsError && /weights\/w is missing/.test(error.message),
    );
  });

  test('is reported with its full URL if it does not exist', async () => {
    const none = refusal(/^Could not find model data at s3:\/\/models\/none\.onnx\.$/);
    await assert.rejects(registeredFrom({ ModelDataUrl: 's3://models/none.onnx' }), none);
    await assert.rejects(
      registeredFrom({ ModelDataUrl: 's3://nobucket/none.onnx' }),
      refusal(/Could not find model data at s3:\/\/nobucket/),
    );
    await assert.rejects(registeredFrom({ ModelDataUrl: 'https://example.com/m.onnx' }), refusal(/expected s3:\/\/BUCKET\/KEY/));
    await assert.rejects(registeredFrom({}), refusal(/set ModelDataUrl/));
  });
});

describe('scripts that were uploaded apart from the model', () => {
  const model = tarGz([
    { path: 'm.onnx', text: 'model' },
    { path: 'code/own.py', text: 'pass' },
  ]);
  const registeredWith = async (key: string, scripts: Uint8Array | null): Promise<string> => {
    const SAGEMAKER_SUBMIT_DIRECTORY = scripts === null ? `s3://models/${key}` : await fixture.put(key, scripts);
    return registeredFrom({ ModelDataUrl: await fixture.put('with-code.tar.gz', model), Environment: { SAGEMAKER_SUBMIT_DIRECTORY } });
  };

  test('become the folder code/ of the archive', async () => {
    assert.equal(await registeredWith('sourcedir.tar.gz', tarGz([{ path: './serve.py', text: 'pass' }])), 'model');
  });

  for (const [what, scripts, message] of [
    ['are missing', null, /^Could not find model data at s3:\/\/models\/are missing/],
    ['are no archive', Buffer.from('import this'), /are no archive cannot be used: expected a \.tar\.gz archive/],
    ['lead out of code/', tarGz([{ path: '../serve.py', text: '' }]), /points outside of the archive/],
    [
      'are in the archive of the model, too',
      tarGz([{ path: 'own.py', text: '' }]),
      /code\/own\.py is in it and in s3:.*: remove one of them/,
    ],
  ] as const) {
    test(`are rejected if they ${what}`, async () => {
      await assert.rejects(registeredWith(what, scripts), refusal(message));
    });
  }
});

describe('rejects an archive that', () => {
  const model: TarItem = { path: 'm.onnx', text: 'model' };
  const whole = tarGz([model]);
  for (const [what, archive, message] of [
    [
      'points outside of itself',
      tarGz([model, { path: '../../etc/passwd', text: 'x' }]),
      /'\.\.\/\.\.\/etc\/passwd' in the archive points outside/,
    ],
    ['points outside of itself from a subfolder', tarGz([{ path: 'a/../../m.onnx', text: 'x' }]), /points outside of the archive/],
    ['has an absolute path', tarGz([{ path: '/m.onnx', text: 'x' }]), /'\/m\.onnx' in the archive is an absolute path/],
    ['has a symbolic link', tarGz([model, { path: 'l', type: '2', link: '/etc/passwd' }]), /'l' in the archive is a link/],
    ['has a hard link', tarGz([model, { path: 'l', type: '1', link: 'm.onnx' }]), /'l' in the archive is a link/],
    ['has a device', tarGz([model, { path: 'd', type: '3' }]), /'d' in the archive is neither a file, a folder nor a link/],
    ['has a named pipe', tarGz([model, { path: 'p', type: '6' }]), /'p' in the archive is neither a file, a folder nor a link/],
    ['has no model', tarGz([{ path: 'model.pkl', text: 'x' }]), /exactly one \.onnx file at any depth, or a Python model, got neither/],
    ['is empty', tarGz([]), /got neither/],
    ['has two models', tarGz([model, { path: 'b/other.onnx', text: 'y' }]), /exactly one \.onnx file, got 2: m\.onnx, b\/other\.onnx/],
    ['is truncated', whole.subarray(0, whole.length - 12), /is truncated/],
    ['is damaged', Buffer.concat([whole.subarray(0, 20), Buffer.alloc(30, 0xff), whole.subarray(50)]), /is damaged/],
    ['is not a tar', gzipSync('just text, which is not an archive'.repeat(40)), /not a tar archive/],
    ['ends within a file', gzipSync(Buffer.from(tarOfOne()).subarray(0, 700)), /damaged|in the middle/],
    ['is a zip bomb', tarGz([model, { path: 'zeros', text: '\0'.repeat(2_000_000) }]), /at most 1000000 bytes/],
    ['has too many entries', tarGz(Array.from({ length: 10_001 }, (_, i) => ({ path: `${i}`, type: '5' }))), /unpacked|at most 10000/],
  ] as const) {
    test(what, async () => {
      await assert.rejects(registeredFromObject(archive), refusal(message));
      await assert.rejects(registeredFromObject(archive), refusal(/^Model data at s3:\/\/models\/object-\d+ cannot be used: .*[^.]\.$/s));
    });
  }

  test("is corrupted at random, as the caller's error and without leaving a file", async () => {
    const before = await fixture.db.selectFrom('model_versions').select('version').execute();
    const damage = fc.tuple(fc.nat({ max: 2000 }), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 8 }), async (damages) => {
        const bytes = Buffer.from(tarOfOne());
        for (const [at, byte] of damages) bytes[at % bytes.length] = byte;
        await registeredFromObject(gzipSync(bytes)).catch((error) => refusal(/./)(error));
      }),
      { numRuns: 60 },
    );
    assert((await fixture.db.selectFrom('model_versions').select('version').execute()).length >= before.length);
  });
});

function tarOfOne(): Buffer {
  return gunzipOf(tarGz([{ path: 'm.onnx', text: 'x'.repeat(600) }]));
}

describe('a process', () => {
  test('gets an archive unchanged, a folder as an archive, or an empty one', async () => {
    const archive = tarGz([{ path: 'code/serve.py', text: 'serve' }]);
    const filesOf = async (container: object): Promise<string[]> => {
      const ModelName = `p${count++}`;
      await fixture.call('CreateModel', {
        ModelName,
        PrimaryContainer: { Image: 'python-server:1', Environment: { A: 'b' }, ...container },
      });
      const { group, version, image } = (await fixture.services.models.findModel(ModelName)) ?? assert.fail();
      assert.equal(image, 'python-server:1');
      const registered = await fixture.registry.version(group, version);
      assert.deepEqual(registered.runtime, {
        kind: 'process',
        image,
        command: ['python3', 'serve.py'],
        environment: { A: 'b' },
        concurrency: 1,
        access: { isIsolated: true, paths: [] },
      });
      const bytes = await readFile((await fixture.registry.verifiedModelFiles(registered)).path);
      const paths: string[] = [];
      for await (const { path } of readTar(chunks(bytes[0] === 0x1f ? gunzipOf(bytes) : bytes))) paths.push(path);
      return paths;
    };
    assert.deepEqual(await filesOf({ ModelDataUrl: await fixture.put('p.tar.gz', archive) }), ['code/serve.py']);
    await fixture.put('tree/code/serve.py', 'serve');
    await fixture.put('tree/weights.bin', 'w');
    const S3DataSource = { S3Uri: 's3://models/tree/', S3DataType: 'S3Prefix', CompressionType: 'None' };
    assert.deepEqual(await filesOf({ ModelDataSource: { S3DataSource } }), ['code/serve.py', 'weights.bin']);
    assert.deepEqual(await filesOf({}), []);
  });

  test('is not started for an unknown image, and the error names the images table', async () => {
    const unknownImage = { code: 'invalid_request', message: /'my-own:1' is not in the images table/ };
    await assert.rejects(registeredFrom({ Image: 'my-own:1', ModelDataUrl: 's3://models/x' }), unknownImage);
    assert.equal(
      await registeredFrom({
        Image: '763104351884.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:23.10-py3',
        ModelDataUrl: await fixture.put('t.onnx', 'triton'),
      }),
      'triton',
    );
  });
});

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
