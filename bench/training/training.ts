/** `npm run bench -- training`: how fast jobs start and end, what serving notices of them, and how large they may be. */
import { rmSync } from 'node:fs';
import { Server, temporaryDirectory } from '../../test/end-to-end/server.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { instanceDuringSpot, servingDuringJob } from './during-jobs.ts';
import { firstLines, manyJobs, wholeJobs } from './jobs.ts';
import { longOutput, tenThousand } from './large.ts';
import { type Measured, tableOf } from './report.ts';

export interface TrainingBenchOptions {
  /** Parts, separated by commas; empty: all. */
  readonly only: string;
  /** Of each load. */
  readonly seconds: number;
  readonly isDry: boolean;
}

const parts = ['start', 'whole', 'many', 'serving', 'spot', 'output', 'list'] as const;
type Part = (typeof parts)[number];

export async function trainingBench({ only, seconds, isDry }: TrainingBenchOptions): Promise<void> {
  const wanted = only === '' ? parts : parts.filter((part) => only.split(',').includes(part));
  const figures: Measured[] = [];
  for (const part of wanted) {
    console.error(part);
    figures.push(...(await measured(part, seconds)));
  }
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const table = tableOf(figures, `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}).`);
  console.log(table);
  if (!isDry && wanted.length === parts.length) writeResults('training', { at, commit: commit(), machine: machine(), figures }, table);
}

/** Each part has a server of its own. */
async function measured(part: Part, seconds: number): Promise<Measured[]> {
  const dataDir = temporaryDirectory();
  let server = await Server.start({ dataDir });
  try {
    if (part === 'start') return await firstLines(server, 40);
    if (part === 'whole') return await wholeJobs(server, dataDir, 5);
    if (part === 'many') return await manyJobs(server, 200);
    if (part === 'serving') return await servingDuringJob(server, seconds);
    if (part === 'output') return await longOutput(server);
    if (part === 'spot') {
      await server.deploy('digits', 'digits_mlp', { objective: 'p95<=50ms' });
      return await instanceDuringSpot(server, 5);
    }
    await server.callWell('POST', '/training-jobs', { name: 'one', environment: null, command: ['/bin/sh', '-c', 'echo 1'] });
    for (let status = ''; status !== 'Completed'; ) ({ status } = await server.callWell<{ status: string }>('GET', '/training-jobs/one'));
    await server.end();
    const found = await tenThousand(dataDir, 'one', 10_000);
    server = await Server.start({ dataDir });
    return found;
  } finally {
    await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
