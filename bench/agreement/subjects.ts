/**
 * The models of the comparison. Both use little CPU: on a machine whose processors share a core, parallel processes slow each other down
 * (a loop takes 1.7 times as long), which a profile of a single executor cannot show.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { binaryRequest } from '../overhead/requests.ts';
import { slowLoopInput, writeSlowLoop } from './slow-loop.ts';

export interface Subject {
  readonly name: string;
  /** Content of the server's config.json. */
  readonly config: unknown;
  readonly policy: string;
  readonly objective: string;
  /** Options of `penstock deploy` for the model. */
  readonly flags: readonly string[];
  /** Whether its service times can be profiled before it serves. */
  readonly isProfilable: boolean;
  /** Requests per second for which the policy uses about one instance. */
  readonly perInstance: number;
  /** Writes the model to an empty folder and returns its path. */
  readonly make: (folder: string) => string;
  readonly request: (url: URL, endpoint: string) => Buffer;
}

const serverFile = fileURLToPath(new URL('./sleeper-main.ts', import.meta.url));

/** A process that uses almost no CPU and takes the same time for each request. */
const sleeper: Subject = {
  name: 'a process, asleep for 40 ms',
  config: {
    images: [
      {
        match: 'sleeper',
        runtime: 'process',
        command: [process.execPath, serverFile],
        paths: [process.execPath, serverFile],
        env: { SLEEP_MS: '40' },
      },
    ],
  },
  policy: 'economic',
  objective: 'p95<=200ms',
  flags: ['--image', 'sleeper'],
  isProfilable: false,
  perInstance: 24,
  make: (folder) => {
    const model = join(folder, 'sleeper');
    mkdirSync(model);
    writeFileSync(join(model, 'nothing.txt'), 'the model has no content: SLEEP_MS is its only parameter');
    return model;
  },
  request: (url, endpoint) =>
    postRequest(new URL(`/api/v1/endpoints/${endpoint}/invoke`, url), '{}', { 'Content-Type': 'application/json' }),
};

/** Computes for about 30 ms. rho=0.3 fills an instance to a third, and the tight objective allows little queueing. */
const slowLoop: Subject = {
  name: 'onnxruntime, computing for 30 ms',
  config: {},
  policy: 'economic,rho=0.3',
  objective: 'p95<=100ms',
  flags: [],
  isProfilable: true,
  perInstance: 10,
  make: (folder) => {
    const model = join(folder, 'slow-loop.onnx');
    writeSlowLoop(model);
    return model;
  },
  request: (url, endpoint) => {
    const { name, shape } = slowLoopInput;
    return binaryRequest(url, endpoint, name, shape, new Float32Array(shape[1]).fill(0.5));
  },
};

export const subjects: readonly Subject[] = [sleeper, slowLoop];
