/** What a registration declares of a Python model: its inputs, its variables, its environment. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../test/control-plane.ts';
import { zipOf } from '../../test/models/zip.ts';
import { SystemClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { recogniseModel } from '../python-files/index.ts';
import { ThreadPool } from '../threads/index.ts';
import { imageEntries } from './images/images.ts';
import type { RegistrationRequest } from './registration.ts';

const forest = readFileSync(join(import.meta.dirname, '../../test/models/python/files/forest-5.joblib'));
const net = zipOf(
  ['net/data.pkl', 'net/code/__torch__.py', 'net/constants.pkl', 'net/version'].map((path) => ({ path, bytes: Buffer.from('x') })),
);
const inputs = [{ name: 'x', datatype: 'FP32', shape: [-1, 30] }] as const;

describe('the registration of a Python model', () => {
  let plane: ControlPlane;
  let threads: ThreadPool;

  before(async () => {
    threads = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
    const limits = { bytesMax: 2 ** 24 };
    plane = await openControlPlane({
      openPython: () => Promise.reject(new Error('not approved')),
      recognise: (path, name) => recogniseModel(path, { limits, threads, name }),
      images: imageEntries([
        { match: '*/pytorch-inference', runtime: 'python', environment: 'sk' },
        { match: 'lost', runtime: 'python', environment: 'lost' },
      ]),
      expectEnvironment: async (name) => {
        if (name !== 'sk') throw new PlatformError('invalid_request', `there is no environment '${name}': expected one of sk`);
      },
    });
  });
  after(async () => {
    await plane.registry.close();
    await plane.close();
    await threads.close();
  });

  const register = (group: string, source: Buffer, sourceName: string, others: Partial<RegistrationRequest> = {}) =>
    plane.registry.register({ group, source, sourceName, who: 'author', ...others });

  test('names both readings of a file that neither knows, and only ONNX of a file named so', async () => {
    const inspect = () => Promise.reject(new PlatformError('invalid_request', 'the file is not an ONNX model'));
    const own = await openControlPlane({
      inspect,
      recognise: (path, name) => recogniseModel(path, { limits: { bytesMax: 2 ** 24 }, threads, name }),
    });
    try {
      const refused = (sourceName: string, message: RegExp) =>
        assert.rejects(own.registry.register({ group: 'note', source: Buffer.from('hello'), sourceName, who: 'author' }), {
          code: 'invalid_request',
          message,
        });
      await refused(
        'note.txt',
        /^'note\.txt' is none of the Python models that are recognised, and read as an ONNX model: the file is not/,
      );
      await refused('note.onnx', /^the file is not an ONNX model$/);
    } finally {
      await own.close();
    }
  });

  test('is rejected by a server that runs no Python', async () => {
    const recognise = (path: string, name: string) => recogniseModel(path, { limits: { bytesMax: 2 ** 24 }, threads, name });
    const own = await openControlPlane({ recognise });
    try {
      await assert.rejects(own.registry.register({ group: 'forest', source: forest, sourceName: 'forest.joblib', who: 'author' }), {
        code: 'unsupported',
        message:
          `'forest.joblib' is a Python model (sklearn), and this server runs no Python: ` +
          `set "python": {"run": "after-approval"} in config.json`,
      });
    } finally {
      await own.close();
    }
  });

  test('takes the inputs of a file that does not say them, and of no other', async () => {
    const { version } = await register('net', net, 'net.pt', { inputs });
    assert(version.runtime.kind === 'python');
    assert.deepEqual(version.runtime.inputs, inputs);
    const refusal = { code: 'invalid_request', message: "'forest.joblib' declares its own inputs: leave the inputs out" };
    await assert.rejects(register('forest', forest, 'forest.joblib', { inputs }), refusal);
    await assert.rejects(register('onnx', Buffer.from('onnx'), 'm.onnx', { inputs }), {
      code: 'invalid_request',
      message: /leave the inputs out/,
    });
  });

  test('of the same bytes with other inputs or variables is another version', async () => {
    const again = async (others: Partial<RegistrationRequest>): Promise<string> => {
      const { version, reused } = await register('same', net, 'net.pt', { reuse: true, ...others });
      return `${version.version}${reused ? ' again' : ''}`;
    };
    const environment = { THRESHOLD: '0.5' };
    assert.deepEqual(
      [
        await again({ inputs }),
        await again({ inputs }),
        await again({}),
        await again({ inputs, environment }),
        await again({ inputs, environment }),
      ],
      ['1', '1 again', '2', '3', '3 again'],
    );
    const { notes } = await plane.registry.version('same', 3);
    assert(notes.includes('reads the variables THRESHOLD'), notes.join());
  });

  test('in an environment that does not exist is rejected with the names of those that do', async () => {
    const refusal = { code: 'invalid_request', message: "there is no environment 'nope': expected one of sk" };
    await assert.rejects(register('forest', forest, 'forest.joblib', { pythonEnvironment: 'nope' }), refusal);
    const { version } = await register('forest', forest, 'forest.joblib', { pythonEnvironment: 'sk' });
    assert(version.runtime.kind === 'python');
    assert.equal(version.runtime.environment.name, 'sk');
  });

  test('runs in the environment that the images table gives its image, unless it names another', async () => {
    const { version } = await register('image', net, 'net.pt', { inputs, image: '7.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2' });
    assert(version.runtime.kind === 'python');
    assert.equal(version.runtime.environment.name, 'sk');
    await register('image', net, 'net.pt', { inputs, image: 'lost', pythonEnvironment: 'sk' });
    await assert.rejects(register('image', net, 'net.pt', { inputs, image: 'lost' }), /there is no environment 'lost'/);
  });
});
