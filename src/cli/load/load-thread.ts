/** Main of the load thread. A separate thread keeps the load generator off the event loop of a server in the same process. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { runClosedLoop } from './closed-loop.ts';
import { postRequest } from './http-connection.ts';
import { runOpenLoop, sendLimitsOf } from './open-loop.ts';
import type { LoadThreadMessage, LoadThreadRequest } from './run-load.ts';

const progressEveryMs = 500;
const excuseLengthMax = 500;
/** With this many rejections before the first success, all rows are assumed to be wrong. */
const rejectionsMin = 3;

assert(parentPort !== null, 'this file is the main of a thread');
const port = parentPort;
const post = (message: LoadThreadMessage): void => port.postMessage(message);
const load = workerData as LoadThreadRequest;
const url = new URL(load.url);
const headers = { 'Content-Type': 'application/json', ...load.headers };
const requests = load.bodies.map((body) => postRequest(url, body, headers));
const answers: string[] = [];
const excuses = new Map<string, string>();
const clock = new SystemClock();
const interruption = new AbortController();
port.on('message', () => interruption.abort());
port.unref();
let [answered, failed, rejected, postedAtMs] = [0, 0, 0, clock.nowMs()];
let refusal: string | null = null;

/** Called for each outcome: a timer would keep the thread alive. */
function postProgress(): void {
  if (clock.nowMs() - postedAtMs < progressEveryMs) return;
  postedAtMs = clock.nowMs();
  post({ kind: 'progress', answered, failed });
}

function countRejection(why: string, body: Buffer): void {
  if (why === '400' && body.includes('"code":"invalid_request"')) rejected++;
  if (answered > 0 || rejected < rejectionsMin || rejected < failed || refusal !== null) return;
  refusal = excuses.get(why) ?? '';
  interruption.abort();
}

const isTls = url.protocol === 'https:';
const target = {
  clock,
  host: url.hostname.replace(/^\[|\]$/g, ''),
  port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
  isTls,
  interrupted: interruption.signal,
  ...(load.forMs === undefined ? {} : { bounds: sendLimitsOf(load.forMs) }),
  requestOf: (i: number) => requests[i % requests.length] as Buffer,
  onAnswer: (i: number, body: Buffer) => {
    answered++;
    if (load.wantsAnswers) answers[i] = body.toString();
    postProgress();
  },
  onFailure: (why: string, body: Buffer) => {
    failed++;
    if (!excuses.has(why)) excuses.set(why, body.toString('utf8', 0, excuseLengthMax));
    if (load.stopsWhereRefused === true) countRejection(why, body);
    postProgress();
  },
};
const { failures, ...result } =
  load.closed === undefined
    ? await runOpenLoop({ ...target, arrivalsMs: load.arrivalsMs, connections: load.connections })
    : await runClosedLoop({ ...target, ...load.closed });
post({ kind: 'over', report: { ...result, failures: [...failures], excuses: [...excuses], refusal, answers } });
