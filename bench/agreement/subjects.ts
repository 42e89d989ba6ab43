/**
 * What is served, on the live platform and in the simulator: two models that leave the machine room. Two processes that compute at
 * the same time slow each other down here (its processors share a core: a loop takes 1.7 times as long beside another), which no
 * profile of one executor can know; so the one computes nothing, and the other for little of the time.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { binaryRequest } from '../overhead/requests.ts';
import { slowLoopInput, writeSlowLoop } from './slow-loop.ts';

export interface Subject {
  readonly name: string;
  /** Of the server: config.json. */
  readonly config: unknown;
  readonly policy: string;
  readonly objective: string;
  /** For `penstock deploy`: what is said of the model. */
  readonly flags: readonly string[];
  /** Whether its service times can be measured before it serves. */
  readonly isMeasurable: boolean;
  /** Requests a second for which the policy wants one instance, about. */
  readonly perInstance: number;
  /** Puts the model into a folder that is empty, and tells where it is. */
  readonly make: (folder: string) => string;
  readonly request: (url: URL, endpoint: string) => Buffer;
}

const serverFile = fileURLToPath(new URL('./sleeper-main.ts', import.meta.url));

/** A process that costs next to no computing, and takes the same time for each. */
const sleeper: Subject = {
  name: 'a process, asleep for 40 ms',
  config: { images: [{ match: 'sleeper', runtime: 'process', command: [process.execPath, serverFile], env: { SLEEP_MS: '40' } }] },
  policy: 'economic',
  objective: 'p95<=200ms',
  flags: ['--image', 'sleeper'],
  isMeasurable: false,
  perInstance: 24,
  make: (folder) => {
    const model = join(folder, 'sleeper');
    mkdirSync(model);
    writeFileSync(join(model, 'nothing.txt'), 'all there is to know is how long to sleep');
    return model;
  },
  request: (url, endpoint) =>
    postRequest(new URL(`/api/v1/endpoints/${endpoint}/invoke`, url), '{}', { 'Content-Type': 'application/json' }),
};

/** Computes for some 30 ms. An instance counts as full with a third of what it could do, and the objective allows for few who wait. */
const slowLoop: Subject = {
  name: 'onnxruntime, computing for 30 ms',
  config: {},
  policy: 'economic,rho=0.3',
  objective: 'p95<=100ms',
  flags: [],
  isMeasurable: true,
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
