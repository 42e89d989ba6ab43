/** The servers of `npm run bench -- python`: the same model and function in each, with one worker. */
import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Platform } from '../servers/platform.ts';
import { pythonEnvironment } from '../servers/python-environment.ts';
import { Peer, type PeerCommand } from './peer.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Folders of the models by name, and rows of 30 numbers. */
export interface Models {
  readonly folder: string;
  readonly rows: readonly (readonly number[])[];
}

/** A running server. */
export interface RunningSubject {
  /** Where its requests are sent. */
  readonly url: URL;
  /** Root of its process tree. */
  readonly pid: number;
  /** Until it said that it is ready; absent if it says nothing. */
  readonly readyMs?: number;
  readonly stop: () => Promise<void>;
}

export interface Subject {
  readonly name: string;
  /** The JSON body of a request with one row. */
  readonly bodyOf: (row: readonly number[]) => string;
  /** Starts it with a model, ready for requests. */
  readonly start: (model: string) => Promise<RunningSubject>;
}

const simpleBody = (x: readonly number[]): string => JSON.stringify({ x });
const rowsBody = (x: readonly number[]): string => JSON.stringify({ x: [x] });
const protocolBody = (data: readonly number[]): string =>
  JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP64', shape: [1, data.length], data }] });

/** One thread for each server: the machine is shared with the load generator. */
export const oneThread = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };

interface PeerKind {
  readonly name: string;
  readonly bodyOf: (row: readonly number[]) => string;
  readonly path: string;
  readonly program: string;
  readonly args: (port: number, directory: string) => readonly string[];
}

const peerKinds: readonly PeerKind[] = [
  { name: 'LitServe', bodyOf: simpleBody, path: '/predict', program: 'python', args: () => ['server.py'] },
  {
    name: 'MLServer',
    bodyOf: protocolBody,
    path: '/v2/models/model/infer',
    program: 'mlserver',
    args: (_port, directory) => ['start', directory],
  },
  {
    name: 'BentoML',
    bodyOf: rowsBody,
    path: '/predict',
    program: 'bentoml',
    args: (port) => ['serve', 'server:Model', '--host', '127.0.0.1', '--port', String(port)],
  },
  {
    name: 'mosec',
    bodyOf: simpleBody,
    path: '/inference',
    program: 'python',
    args: (port) => ['server.py', '--address', '127.0.0.1', '--port', String(port)],
  },
];

export interface Prepared {
  /** With the path of their requests. */
  readonly subjects: readonly (Subject & { readonly path: string })[];
  /** Why others cannot be measured here. */
  readonly missing: readonly string[];
}

export interface PeersOptions {
  /** Packages beside those of the server. */
  readonly extra?: URL;
  readonly env?: Readonly<Record<string, string>>;
  /** Which of them are installed. Default: all. */
  readonly isWanted?: (name: string) => boolean;
}

/** Installs the peers; `scratch` is for their temporary files. */
export async function peers(
  { folder, rows }: Models,
  scratch: string,
  { extra, env: settings = {}, isWanted = () => true }: PeersOptions = {},
): Promise<Prepared> {
  const subjects: (Subject & { readonly path: string })[] = [];
  const missing: string[] = [];
  for (const kind of peerKinds.filter(({ name }) => isWanted(name))) {
    const id = kind.name.toLowerCase();
    const directory = here(`./peers/${id}`);
    const own = new URL(`./peers/${id}/requirements.txt`, import.meta.url);
    const environment = await (extra === undefined ? pythonEnvironment(`python-${id}`, own) : pythonEnvironment(`peers-${id}`, own, extra));
    if (environment.missing !== null) {
      missing.push(`${kind.name}: ${environment.missing}`);
      continue;
    }
    const files = join(scratch, id);
    mkdirSync(files, { recursive: true });
    const bin = join(environment.directory, 'bin');
    const commandOf = (model: string): PeerCommand => ({
      command: join(bin, kind.program),
      args: (port) => kind.args(port, directory),
      env: (port) => ({
        ...oneThread,
        ...peerSettings(port, files),
        ...settings,
        PATH: `${bin}:${process.env['PATH'] ?? ''}`,
        MODEL_FOLDER: join(folder, model),
        PORT: String(port),
      }),
      directory,
      path: kind.path,
      body: kind.bodyOf(rows[0] ?? []),
    });
    subjects.push({ name: kind.name, path: kind.path, bodyOf: kind.bodyOf, start: (model) => Peer.start(commandOf(model)) });
  }
  return { subjects, missing };
}

/** Ports beside the one for requests, and no files outside of the benchmark's folder. */
function peerSettings(port: number, own: string): Readonly<Record<string, string>> {
  return {
    PYTHONDONTWRITEBYTECODE: '1',
    TMPDIR: own,
    BENTOML_HOME: own,
    BENTOML_DO_NOT_TRACK: 'true',
    MLSERVER_HOST: '127.0.0.1',
    MLSERVER_HTTP_PORT: String(port),
    MLSERVER_GRPC_PORT: String(port + 1),
    MLSERVER_METRICS_PORT: String(port + 2),
    MLSERVER_PARALLEL_WORKERS: '1',
    MLSERVER_ENVIRONMENTS_DIR: own,
    MLSERVER_METRICS_DIR: own,
  };
}

/** Penstock with a data directory for each model, which is registered, approved and profiled once; later starts only restart the server. */
export class PenstockSubject implements Subject {
  readonly name: string;
  readonly bodyOf: Subject['bodyOf'];
  readonly #folder: string;
  readonly #python: string;
  readonly #isProcess: boolean;
  readonly #platforms = new Map<string, Platform>();

  /** `python`: folder of the environment. `isProcess`: the function runs behind `runtime: process`. */
  constructor({ folder }: Models, python: string, { isProcess = false }: { readonly isProcess?: boolean } = {}) {
    this.name = isProcess ? 'Penstock, `runtime: process`' : 'Penstock';
    this.bodyOf = isProcess ? rowsBody : protocolBody;
    this.#folder = folder;
    this.#python = python;
    this.#isProcess = isProcess;
  }

  async start(model: string): Promise<RunningSubject> {
    let platform = this.#platforms.get(model);
    if (platform === undefined) {
      platform = this.#newPlatform();
      this.#platforms.set(model, platform);
      await platform.start();
      await this.#deploy(platform, model);
    } else {
      await platform.start();
    }
    const path = this.#isProcess ? `/api/v1/endpoints/${model}/invoke` : `/v2/models/${model}/infer`;
    const { url, pid } = platform.server;
    return { url: new URL(path, url), pid, stop: () => platform.stop() };
  }

  async close(): Promise<void> {
    for (const platform of this.#platforms.values()) await platform.close();
  }

  #newPlatform(): Platform {
    const interpreter = join(this.#python, 'bin/python');
    const command = [interpreter, here('./models/serve.py')];
    // The environment links to the interpreter that it was made with, which an isolated process reaches only if it is named.
    const paths = [this.#python, here('./models'), join(realpathSync(interpreter), '../..')];
    const images = [{ match: 'process', runtime: 'process', command, paths, env: oneThread }];
    return new Platform({}, { environments: { default: { python: interpreter } }, images });
  }

  async #deploy(platform: Platform, model: string): Promise<void> {
    const image = this.#isProcess ? ['--image', 'process'] : [];
    await platform.run('register', join(this.#folder, model), ...image, '--approve');
    if (!this.#isProcess) await platform.run('profile', `${model}/1`);
    await platform.run('deploy', `${model}/1`, model, '--objective', 'p95<=100ms', '--timeout', '3m');
  }
}
