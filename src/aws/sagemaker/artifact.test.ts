import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { gunzipSync as gunzipOf, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { openRegistryHouse, type RegistryHouse, type TarItem, tarGz } from '../../../test/aws-registry-house.ts';
import { readTar } from '../../tar/index.ts';
import { AwsError } from '../service.ts';

let house: RegistryHouse;
before(async () => {
  house = await openRegistryHouse();
});
after(() => house.close());

let count = 0;

/** What the registry has of a Model whose data is there. */
async function served(container: object): Promise<string> {
  const ModelName = `m${count++}`;
  await house.ask('CreateModel', { ModelName, PrimaryContainer: { Image: 'penstock/onnx', ...container } });
  const { group, version } = (await house.side.models.findModel(ModelName)) ?? assert.fail();
  return readFile(house.registry.artifactPath(await house.registry.version(group, version)), 'utf8');
}

async function servedFrom(bytes: Uint8Array | string): Promise<string> {
  return served({ ModelDataUrl: await house.put(`object-${count}`, bytes) });
}

function refusal(message: RegExp) {
  return (error: unknown) => {
    assert(error instanceof AwsError, String(error));
    assert.equal(error.code, 'ValidationException');
    assert.match(error.message, message);
    return true;
  };
}

describe('the model of a container', () => {
  test('is an .onnx object as it is', async () => {
    assert.equal(await servedFrom('onnx bytes'), 'onnx bytes');
  });

  for (const path of ['model.onnx', './model.onnx', 'a/b/Model.ONNX']) {
    test(`is the one .onnx file of an archive, ${path}, whatever else is there`, async () => {
      const archive = tarGz([
        { path: 'code/', type: '5' },
        { path: 'code/inference.py', text: 'import this' },
        { path: './._model.onnx', text: 'what macOS writes' },
        { path, text: 'x'.repeat(3000) },
        { path: 'after.txt', text: 'more' },
      ]);
      assert.equal(await servedFrom(archive), 'x'.repeat(3000));
    });
  }

  test('is found through ModelDataSource too: an object, or the one .onnx file of a folder', async () => {
    await house.put('folder/readme.txt', 'read me');
    await house.put('folder/deep/m.onnx', 'in a folder');
    const packed = await house.put('packed.tar.gz', tarGz([{ path: 'm.onnx', text: 'packed' }]));
    const source = (S3Uri: string, S3DataType: string, CompressionType: string) => ({
      ModelDataSource: { S3DataSource: { S3Uri, S3DataType, CompressionType } },
    });
    assert.equal(await served(source('s3://models/folder/', 'S3Prefix', 'None')), 'in a folder');
    assert.equal(await served(source(packed, 'S3Object', 'Gzip')), 'packed');
    await house.put('folder/second.onnx', 'another');
    await assert.rejects(served(source('s3://models/folder/', 'S3Prefix', 'None')), refusal(/2 \.onnx files.*deep\/m\.onnx.*second\.onnx/));
    await assert.rejects(
      served(source('s3://models/none/', 'S3Prefix', 'None')),
      refusal(/^Could not find model data at s3:\/\/models\/none\/\.$/),
    );
    await assert.rejects(served(source('s3://models/folder/', 'S3Prefix', 'Gzip')), refusal(/S3Prefix goes with CompressionType None/));
  });

  test('is found by the URLs that AWS gives its objects', async () => {
    await house.put('a b.onnx', 'spaced');
    assert.equal(await served({ ModelDataUrl: 'https://models.s3.us-east-1.amazonaws.com/a%20b.onnx' }), 'spaced');
    assert.equal(await served({ ModelDataUrl: 'https://s3.us-east-1.amazonaws.com/models/a%20b.onnx' }), 'spaced');
  });

  test('may be that of a version which was registered by another door', async () => {
    await house.registry.register({ group: 'native', source: Buffer.from('native bytes'), sourceName: 'm.onnx', who: 'me' });
    assert.equal(await served({ ModelDataUrl: 's3://penstock-models/native/1/model.onnx' }), 'native bytes');
    await assert.rejects(served({ ModelDataUrl: 's3://penstock-models/native/2/model.onnx' }), refusal(/^Could not find model data at/));
  });

  test('is missed by its whole address', async () => {
    const none = refusal(/^Could not find model data at s3:\/\/models\/none\.onnx\.$/);
    await assert.rejects(served({ ModelDataUrl: 's3://models/none.onnx' }), none);
    await assert.rejects(served({ ModelDataUrl: 's3://nobucket/none.onnx' }), refusal(/Could not find model data at s3:\/\/nobucket/));
    await assert.rejects(served({ ModelDataUrl: 'https://example.com/m.onnx' }), refusal(/expected s3:\/\/BUCKET\/KEY/));
    await assert.rejects(served({}), refusal(/name it by ModelDataUrl/));
  });
});

describe('an archive is refused that', () => {
  const model: TarItem = { path: 'm.onnx', text: 'model' };
  const whole = tarGz([model]);
  for (const [what, archive, message] of [
    [
      'leads out of its folder',
      tarGz([model, { path: '../../etc/passwd', text: 'x' }]),
      /'\.\.\/\.\.\/etc\/passwd' in the archive leads out/,
    ],
    ['leads out further down', tarGz([{ path: 'a/../../m.onnx', text: 'x' }]), /leads out of its folder/],
    ['has an absolute path', tarGz([{ path: '/m.onnx', text: 'x' }]), /'\/m\.onnx' in the archive is an absolute path/],
    ['has a symbolic link', tarGz([model, { path: 'l', type: '2', link: '/etc/passwd' }]), /'l' in the archive is a link/],
    ['has a hard link', tarGz([model, { path: 'l', type: '1', link: 'm.onnx' }]), /'l' in the archive is a link/],
    ['has a device', tarGz([model, { path: 'd', type: '3' }]), /'d' in the archive is neither file, folder nor link/],
    ['has a pipe', tarGz([model, { path: 'p', type: '6' }]), /'p' in the archive is neither file, folder nor link/],
    ['has no model', tarGz([{ path: 'model.pkl', text: 'x' }]), /no \.onnx file: exactly one is expected/],
    ['is empty', tarGz([]), /no \.onnx file/],
    [
      'has two models',
      tarGz([model, { path: 'b/other.onnx', text: 'y' }]),
      /2 \.onnx files, exactly one is expected: m\.onnx, b\/other\.onnx/,
    ],
    ['is cut off', whole.subarray(0, whole.length - 12), /cut off before its end/],
    ['is damaged', Buffer.concat([whole.subarray(0, 20), Buffer.alloc(30, 0xff), whole.subarray(50)]), /is damaged/],
    ['is no tar', gzipSync('just text, which is no archive at all'.repeat(40)), /no tar archive/],
    ['is a tar that ends within a file', gzipSync(Buffer.from(tarOfOne()).subarray(0, 700)), /damaged|in the middle/],
    ['is a bomb', tarGz([model, { path: 'zeros', text: '\0'.repeat(2_000_000) }]), /more than 1000000 bytes once unpacked/],
    [
      'has too many entries',
      tarGz(Array.from({ length: 10_001 }, (_, i) => ({ path: `${i}`, type: '5' }))),
      /unpacked|more than 10000 entries/,
    ],
  ] as const) {
    test(what, async () => {
      await assert.rejects(servedFrom(archive), refusal(message));
      await assert.rejects(servedFrom(archive), refusal(/^Model data at s3:\/\/models\/object-\d+ cannot be used: .*[^.]\.$/s));
    });
  }

  test("is hostile in whatever way: it is refused as the caller's fault and leaves no file behind", async () => {
    const before = await house.db.selectFrom('model_versions').select('version').execute();
    const damage = fc.tuple(fc.nat({ max: 2000 }), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 8 }), async (damages) => {
        const bytes = Buffer.from(tarOfOne());
        for (const [at, byte] of damages) bytes[at % bytes.length] = byte;
        await servedFrom(gzipSync(bytes)).catch((error) => refusal(/./)(error));
      }),
      { numRuns: 60 },
    );
    assert((await house.db.selectFrom('model_versions').select('version').execute()).length >= before.length);
  });
});

