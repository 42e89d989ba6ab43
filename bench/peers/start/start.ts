/** From the start of a server that has a model to its first response, and to its full speed. */
import { HttpConnection } from '../../../src/cli/load/http-connection.ts';
import { closedLoop } from '../../load/measured-loop.ts';
import type { RunningSubject } from '../../python/subjects.ts';
import { watchOthers } from '../other-load.ts';
import { closedLoopGenerator, type LoadContext, measureRounds } from '../rounds.ts';
import { type OnnxSubject, onnxSubjects } from '../subjects.ts';
import { type StartCell, startTable } from './report.ts';

const concurrency = 64;
const steps = 10;
const answerMsMax = 60_000;

export async function startLoad(context: LoadContext): Promise<void> {
  const { subjects, missing } = await onnxSubjects(context.scratch, context.triton, context.isWanted);
  try {
    // Once before, so that models are deployed and files are in the page cache.
    for (const subject of subjects) await (await subject.start()).stop();
    await measureRounds<StartCell>(context, {
      scenario: 'peers-start',
      generator: closedLoopGenerator(),
      missing,
      servers: subjects.map((subject) => ({ name: subject.name, measure: () => measureStart(subject) })),
      table: startTable,
    });
  } finally {
    for (const subject of subjects) await subject.close();
  }
}

async function measureStart(subject: OnnxSubject): Promise<StartCell[]> {
  const beginMs = performance.now();
  const running = await subject.start();
  try {
    const requests = subject.requests(running.url, 'JSON') ?? [];
    await untilAnswering(running, requests[0] as Uint8Array);
    const answerMs = performance.now() - beginMs;
    const others = watchOthers(running.pid);
    const perSecond: number[] = [];
    for (let i = 0; i < steps; i++) {
      perSecond.push((await closedLoop({ url: running.url, requests }, concurrency, 1000)).ratePerSecond);
    }
    return [{ server: subject.name, readyMs: running.readyMs ?? null, answerMs, perSecond, otherCores: others() }];
  } finally {
    await running.stop();
  }
}

async function untilAnswering({ url }: RunningSubject, request: Uint8Array): Promise<void> {
  const untilMs = performance.now() + answerMsMax;
  for (;;) {
    const connection = await HttpConnection.open(url.hostname, Number(url.port));
    const { status } = await connection.send(Buffer.from(request)).finally(() => connection.close());
    if (status === 200) return;
    if (performance.now() > untilMs) throw new Error(`no response within a minute, the last status was ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
