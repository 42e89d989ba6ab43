/** Cases G1 to G6, G11, G15, G19 and G20: the calls and their status codes. */
import assert from 'node:assert/strict';
import { assertSame, ok } from '../assertions.ts';
import type { Case } from '../case.ts';
import type { RpcReply } from '../client/rpc.ts';
import { inferReply, inferRequest, validRequest } from '../client/rpc-messages.ts';
import { specsOf } from '../client/subject.ts';
import type { Target } from '../client/target.ts';
import type { Json } from '../client/wire.ts';
import { Skipped } from '../outcome.ts';
import { unknownModelName } from './server.ts';

const service = '/inference.GRPCInferenceService';

/** Asserts that the reply has this status code and a reason, and that the next request succeeds. */
export async function failsWith(target: Target, reply: RpcReply, code: string, text: RegExp = /./): Promise<void> {
  assert(reply.code === code, `expected ${code}, got ${reply.code}: ${reply.details}`);
  assert(reply.details !== '', `${code} must have a reason in its details`);
  if (target.isPenstock) assert.match(reply.details, text);
  const next = inferReply(validRequest(await target.rpc.call('ModelInfer', plainRequest(target))));
  assertSame(next.answer, await target.reference());
}

export function plainRequest({ subject }: Target, more: Json = {}): Json {
  return inferRequest(subject.name, subject.inputs, 'raw', more);
}

/** For calls that are not among the six of the protocol. */
export function skipIfUnserved({ code, message, details }: RpcReply, what: string): Json {
  if (code === 'UNIMPLEMENTED') throw new Skipped(`not served: ${what}`);
  return validRequest({ code, message, details });
}

const unknownModel = new RegExp(`^model '${unknownModelName}' does not exist`);