function tarOfOne(): Buffer {
  return gunzipOf(tarGz([{ path: 'm.onnx', text: 'x'.repeat(600) }]));
}

describe('a process', () => {
  test('gets the archive as it is, a folder as an archive, or nothing at all', async () => {
    const archive = tarGz([{ path: 'code/serve.py', text: 'serve' }]);
    const filesOf = async (container: object): Promise<string[]> => {
      const ModelName = `p${count++}`;
      await house.ask('CreateModel', { ModelName, PrimaryContainer: { Image: 'python-server:1', Environment: { A: 'b' }, ...container } });
      const { group, version, image } = (await house.side.models.findModel(ModelName)) ?? assert.fail();
      assert.equal(image, 'python-server:1');
      const registered = await house.registry.version(group, version);
      assert.deepEqual(registered.runtime, {
        kind: 'process',
        image,
        command: ['python3', 'serve.py'],
        environment: { A: 'b' },
        concurrency: 1,
      });
      const bytes = await readFile(house.registry.artifactPath(registered));
      const paths: string[] = [];
      for await (const { path } of readTar(chunks(bytes[0] === 0x1f ? gunzipOf(bytes) : bytes))) paths.push(path);
      return paths;
    };
    assert.deepEqual(await filesOf({ ModelDataUrl: await house.put('p.tar.gz', archive) }), ['code/serve.py']);
    await house.put('tree/code/serve.py', 'serve');
    await house.put('tree/weights.bin', 'w');
    const S3DataSource = { S3Uri: 's3://models/tree/', S3DataType: 'S3Prefix', CompressionType: 'None' };
    assert.deepEqual(await filesOf({ ModelDataSource: { S3DataSource } }), ['code/serve.py', 'weights.bin']);
    assert.deepEqual(await filesOf({}), []);
  });

  test('is no answer to an image that nobody knows: the refusal names the table', async () => {
    const refused = { code: 'invalid_request', message: /'my-own:1' is not in the images table/ };
    await assert.rejects(served({ Image: 'my-own:1', ModelDataUrl: 's3://models/x' }), refused);
    assert.equal(
      await served({
        Image: '763104351884.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:23.10-py3',
        ModelDataUrl: await house.put('t.onnx', 'triton'),
      }),
      'triton',
    );
  });
});

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
