/** Cases G1 to G6, G11, G15, G19 and G20: the rpcs, and what they say when they cannot. */
import assert from 'node:assert/strict';
import { assertSame, ok } from '../answers.ts';
import type { Case } from '../case.ts';
import { Skipped } from '../outcome.ts';
import type { RpcReply } from '../rpc.ts';
import { good, inferAnswer, inferRequest } from '../rpc-messages.ts';
import { specsOf } from '../subject.ts';
import type { Target } from '../target.ts';
import type { Json } from '../wire.ts';
import { nobody } from './server.ts';

const service = '/inference.GRPCInferenceService';

/** An error of that code with a reason; and the next request succeeds. */
export async function failsWith(target: Target, reply: RpcReply, code: string, text: RegExp = /./): Promise<void> {
  assert(reply.code === code, `expected ${code}, got ${reply.code}: ${reply.details}`);
  assert(reply.details !== '', `${code} says why in its details`);
  if (target.isPenstock) assert.match(reply.details, text);
  const next = inferAnswer(good(await target.rpc.call('ModelInfer', plainRequest(target))));
  assertSame(next.answer, await target.reference());
}

export function plainRequest({ subject }: Target, more: Json = {}): Json {
  return inferRequest(subject.name, subject.inputs, 'raw', more);
}

/** For what is no part of the protocol's own six rpcs. */
export function unlessUnserved({ code, message, details }: RpcReply, what: string): Json {
  if (code === 'UNIMPLEMENTED') throw new Skipped(`not served: ${what}`);
  return good({ code, message, details });
}

const unknownModel = new RegExp(`^model '${nobody}' is not known`);