export const rpcServerCases: readonly Case[] = [
  {
    id: 'G1',
    level: 'must',
    promise: 'ServerLive reports that the server is live',
    async run({ rpc }) {
      assert.equal(validRequest(await rpc.call('ServerLive'))['live'], true);
    },
  },
  {
    id: 'G2',
    level: 'must',
    promise: 'ServerReady reports that the server is ready',
    async run({ rpc }) {
      assert.equal(validRequest(await rpc.call('ServerReady'))['ready'], true);
    },
  },
  {
    id: 'G3',
    level: 'must',
    promise: 'ModelReady finds a model by name and version; an unknown one is not ready',
    async run(target) {
      const { rpc, subject } = target;
      assert.equal(validRequest(await rpc.call('ModelReady', { name: subject.name }))['ready'], true);
      const unknown = await rpc.call('ModelReady', { name: unknownModelName });
      // The protocol does not say whether this is an error. Case G11 checks the status code.
      if (target.isPenstock) await failsWith(target, unknown, 'NOT_FOUND', unknownModel);
      else assert.notEqual(unknown.message?.['ready'], true, 'an unknown model must not be ready');
    },
  },
  {
    id: 'G4',
    level: 'must',
    promise: 'ServerMetadata matches the REST API',
    async run({ rpc, wire }) {
      const { name, version, extensions } = validRequest(await rpc.call('ServerMetadata'));
      const rest = ok(await wire.send('/v2'));
      assert.deepEqual({ name, version, extensions }, { name: rest['name'], version: rest['version'], extensions: rest['extensions'] });
    },
  },
  {
    id: 'G5',
    level: 'must',
    promise: 'ModelMetadata matches the REST API',
    async run({ rpc, wire, subject }) {
      const rest = ok(await wire.send(`/v2/models/${subject.name}`));
      const metadata = validRequest(await rpc.call('ModelMetadata', { name: subject.name }));
      assert.deepEqual([metadata['name'], metadata['platform']], [rest['name'], rest['platform']]);
      assert.deepEqual(metadata['versions'], rest['versions'] ?? []);
      for (const side of ['inputs', 'outputs']) assert.deepEqual(specsOf(metadata[side]), specsOf(rest[side]), side);
    },
  },
  {
    id: 'G6',
    level: 'must',
    promise: 'ModelInfer responds as the REST API does, with the id',
    async run(target) {
      const { rpc, subject } = target;
      for (const form of ['typed', 'raw'] as const) {
        const message = validRequest(
          await rpc.call('ModelInfer', inferRequest(subject.name, subject.inputs, form, { id: `the-${form}-one` })),
        );
        assert.deepEqual([message['model_name'], message['id']], [subject.name, `the-${form}-one`]);
        assertSame(inferReply(message).answer, await target.reference());
      }
    },
  },
  {
    id: 'G11',
    level: 'should',
    promise: 'errors have the matching status code, and a reason in the details',
    async run(target) {
      const { rpc, subject } = target;
      const { first, inputs } = subject;
      await failsWith(
        target,
        await rpc.call('ModelInfer', plainRequest(target, { model_name: unknownModelName })),
        'NOT_FOUND',
        unknownModel,
      );
      await failsWith(target, await rpc.call('ModelMetadata', { name: unknownModelName }), 'NOT_FOUND', unknownModel);
      await rejectsUnknownVersion(target);
      const inferWith = (changed: Json): Promise<RpcReply> =>
        rpc.call('ModelInfer', {
          ...plainRequest(target),
          inputs: [{ name: first.name, datatype: first.datatype, shape: first.shape, ...changed }, ...inputs.slice(1)],
        });
      const wrongType = first.datatype === 'INT32' ? 'FP32' : 'INT32';
      await failsWith(target, await inferWith({ datatype: wrongType }), 'INVALID_ARGUMENT', /: datatype is \w+, expected /);
      await failsWith(target, await inferWith({ shape: [...first.shape, 1] }), 'INVALID_ARGUMENT', /: shape is .*, expected .*rank/);
      await failsWith(
        target,
        await inferWith({ name: 'no-such-input' }),
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
    promise: 'grpc.health.v1 reports the state, once and as a stream',
    async run({ rpc }) {
      for (const name of ['', 'inference.GRPCInferenceService']) {
        assert.equal(skipIfUnserved(await rpc.health(name), 'grpc.health.v1')['status'], 'SERVING', `Check '${name}'`);
        assert.equal(validRequest(await rpc.watch(name))['status'], 'SERVING', `Watch '${name}'`);
      }
      const unknown = await rpc.health('no.such.Service');
      assert(unknown.code === 'NOT_FOUND', `Check of an unknown service: expected NOT_FOUND, got ${unknown.code}`);
      assert.equal(validRequest(await rpc.watch('no.such.Service'))['status'], 'SERVICE_UNKNOWN', 'Watch of an unknown service');
    },
  },
  {
    id: 'G19',
    level: 'must',
    promise: "no version selects the server's preferred one, a version selects exactly that one",
    async run(target) {
      const { rpc, subject } = target;
      const [version] = (validRequest(await rpc.call('ModelMetadata', { name: subject.name }))['versions'] ?? []) as string[];
      const preferred = validRequest(await rpc.call('ModelInfer', plainRequest(target, { model_version: '' })));
      if (version === undefined) throw new Skipped('the metadata names no versions');
      assert.notEqual(preferred['model_version'], '', 'the response must name its version');
      const requested = validRequest(await rpc.call('ModelInfer', plainRequest(target, { model_version: version })));
      assert.equal(requested['model_version'], version);
      assert.equal(validRequest(await rpc.call('ModelReady', { name: subject.name, version }))['ready'], true);
    },
  },
  {
    id: 'G20',
    level: 'extension',
    promise: 'configuration, statistics and index match the REST API; an unsupported call is UNIMPLEMENTED',
    async run(target) {
      const { rpc, subject, wire } = target;
      const { name } = subject;
      const advertised = ['model_configuration', 'statistics', 'model_repository'].filter((extension) => target.has(extension));
      if (advertised.length === 0) throw new Skipped('not advertised: model_configuration, statistics, model_repository');
      if (target.has('model_configuration')) {
        const { config } = validRequest(await rpc.call('ModelConfig', { name })) as { config: Json };
        const rest = ok(await wire.send(`/v2/models/${name}/config`));
        assert.deepEqual([config['name'], config['max_batch_size']], [name, rest['max_batch_size']]);
        for (const side of ['input', 'output']) assert.deepEqual(dimsOf(config[side]), dimsOf(rest[side]), side);
      }
      if (target.has('statistics')) {
        const [stats] = validRequest(await rpc.call('ModelStatistics', { name }))['model_stats'] as Json[];
        const [rest] = ok(await wire.send(`/v2/models/${name}/stats`))['model_stats'] as Json[];
        assert.deepEqual([stats?.['name'], stats?.['version']], [name, rest?.['version']]);
        assert.equal(Number(stats?.['inference_count']), rest?.['inference_count'], 'inference_count');
        assert.equal(Number(stats?.['execution_count']), rest?.['execution_count'], 'execution_count');
      }
      if (target.has('model_repository')) {
        const rows = validRequest(await rpc.call('RepositoryIndex', { ready: true }))['models'] as Json[];
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

/** A server without versions in its metadata need not reject unknown ones. */
async function rejectsUnknownVersion(target: Target): Promise<void> {
  const { rpc, subject } = target;
  const { versions } = validRequest(await rpc.call('ModelMetadata', { name: subject.name })) as { versions: readonly string[] };
  if (versions.length === 0) return;
  const text = new RegExp(`^model '${subject.name}' has no version '99'; versions: `);
  await failsWith(target, await rpc.call('ModelInfer', plainRequest(target, { model_version: '99' })), 'NOT_FOUND', text);
}
