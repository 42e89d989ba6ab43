/** Servers of one model with one FP32 input whose requests are bytes: as images and wide rows are sent. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { modelPath } from '../../test/models/index.ts';
import { binaryRequest, inputsBody } from '../overhead/requests.ts';
import { Peer } from '../python/peer.ts';
import { oneThread, type RunningSubject } from '../python/subjects.ts';
import { prepareFastapi, startFastapi } from '../servers/fastapi.ts';
import { Platform } from '../servers/platform.ts';
import { pythonEnvironment } from '../servers/python-environment.ts';
import type { LoadContext } from './rounds.ts';

export interface TensorModel {
  readonly file: string;
  /** Of the endpoint. */
  readonly name: string;
  readonly input: string;
  readonly rowShape: readonly number[];
  /** Raw floats; the first row is sent. */
  readonly rowsFile: string;
  readonly objective: string;
}

const sampleFile = (name: string): string => fileURLToPath(new URL(`../../test/models/samples/${name}.bin`, import.meta.url));

/** Memory-bound, so that batching pays: 113 MB of weights are read for each run. */
export const wideMlp: TensorModel = {
  file: modelPath('loadtest_wide_mlp'),
  name: 'wide-mlp',
  input: 'x',
  rowShape: [3072],
  rowsFile: sampleFile('loadtest_wide_mlp.x'),
  objective: 'p95<=50ms',
};

/** Compute-bound: a request is an image of 600 kB. */
export const imageModel: TensorModel = {
  file: modelPath('loadtest_cnn_224'),
  name: 'cnn-224',
  input: 'image',
  rowShape: [3, 224, 224],
  rowsFile: sampleFile('loadtest_cnn_224.image'),
  objective: 'p95<=500ms',
};

export const smallModel: TensorModel = {
  file: modelPath('digits_mlp'),
  name: 'digits-mlp',
  input: 'pixels',
  rowShape: [64],
  rowsFile: sampleFile('digits_mlp.pixels'),
  objective: 'p95<=50ms',
};

export interface TensorServer {
  readonly name: string;
  start(): Promise<RunningSubject>;
  /** A whole request with one row. */
  request(url: URL): Buffer;
  /** Removes what it stored. */
  close(): Promise<void>;
}

export interface MosecSettings {
  /** 1 for none. */
  readonly batchMax: number;
  readonly waitMs: number;
  readonly args: readonly string[];
}

const nothing = async (): Promise<void> => {};

export function rowOf({ rowShape, rowsFile }: TensorModel): Float32Array<ArrayBuffer> {
  const size = rowShape.reduce((product, dimension) => product * dimension, 1);
  return new Float32Array(new Uint8Array(readFileSync(rowsFile)).buffer).slice(0, size);
}

export function protocolRequest(url: URL, model: TensorModel): Buffer {
  return binaryRequest(url, model.name, model.input, [1, ...model.rowShape], rowOf(model));
}

/** A request whose body is the row alone; `i`: which of the models of the server. */
export function rawRequest(url: URL, model: TensorModel, i = 0): Buffer {
  return postRequest(new URL(`/raw/${i}`, url), Buffer.from(rowOf(model).buffer), { 'Content-Type': 'application/octet-stream' });
}

export class PenstockTensor implements TensorServer {
  readonly name: string;
  readonly #model: TensorModel;
  readonly #flags: readonly string[];
  readonly #platform = new Platform();
  #isDeployed = false;

  /** `flags`: further options of `penstock deploy`. */
  constructor(model: TensorModel, flags: readonly string[] = [], name = 'Penstock') {
    this.#model = model;
    this.#flags = flags;
    this.name = name;
  }

