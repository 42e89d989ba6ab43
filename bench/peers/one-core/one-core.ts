/** All processes of a server on one core, and the generator on another. */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { closedLoop, measuredLoop } from '../../load/measured-loop.ts';
import { watchOthers } from '../other-load.ts';
import { closedLoopGenerator, type LoadContext, measureRounds } from '../rounds.ts';
import { encodings, type OnnxSubject, onnxSubjects } from '../subjects.ts';
import { type OneCoreCell, oneCoreTable } from './report.ts';

const [serverCore, generatorCore] = [0, 1];
const allCores = `0-${cpus().length - 1}`;
const concurrency = 64;
const warmUpMs = 4000;

export async function oneCoreLoad(context: LoadContext): Promise<void> {
  const { subjects, missing } = await onnxSubjects(context.scratch, context.triton, context.isWanted);
  // Servers inherit the core of this process, with all their threads.
  pinOwnProcess(String(serverCore));
  try {
    await measureRounds<OneCoreCell>(context, {
      scenario: 'peers-one-core',
      generator: closedLoopGenerator(),
      missing,
      servers: subjects.map((subject) => ({ name: subject.name, measure: () => measureSubject(subject, context.measureMs) })),
      table: oneCoreTable,
    });
  } finally {
    for (const subject of subjects) await subject.close();
    pinOwnProcess(allCores);
  }
}

function pinOwnProcess(cores: string): void {
  const { status, error, stderr } = spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(process.pid)]);
  if (error !== undefined || status !== 0) throw new Error(`taskset is required (Debian: util-linux): ${error?.message ?? String(stderr)}`);
}

async function measureSubject(subject: OnnxSubject, measureMs: number): Promise<OneCoreCell[]> {
  const running = await subject.start();
  try {
    const cells: OneCoreCell[] = [];
    for (const encoding of encodings) {
      const requests = subject.requests(running.url, encoding);
      if (requests === null) continue;
      const target = { url: running.url, pid: running.pid, requests, core: generatorCore };
      await closedLoop(target, concurrency, warmUpMs);
      const others = watchOthers(running.pid);
      const { ratePerSecond, p99Ms, cpuUsPerRequest } = await measuredLoop(target, concurrency, measureMs);
      cells.push({ server: subject.name, encoding, ratePerSecond, p99Ms, cpuUsPerRequest, otherCores: others() });
    }
    return cells;
  } finally {
    await running.stop();
  }
}