export const rpcServerCases: readonly Case[] = [
  {
    id: 'G1',
    level: 'must',
    promise: 'ServerLive says that the server is live',
    async run({ rpc }) {
      assert.equal(good(await rpc.call('ServerLive'))['live'], true);
    },
  },
  {
    id: 'G2',
    level: 'must',
    promise: 'ServerReady says that the server is ready',
    async run({ rpc }) {
      assert.equal(good(await rpc.call('ServerReady'))['ready'], true);
    },
  },
  {
    id: 'G3',
    level: 'must',
    promise: 'ModelReady knows a model by name and version; an unknown one is not ready',
    async run(target) {
      const { rpc, subject } = target;
      assert.equal(good(await rpc.call('ModelReady', { name: subject.name }))['ready'], true);
      const unknown = await rpc.call('ModelReady', { name: nobody });
      // The protocol leaves open whether that is an error; of which kind it should be is for G11.
      if (target.isPenstock) await failsWith(target, unknown, 'NOT_FOUND', unknownModel);
      else assert.notEqual(unknown.message?.['ready'], true, 'an unknown model is not ready');
    },
  },
  {
    id: 'G4',
    level: 'must',
    promise: 'ServerMetadata is that of the REST side',
    async run({ rpc, wire }) {
      const { name, version, extensions } = good(await rpc.call('ServerMetadata'));
      const rest = ok(await wire.send('/v2'));
      assert.deepEqual({ name, version, extensions }, { name: rest['name'], version: rest['version'], extensions: rest['extensions'] });
    },
  },
  {
    id: 'G5',
    level: 'must',
    promise: 'ModelMetadata is that of the REST side',
    async run({ rpc, wire, subject }) {
      const rest = ok(await wire.send(`/v2/models/${subject.name}`));
      const metadata = good(await rpc.call('ModelMetadata', { name: subject.name }));
      assert.deepEqual([metadata['name'], metadata['platform']], [rest['name'], rest['platform']]);
      assert.deepEqual(metadata['versions'], rest['versions'] ?? []);
      for (const side of ['inputs', 'outputs']) assert.deepEqual(specsOf(metadata[side]), specsOf(rest[side]), side);
    },
  },
  {
    id: 'G6',
    level: 'must',
    promise: 'ModelInfer answers as the REST side does, with the id',
    async run(target) {
      const { rpc, subject } = target;
      for (const form of ['typed', 'raw'] as const) {
        const message = good(await rpc.call('ModelInfer', inferRequest(subject.name, subject.inputs, form, { id: `the-${form}-one` })));
        assert.deepEqual([message['model_name'], message['id']], [subject.name, `the-${form}-one`]);
        assertSame(inferAnswer(message).answer, await target.reference());
      }
    },
  },
  {
    id: 'G11',
    level: 'should',
    promise: 'errors have the code of their kind, and their reason in the details',
    async run(target) {
      const { rpc, subject } = target;
      const { first, inputs } = subject;
      await failsWith(target, await rpc.call('ModelInfer', plainRequest(target, { model_name: nobody })), 'NOT_FOUND', unknownModel);
      await failsWith(target, await rpc.call('ModelMetadata', { name: nobody }), 'NOT_FOUND', unknownModel);
      await noSuchVersion(target);
      const spoilt = (changed: Json): Promise<RpcReply> =>
        rpc.call('ModelInfer', {
          ...plainRequest(target),
          inputs: [{ name: first.name, datatype: first.datatype, shape: first.shape, ...changed }, ...inputs.slice(1)],
        });
      const wrongType = first.datatype === 'INT32' ? 'FP32' : 'INT32';
      await failsWith(target, await spoilt({ datatype: wrongType }), 'INVALID_ARGUMENT', /: datatype is \w+, expected /);
      await failsWith(target, await spoilt({ shape: [...first.shape, 1] }), 'INVALID_ARGUMENT', /: shape is .*, expected .*rank/);
      await failsWith(
        target,
        await spoilt({ name: 'no-such-input' }),
        'INVALID_ARGUMENT',
        /unexpected input 'no-such-input'; expected inputs/,
      );
      const noOutput = plainRequest(target, { outputs: [{ name: 'no-such-output' }] });
      await failsWith(target, await rpc.call('ModelInfer', noOutput), 'INVALID_ARGUMENT', /^unexpected inference output 'no-such-output'/);
      const none = await rpc.call('ModelInfer', { model_name: subject.name });
      await failsWith(target, none, 'INVALID_ARGUMENT');
      await failsWith(target, await rpc.bytes(`${service}/NoSuchMethod`, Buffer.alloc(0)), 'UNIMPLEMENTED');
      const broken = await rpc.bytes(`${service}/ModelInfer`, Buffer.from('0a7f6162', 'hex'));
      const codes = ['INTERNAL', 'INVALID_ARGUMENT', ...(target.isPenstock ? [] : ['UNKNOWN'])];
      assert(codes.includes(broken.code), `broken protobuf: expected ${codes.join(' or ')}, got ${broken.code}`);
      await failsWith(target, broken, broken.code);
    },
  },
  {
    id: 'G15',
    level: 'extension',
    promise: 'grpc.health.v1 tells the state, once and by a stream',
    async run({ rpc }) {
      for (const name of ['', 'inference.GRPCInferenceService']) {
        assert.equal(unlessUnserved(await rpc.health(name), 'grpc.health.v1')['status'], 'SERVING', `Check '${name}'`);
        assert.equal(good(await rpc.watch(name))['status'], 'SERVING', `Watch '${name}'`);
      }
      const unknown = await rpc.health('no.such.Service');
      assert(unknown.code === 'NOT_FOUND', `Check of an unknown service: expected NOT_FOUND, got ${unknown.code}`);
      assert.equal(good(await rpc.watch('no.such.Service'))['status'], 'SERVICE_UNKNOWN', 'Watch of an unknown service');
    },
  },
  {
    id: 'G19',
    level: 'must',
    promise: 'no version is whatever the server prefers, a version is that one',
    async run(target) {
      const { rpc, subject } = target;
      const [version] = (good(await rpc.call('ModelMetadata', { name: subject.name }))['versions'] ?? []) as string[];
      const preferred = good(await rpc.call('ModelInfer', plainRequest(target, { model_version: '' })));
      if (version === undefined) throw new Skipped('the metadata names no versions');
      assert.notEqual(preferred['model_version'], '', 'the answer says which version it was');
      const asked = good(await rpc.call('ModelInfer', plainRequest(target, { model_version: version })));
      assert.equal(asked['model_version'], version);
      assert.equal(good(await rpc.call('ModelReady', { name: subject.name, version }))['ready'], true);
    },
  },
  {
    id: 'G20',
    level: 'extension',
    promise: 'configuration, statistics and index are those of the REST side; what is not served is UNIMPLEMENTED',
    async run(target) {
      const { rpc, subject, wire } = target;
      const { name } = subject;
      const known = ['model_configuration', 'statistics', 'model_repository'].filter((extension) => target.has(extension));
      if (known.length === 0) throw new Skipped('not advertised: model_configuration, statistics, model_repository');
      if (target.has('model_configuration')) {
        const { config } = good(await rpc.call('ModelConfig', { name })) as { config: Json };
        const rest = ok(await wire.send(`/v2/models/${name}/config`));
        assert.deepEqual([config['name'], config['max_batch_size']], [name, rest['max_batch_size']]);
        for (const side of ['input', 'output']) assert.deepEqual(dimsOf(config[side]), dimsOf(rest[side]), side);
      }
      if (target.has('statistics')) {
        const [stats] = good(await rpc.call('ModelStatistics', { name }))['model_stats'] as Json[];
        const [rest] = ok(await wire.send(`/v2/models/${name}/stats`))['model_stats'] as Json[];
        assert.deepEqual([stats?.['name'], stats?.['version']], [name, rest?.['version']]);
        assert.equal(Number(stats?.['inference_count']), rest?.['inference_count'], 'inference_count');
        assert.equal(Number(stats?.['execution_count']), rest?.['execution_count'], 'execution_count');
      }
      if (target.has('model_repository')) {
        const rows = good(await rpc.call('RepositoryIndex', { ready: true }))['models'] as Json[];
        assert.equal(rows.find((row) => row['name'] === name)?.['state'], 'READY');
      }
      if (target.has('system_shared_memory')) return;
      await failsWith(target, await rpc.bytes(`${service}/SystemSharedMemoryStatus`, Buffer.alloc(0)), 'UNIMPLEMENTED');
    },
  },
];

function dimsOf(tensors: unknown): unknown[] {
  return (tensors as Json[]).map(({ name, data_type: type, dims }) => ({ name, type, dims: (dims as unknown[]).map(Number) }));
}

/** Who names no versions need not know which there are not. */
async function noSuchVersion(target: Target): Promise<void> {
  const { rpc, subject } = target;
  const { versions } = good(await rpc.call('ModelMetadata', { name: subject.name })) as { versions: readonly string[] };
  if (versions.length === 0) return;
  const text = new RegExp(`^model '${subject.name}' has no version '99'; versions: `);
  await failsWith(target, await rpc.call('ModelInfer', plainRequest(target, { model_version: '99' })), 'NOT_FOUND', text);
}