  async start(): Promise<RunningSubject> {
    const readyMs = await this.#platform.start();
    const { file, name, objective } = this.#model;
    if (!this.#isDeployed) await this.#platform.deploy({ modelPath: file, name, objective, flags: this.#flags });
    this.#isDeployed = true;
    const { url, pid } = this.#platform.server;
    return { url, pid, readyMs, stop: () => this.#platform.stop() };
  }

  request(url: URL): Buffer {
    return protocolRequest(url, this.#model);
  }

  /** Changes settings of the endpoint while it serves. */
  async change(...flags: string[]): Promise<void> {
    await this.#platform.run('deploy', `${this.#model.name}/1`, this.#model.name, ...flags);
  }

  close(): Promise<void> {
    return this.#platform.close();
  }
}

export function fastapiTensor(model: TensorModel, processes: number, name: string): TensorServer {
  return {
    name,
    start: async () => {
      const server = await startFastapi(model.file, processes);
      return { url: server.url, pid: server.pid, readyMs: server.readyMs, stop: () => server.stop() };
    },
    request: (url) => rawRequest(url, model),
    close: nothing,
  };
}

/** Null and the reason if it cannot be installed. */
export async function mosecEnvironment(): Promise<{ readonly directory: string; readonly missing: string | null }> {
  const own = new URL('../python/peers/mosec/requirements.txt', import.meta.url);
  return pythonEnvironment('peers-mosec', own, new URL('./requirements.txt', import.meta.url));
}

/** `count`: models, each in a process of its own. */
export async function startMosec(
  model: TensorModel,
  instances: number,
  { batchMax, waitMs, args }: MosecSettings,
  scratch: string,
  count = 1,
): Promise<RunningSubject> {
  const { directory } = await mosecEnvironment();
  const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const peer = await Peer.start({
    command: join(directory, 'bin/python'),
    args: (port) => ['server.py', '--address', '127.0.0.1', '--port', String(port), ...args],
    env: () => ({
      ...oneThread,
      PYTHONDONTWRITEBYTECODE: '1',
      TMPDIR: scratch,
      MODEL_FOLDER: here('./model'),
      MODEL_PATH: model.file,
      MODEL_COUNT: String(count),
      INSTANCES: String(instances),
      BATCH_MAX: String(batchMax),
      WAIT_MS: String(waitMs),
    }),
    directory: here('./mosec'),
    path: '/raw/0',
    body: new Uint8Array(rowOf(model).buffer),
  });
  return { url: peer.url, pid: peer.pid, stop: () => peer.stop() };
}

export function mosecTensor(model: TensorModel, instances: number, settings: MosecSettings, scratch: string, name = 'mosec'): TensorServer {
  return {
    name,
    start: () => startMosec(model, instances, settings, scratch),
    request: (url) => rawRequest(url, model),
    close: nothing,
  };
}

/** Triton with its onnxruntime backend, which is expected beside the binary as in its own image. */
export function tritonTensor(model: TensorModel, instances: number, scratch: string, binary: string): TensorServer {
  const start = (): Promise<RunningSubject> => startTriton(model.name, model.file, instances, scratch, binary, protocolBody(model));
  return { name: 'Triton', start, request: (url) => protocolRequest(url, model), close: nothing };
}

function protocolBody(model: TensorModel): string {
  return inputsBody([...rowOf(model)], model.input, [1, ...model.rowShape]);
}

/** `body`: of a request that it must answer. */
export async function startTriton(
  endpoint: string,
  file: string,
  instances: number,
  scratch: string,
  binary: string,
  body: string,
): Promise<RunningSubject> {
  const repository = join(scratch, `triton-${endpoint}-${instances}`);
  const version = join(repository, endpoint, '1');
  mkdirSync(version, { recursive: true });
  copyFileSync(file, join(version, 'model.onnx'));
  const thread = (name: string): string => `parameters { key: "${name}" value: { string_value: "1" } }`;
  const config = ['platform: "onnxruntime_onnx"', 'max_batch_size: 32', `instance_group [{ kind: KIND_CPU, count: ${instances} }]`];
  writeFileSync(
    join(repository, endpoint, 'config.pbtxt'),
    [...config, thread('intra_op_thread_count'), thread('inter_op_thread_count')].join('\n'),
  );
  const peer = await Peer.start({
    command: binary,
    args: (port) => [
      `--model-repository=${repository}`,
      `--backend-directory=${join(dirname(binary), '../backends')}`,
      '--http-address=127.0.0.1',
      `--http-port=${port}`,
      `--grpc-port=${port + 1}`,
      `--metrics-port=${port + 2}`,
    ],
    env: () => ({}),
    directory: scratch,
    path: `/v2/models/${endpoint}/infer`,
    body,
  });
  return { url: peer.url, pid: peer.pid, stop: () => peer.stop() };
}

/** Which of the servers beside Penstock can be measured here, and why others cannot. */
export interface Available {
  readonly fastapi: boolean;
  readonly mosec: boolean;
  readonly triton: boolean;
  readonly missing: readonly string[];
}

export async function availableServers({ isWanted, triton }: LoadContext): Promise<Available> {
  const missing: string[] = [];
  const isThere = async (name: string, reasonOf: () => Promise<string | null>): Promise<boolean> => {
    if (!isWanted(name)) return false;
    const reason = await reasonOf();
    if (reason !== null) missing.push(`${name}: ${reason}`);
    return reason === null;
  };
  return {
    fastapi: await isThere('FastAPI', prepareFastapi),
    mosec: await isThere('mosec', async () => (await mosecEnvironment()).missing),
    triton: await isThere('Triton', async () => (triton === '' ? 'not available (--triton PATH)' : null)),
    missing,
  };
}
