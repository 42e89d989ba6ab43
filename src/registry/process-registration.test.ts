import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../test/control-plane.ts';
import { PlatformError } from '../errors.ts';
import { imageEntries } from './images/images.ts';
import type { RegistrationRequest } from './registration.ts';

const images = imageEntries([
  { match: 'acme/scorer', runtime: 'process', command: ['python3', 'serve.py'], env: { A: 'image', B: 'image' } },
]);
const open: ControlPlane[] = [];
afterEach(async () => {
  for (const plane of open.splice(0)) await plane.close();
});

async function registryOf(options: Parameters<typeof openControlPlane>[0] = {}) {
  const plane = await openControlPlane({ images, ...options });
  open.push(plane);
  const register = (more: Partial<RegistrationRequest> = {}) => {
    const request = { group: 'g', source: Buffer.from('an archive'), sourceName: 'm.tar', image: 'acme/scorer:2', who: 'me', reuse: true };
    return plane.registry.register({ ...request, ...more });
  };
  return { ...plane, register };
}

test('the image selects the command, and the model overrides variables', async () => {
  const { register } = await registryOf();
  const { version } = await register({ environment: { B: 'model', C: 'model' } });
  assert.deepEqual(version.runtime, {
    kind: 'process',
    image: 'acme/scorer:2',
    command: ['python3', 'serve.py'],
    environment: { A: 'image', B: 'model', C: 'model' },
    concurrency: 1,
    access: { paths: [], isIsolated: true },
  });
  assert.deepEqual([version.signature, version.batchable, version.artifact.bytes], [{ inputs: [], outputs: [] }, false, 10]);
});

test('the same bytes with other variables or another image are a new version', async () => {
  const { register } = await registryOf();
  const versions = [];
  for (const more of [
    {},
    {},
    { environment: { C: '1' } },
    { environment: { C: '1' } },
    { image: 'acme/scorer:3' },
    { image: 'penstock/onnx' },
  ]) {
    versions.push((await register(more)).version.version);
  }
  assert.deepEqual(versions, [1, 1, 2, 2, 3, 4]);
});

test('a process needs no bytes, an ONNX model does', async () => {
  const { register } = await registryOf();
  assert.equal((await register({ source: Buffer.alloc(0) })).version.artifact.bytes, 0);
  await assert.rejects(register({ source: Buffer.alloc(0), image: 'penstock/onnx' }), { code: 'invalid_request', message: /0 bytes/ });
});

test('a rejected registration leaves nothing: unknown image, invalid variable, broken archive', async () => {
  const inspectBundle = () => Promise.reject(new PlatformError('invalid_request', 'this is not a tar archive'));
  const { register, registry } = await registryOf({ inspectBundle });
  await assert.rejects(register({ image: 'unknown' }), { message: /images table/ });
  await assert.rejects(register({ environment: { 'A=B': 'c' } }), { message: /not a valid variable name/ });
  await assert.rejects(register(), { message: /not a tar archive/ });
  assert.deepEqual(await registry.groups(), []);
});

test('variables can be secrets: no audit entry or event contains them', async () => {
  const { register, audit, events } = await registryOf();
  await register({ environment: { TOKEN: 'hunter2' } });
  const reported = JSON.stringify([await events.since(0, 10), await audit.list({ limit: 10 })]);
  assert.doesNotMatch(reported, /hunter2/);
});
