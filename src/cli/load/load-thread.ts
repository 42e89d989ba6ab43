/** Runs a load in a thread of its own, so that the server's event loop does not wait for its own client. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { runClosedLoop } from './closed-loop.ts';
import { postRequest } from './http-connection.ts';
import { boundsOf, runOpenLoop } from './open-loop.ts';
import type { LoadNews, LoadOrder } from './run-load.ts';

const newsEveryMs = 500;
const excuseLengthMax = 500;
/** So many first answers that say so tell of all rows, not of one. */
const refusalsMin = 3;

assert(parentPort !== null, 'this file is the main of a thread');
const port = parentPort;
const tell = (news: LoadNews): void => port.postMessage(news);
const order = workerData as LoadOrder;
const url = new URL(order.url);
const headers = { 'Content-Type': 'application/json', ...order.headers };
const requests = order.bodies.map((body) => postRequest(url, body, headers));
const answers: string[] = [];
const excuses = new Map<string, string>();
const clock = new SystemClock();
const interruption = new AbortController();
port.on('message', () => interruption.abort());
port.unref();
let [answered, failed, refused, toldAtMs] = [0, 0, 0, clock.nowMs()];
let refusal: string | null = null;

/** Told as outcomes come: a timer of its own would keep the thread. */
function tellNow(): void {
  if (clock.nowMs() - toldAtMs < newsEveryMs) return;
  toldAtMs = clock.nowMs();
  tell({ kind: 'progress', answered, failed });
}

function noticeRefusal(why: string, body: Buffer): void {
  if (why === '400' && body.includes('"code":"invalid_request"')) refused++;
  if (answered > 0 || refused < refusalsMin || refused < failed || refusal !== null) return;
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
  ...(order.forMs === undefined ? {} : { bounds: boundsOf(order.forMs) }),
  requestOf: (i: number) => requests[i % requests.length] as Buffer,
  onAnswer: (i: number, body: Buffer) => {
    answered++;
    if (order.wantsAnswers) answers[i] = body.toString();
    tellNow();
  },
  onFailure: (why: string, body: Buffer) => {
    failed++;
    if (!excuses.has(why)) excuses.set(why, body.toString('utf8', 0, excuseLengthMax));
    if (order.stopsWhereRefused === true) noticeRefusal(why, body);
    tellNow();
  },
};
const { failures, ...result } =
  order.closed === undefined
    ? await runOpenLoop({ ...target, arrivalsMs: order.arrivalsMs, connections: order.connections })
    : await runClosedLoop({ ...target, ...order.closed });
tell({ kind: 'over', report: { ...result, failures: [...failures], excuses: [...excuses], refusal, answers } });
