/** A job that prints a hundred megabytes, and a server with ten thousand jobs. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DescribeTrainingJobCommand, ListTrainingJobsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import type { TrainingLogBody } from '../../src/api/index.ts';
import { Server } from '../../test/end-to-end/server.ts';
import { percentileOf } from '../load/latencies.ts';
import { over } from './jobs.ts';
import type { Measured } from './report.ts';

const linesCount = 1_000_000;
const metricsCount = 40;
/** 100 bytes each; every third line has a value of one of three metrics. */
const printer = `import sys
out = sys.stdout
pad = "x" * 80
for i in range(${linesCount}):
    out.write(f"m{i % 9}={i % 100} {pad[:88 - len(str(i))]} {i}\\n" if i % 3 == 0 else f"line {pad[:88 - len(str(i))]} {i}\\n")
`;

/** CPU seconds of the threads of a process, the busiest first. */
function threadSeconds(pid: number): number[] {
  const found = readdirSync(`/proc/${pid}/task`).map((task) => {
    const fields = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  });
  return found.toSorted((a, b) => b - a);
}

export async function longOutput(server: Server): Promise<Measured[]> {
  const metrics = Array.from({ length: metricsCount }, (_, at) => ({ name: `m${at}`, regex: `m${at}=([0-9.]+)` }));
  const before = threadSeconds(server.pid).reduce((sum, each) => sum + each, 0);
  const command = ['python3', '-c', printer];
  await server.callWell('POST', '/training-jobs', { name: 'long', environment: null, command, metrics, max_runtime_s: 600 });
  // A health probe waits as long as the event loop is blocked.
  const delays: number[] = [];
  let isOver = false;
  const probing = (async () => {
    while (!isOver) {
      const from = performance.now();
      await fetch(`${server.url}/v2/health/live`);
      delays.push(performance.now() - from);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const job = await over(server, 'long');
  isOver = true;
  await probing;
  const cpu = threadSeconds(server.pid).reduce((sum, each) => sum + each, 0) - before;
  let lines = 0;
  let last = '';
  for (let after: string | null = null; ; ) {
    const query = after === null ? '' : `&after=${encodeURIComponent(after)}`;
    const page: TrainingLogBody = await server.callWell('GET', `/training-jobs/long/logs?limit=10000${query}`);
    lines += page.items.length;
    last = page.items.at(-1)?.line ?? last;
    after = page.next;
    if (page.items.length === 0) break; // a page ends after some bytes too
  }
  const sorted = delays.toSorted((a, b) => a - b);
  return [
    {
      what: `a job that prints ${linesCount} lines (100 MB) with ${metricsCount} metrics: lines in its log`,
      value: lines,
      unit: '',
      least: linesCount,
    },
    { what: 'the last line is the last one printed', value: last.endsWith(` ${linesCount - 1}`) ? 1 : 0, unit: 'yes', least: 1 },
    { what: 'CPU time of the whole server, its metric thread included', value: cpu, unit: 's', most: 60 },
    { what: 'health probes meanwhile, p99', value: percentileOf(sorted, 99), unit: 'ms', most: 20 },
    { what: 'time of the job', value: job.usage?.seconds ?? Number.NaN, unit: 's' },
  ];
}

/** Copies a job in the database of a server that does not run, then asks the next one for lists and descriptions. */
export async function tenThousand(dataDir: string, name: string, count: number): Promise<Measured[]> {
  const state = new DatabaseSync(join(dataDir, 'state.db'));
  const row = state.prepare('select * from training_jobs where name_key = ?').get(name);
  if (row === undefined) throw new Error(`there is no job ${name}`);
  const columns = Object.keys(row);
  const insert = state.prepare(`insert into training_jobs (${columns.join(',')}) values (${columns.map(() => '?').join(',')})`);
  state.exec('begin');
  for (let number = 0; number < count; number++) {
    const copy = `copied-${String(number).padStart(5, '0')}`;
    const document = String(row['document']).replace(`"name":"${name}"`, `"name":"${copy}"`);
    const changed: Record<string, unknown> = {
      ...row,
      name: copy,
      name_key: copy,
      document,
      created_at: Number(row['created_at']) + number,
      version: null,
    };
    insert.run(...columns.map((column) => (changed[column] ?? null) as string | number | null));
  }
  state.exec('commit');
  state.close();
  const server = await Server.start({ dataDir });
  const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
  const sagemaker = new SageMakerClient({ endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } });
  const timed = async (run: () => Promise<unknown>): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < 21; round++) {
      const from = performance.now();
      await run();
      times.push(performance.now() - from);
    }
    return percentileOf(
      times.slice(1).toSorted((a, b) => a - b),
      95,
    ); // without the first, which connects
  };
  try {
    const found: Measured[] = [];
    for (const [what, run] of [
      ['ListTrainingJobs, 100 of them', () => sagemaker.send(new ListTrainingJobsCommand({ MaxResults: 100 }))],
      [
        'ListTrainingJobs by name',
        () => sagemaker.send(new ListTrainingJobsCommand({ NameContains: '-0777', MaxResults: 100, SortBy: 'Name' })),
      ],
      ['DescribeTrainingJob', () => sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: 'copied-05000' }))],
      ['GET /training-jobs, 100 of them', () => server.callWell('GET', '/training-jobs?limit=100')],
    ] as const)
      found.push({ what: `with ${count} jobs: ${what}, p95`, value: await timed(run), unit: 'ms', most: 100 });
    return found;
  } finally {
    sagemaker.destroy();
    await server.end();
  }
}
