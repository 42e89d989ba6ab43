import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accessOf, imageEntries, resolveImage } from './images.ts';

const command = ['python3', 'serve.py'];
const table = imageEntries([
  { match: 'acme/scorer', runtime: 'process', command, env: { THREADS: '1' }, concurrency: 4 },
  { match: 'acme/pinned:1.2', runtime: 'process', command },
  { match: 'penstock/onnx', runtime: 'process', command },
  { match: '*.example.com:5000/*/ort*', runtime: 'onnx' },
  { match: '763104351884.dkr.ecr.*.amazonaws.com/triton-custom', runtime: 'process', command },
  { match: '*/pytorch-inference', runtime: 'python', environment: 'torch' },
  { match: 'acme/forest', runtime: 'python' },
]);

describe('an image', () => {
  for (const [image, kind] of [
    ['penstock/onnx', 'onnx'],
    ['penstock/onnx:latest', 'onnx'],
    ['localhost:5000/penstock/onnx@sha256:abc', 'onnx'],
    ['acme/scorer', 'process'],
    ['acme/scorer:7', 'process'],
    ['acme/scorer:7@sha256:abc', 'process'],
    ['acme/pinned:1.2', 'process'],
    ['hub.example.com:5000/team/ort-cpu:1', 'onnx'],
    ['763104351884.dkr.ecr.eu-west-1.amazonaws.com/triton-custom:1', 'process'],
    ['763104351884.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:23.08-py3', 'onnx'],
    ['public.ecr.aws/team/onnxruntime:1', 'onnx'],
    ['763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6-cpu', 'python'],
    ['acme/forest:3', 'python'],
  ] as const) {
    test(`${image} is served by ${kind}`, () => assert.equal(resolveImage(table, image).kind, kind));
  }

  for (const image of [
    'acme/other',
    'acme/scorer2',
    'acme/pinned:1.3',
    'acme/pinned',
    'onnx',
    'evil/penstock-onnx',
    'example.com/onnx',
    '',
    '@',
    ':',
  ]) {
    test(`${JSON.stringify(image)} is unknown, and the error names the table`, () => {
      assert.throws(() => resolveImage(table, image), {
        code: 'invalid_request',
        message: /images table.*acme\/scorer.*config\.json, and restart the server$/,
      });
    });
  }

  test('has a command and an environment', () => {
    const access = { paths: [], isIsolated: true };
    assert.deepEqual(resolveImage(table, 'acme/scorer'), { kind: 'process', command, env: { THREADS: '1' }, concurrency: 4, access });
    assert.deepEqual(resolveImage(table, 'acme/pinned:1.2'), { kind: 'process', command, env: {}, concurrency: 1, access });
  });

  test('of Python models may name their environment', () => {
    assert.deepEqual(resolveImage(table, 'a/pytorch-inference:2'), { kind: 'python', environment: 'torch' });
    assert.deepEqual(resolveImage(table, 'acme/forest'), { kind: 'python', environment: null });
  });

  test('with many stars is matched quickly', () => {
    const entries = imageEntries([{ match: `${'*a'.repeat(100)}b`, runtime: 'onnx' }]);
    assert.throws(() => resolveImage(entries, 'a'.repeat(255)), { code: 'invalid_request' });
  });
});

describe('the images table', () => {
  for (const [entry, message] of [
    [7, /^images\[0\] in config.json: expected an object/],
    [{ match: '', runtime: 'onnx' }, /images\[0\]\.match/],
    [{ match: 'a', runtime: 'docker' }, /images\[0\]\.runtime in config.json: expected "onnx", "python" or "process", got "docker"/],
    [{ match: 'a', runtime: 'process' }, /images\[0\]\.command in config.json: expected a list .*, got nothing/],
    [{ match: 'a', runtime: 'process', command: [] }, /command/],
    [{ match: 'a', runtime: 'process', command: 'python3' }, /command/],
    [{ match: 'a', runtime: 'process', command: ['a\0b'] }, /command/],
    [{ match: 'a', runtime: 'process', command, env: { 'A=B': 'c' } }, /'A=B' is not a valid variable name/],
    [{ match: 'a', runtime: 'process', command, env: { A: 1 } }, /A must be a text/],
    [
      { match: 'a', runtime: 'process', command, concurrency: 0 },
      /concurrency in config.json: expected a whole number from 1 to 1000, got 0/,
    ],
    [{ match: 'a', runtime: 'process', command, concurrency: '2' }, /concurrency/],
    [{ match: 'a', runtime: 'onnx', concurrency: 2 }, /no concurrency beside/],
    [{ match: 'a', runtime: 'onnx', command }, /no command beside/],
    [{ match: 'a', runtime: 'onnx', comand: command }, /unknown setting images\[0\]\.comand/],
  ] as const) {
    test(`rejects ${JSON.stringify(entry)}`, () => {
      assert.throws(() => imageEntries([entry]), { code: 'invalid_request', message });
    });
  }

  test('is empty by default', () => assert.deepEqual(imageEntries(null), []));
});

describe('a process without isolation', () => {
  const entries = imageEntries([{ match: 'own', runtime: 'process', command, env: { A: '1' }, paths: ['/srv/scorer'], isolation: 'none' }]);
  const own = { image: 'own:1', command, environment: { A: '1' }, archiveBytes: 0 };

  test('runs only code of the operator', () => {
    assert.deepEqual(accessOf(entries, own), { paths: ['/srv/scorer'], isIsolated: false });
  });

  for (const [what, version] of [
    ['an archive', { ...own, archiveBytes: 1 }],
    ['another command', { ...own, command: ['/srv/vendor/run'] }],
    ['variables of its own', { ...own, environment: { A: '1', LD_PRELOAD: '/tmp/x.so' } }],
  ] as const) {
    test(`stays isolated with ${what}`, () => assert.equal(accessOf(entries, version).isIsolated, true));
  }

  test('of an image that was removed from the table is isolated, without paths', () => {
    assert.deepEqual(accessOf([], own), { paths: [], isIsolated: true });
  });

  for (const entry of [{ isolation: 'off' }, { paths: ['relative'] }, { paths: ['/'] }, { paths: ['/a/../b'] }, { paths: '/a' }]) {
    test(`is rejected with ${JSON.stringify(entry)}`, () => {
      assert.throws(() => imageEntries([{ match: 'x', runtime: 'process', command, ...entry }]), { code: 'invalid_request' });
    });
  }
});
