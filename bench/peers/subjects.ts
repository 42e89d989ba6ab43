/** The servers of `npm run bench -- peers`: the same ONNX model in each, with one thread. */
import { fileURLToPath } from 'node:url';
import { binaryRequests, digitRows, fastapiRequests, inputsBody, jsonRequests, postJson } from '../overhead/requests.ts';
import { peers, type RunningSubject } from '../python/subjects.ts';
import { prepareFastapi, startFastapi } from '../servers/fastapi.ts';
import { Platform } from '../servers/platform.ts';
import { startTriton } from './tensor-servers.ts';

export const encodings = ['JSON', 'binary'] as const;
export type Encoding = (typeof encodings)[number];

export interface OnnxSubject {
  readonly name: string;
  start(): Promise<RunningSubject>;
  /** Whole requests with one row each; null if the server does not know the encoding. */
  requests(url: URL, encoding: Encoding): readonly Uint8Array[] | null;
  /** Removes what it stored. */
  close(): Promise<void>;
}

export interface OnnxSubjects {
  readonly subjects: readonly OnnxSubject[];
  /** Why others cannot be measured here. */
  readonly missing: readonly string[];
}

export const modelPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
const endpoint = 'digits-mlp';
const nothing = async (): Promise<void> => {};

/** Servers that speak the Open Inference Protocol. */
const protocolRequests = (url: URL, encoding: Encoding): Buffer[] =>
  encoding === 'JSON' ? jsonRequests(url, endpoint) : binaryRequests(url, endpoint);

/** `only`: names of servers, or empty for all. `scratch`: a folder for their files. `triton`: path of a tritonserver, or empty. */
export async function onnxSubjects(scratch: string, triton: string, isWanted: (name: string) => boolean): Promise<OnnxSubjects> {
  const missing: string[] = [];
  const subjects: OnnxSubject[] = [new PenstockOnnx()];
  if (triton !== '') subjects.push(tritonSubject(scratch, triton));
  else if (isWanted('Triton')) missing.push('Triton: not available (--triton PATH)');
  if (isWanted('FastAPI')) {
    const reason = await prepareFastapi();
    if (reason === null) subjects.push(fastapiSubject(1), fastapiSubject(2));
    else missing.push(`FastAPI: ${reason}`);
  }
  const extra = new URL('./requirements.txt', import.meta.url);
  const folder = fileURLToPath(new URL('.', import.meta.url));
  const python = await peers({ folder, rows: digitRows() }, scratch, { extra, env: { MODEL_PATH: modelPath }, isWanted });
  missing.push(...python.missing);
  for (const { name, path, bodyOf, start } of python.subjects) {
    const rows = digitRows();
    const jsonOf = (url: URL): Buffer[] => rows.map((row) => postJson(new URL(path, url), bodyOf(row)));
    subjects.push({
      name,
      start: () => start('model'),
      requests: (url, encoding) => (encoding === 'JSON' ? jsonOf(url) : null),
      close: nothing,
    });
  }
  return { subjects: subjects.filter(({ name }) => isWanted(name)), missing };
}

class PenstockOnnx implements OnnxSubject {
  readonly name = 'Penstock';
  readonly requests = protocolRequests;
  readonly #platform = new Platform();
  #isDeployed = false;

  async start(): Promise<RunningSubject> {
    const readyMs = await this.#platform.start();
    if (!this.#isDeployed) await this.#platform.deploy({ modelPath, name: endpoint, objective: 'p95<=50ms' });
    this.#isDeployed = true;
    const { url, pid } = this.#platform.server;
    return { url, pid, readyMs, stop: () => this.#platform.stop() };
  }

  async close(): Promise<void> {
    await this.#platform.close();
  }
}

function fastapiSubject(processes: number): OnnxSubject {
  return {
    name: processes === 1 ? 'FastAPI' : `FastAPI, ${processes} processes`,
    start: async () => {
      const server = await startFastapi(modelPath, processes);
      return { url: server.url, pid: server.pid, readyMs: server.readyMs, stop: () => server.stop() };
    },
    requests: (url, encoding) => (encoding === 'JSON' ? fastapiRequests(url) : null),
    close: nothing,
  };
}

function tritonSubject(scratch: string, binary: string): OnnxSubject {
  const start = (): Promise<RunningSubject> => startTriton(endpoint, modelPath, 1, scratch, binary, inputsBody(digitRows()[0] ?? []));
  return { name: 'Triton', start, requests: protocolRequests, close: nothing };
}
