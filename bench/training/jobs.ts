/** How long jobs take to begin and to end, and how many of them run one after the other. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { TrainingJobBody, TrainingLogBody } from '../../src/api/index.ts';
import type { Server } from '../../test/end-to-end/server.ts';
import { median, percentileOf } from '../load/latencies.ts';
import type { Measured } from './report.ts';

const dataBytes = 10 * 1000 * 1000;
/** A whole job, without the libraries that a real one would import. */
const work = `import time
end = time.process_time() + 2
while time.process_time() < end:
    sum(range(10000))
print("done")
`;

export async function create(server: Server, spec: object, files: Readonly<Record<string, Uint8Array>> = {}): Promise<TrainingJobBody> {
  const form = new FormData();
  form.append('spec', JSON.stringify({ environment: null, ...spec }));
  for (const [channel, bytes] of Object.entries(files)) form.append(`data.${channel}`, new Blob([Uint8Array.from(bytes)]), 'data');
  const response = await fetch(`${server.url}/api/v1/training-jobs`, { method: 'POST', body: form });
  if (response.status !== 202) throw new Error(await response.text());
  return (await response.json()) as TrainingJobBody;
}

/** Waits by the stream of events, so that waiting costs the server nothing. */
export async function over(server: Server, name: string): Promise<TrainingJobBody> {
  for (;;) {
    const { body } = await fetch(`${server.url}/api/v1/training-jobs/${name}/events`);
    let text = '';
    for await (const chunk of body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString('utf8');
      if (/"training\.(?:completed|failed|stopped)"/.test(text)) break;
    }
    const job = await server.callWell<TrainingJobBody>('GET', `/training-jobs/${name}`);
    if (job.status !== 'InProgress' && job.status !== 'Stopping') return job;
  }
}

/** From the request that creates a job, whose data is stored already, to the first line that its script prints. */
export async function firstLines(server: Server, count: number): Promise<Measured[]> {
  await create(server, { name: 'data', command: ['/bin/sh', '-c', 'true'] }, { train: Buffer.alloc(dataBytes, 'a') });
  await over(server, 'data');
  const times: number[] = [];
  for (let number = 0; number < count; number++) {
    const name = `first-${number}`;
    const beganMs = Date.now();
    await server.callWell('POST', '/training-jobs', { from: 'data', name, command: ['/bin/sh', '-c', 'date +%s%3N'] });
    await over(server, name);
    const { items } = await server.callWell<TrainingLogBody>('GET', `/training-jobs/${name}/logs`);
    times.push(Number(items[0]?.line) - beganMs);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return [
    {
      what: `created to the first line of the script, ${count} jobs, 10 MB of data: p50`,
      value: percentileOf(sorted, 50),
      unit: 'ms',
      most: 400,
    },
    { what: 'the same, p99', value: percentileOf(sorted, 99), unit: 'ms', most: 1000 },
  ];
}

/** A whole job less the same script by hand. */
export async function wholeJobs(server: Server, folder: string, rounds: number): Promise<Measured[]> {
  const path = `${folder}/work.py`;
  writeFileSync(path, work);
  const extra: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const bare = performance.now();
    execFileSync('python3', [path]);
    const bareMs = performance.now() - bare;
    const began = performance.now();
    const cpuBefore = processSeconds(server.pid);
    await create(server, { name: `whole-${round}`, command: ['python3', '/opt/ml/input/data/code/data'] }, { code: readFileSync(path) });
    const { status, reason } = await over(server, `whole-${round}`);
    if (status !== 'Completed') throw new Error(`the job is ${status}: ${reason}`);
    extra.push(performance.now() - began - bareMs);
    cpu.push(1000 * (processSeconds(server.pid) - cpuBefore));
  }
  return [
    { what: `a whole job less the same script by hand, median of ${rounds}`, value: median(extra), unit: 'ms', most: 1000 },
    { what: 'processor time of the server for each of them, median', value: median(cpu), unit: 'ms', most: 1000 },
  ];
}

/** Processor time of all threads of a process. */
function processSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Jobs at once: those that wait keep their order, and 20 of them are stopped. */
export async function manyJobs(server: Server, count: number): Promise<Measured[]> {
  const rssMiB = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
  const spec = { environment: null, command: ['/bin/sh', '-c', 'echo 1'] };
  const cold = rssMiB();
  // What the first job loads stays loaded.
  await server.callWell('POST', '/training-jobs', { name: 'first', ...spec });
  await over(server, 'first');
  const before = rssMiB();
  const names = Array.from({ length: count }, (_, at) => `many-${String(at).padStart(3, '0')}`);
  for (const name of names) await server.callWell('POST', '/training-jobs', { name, ...spec });
  const stopped = names.filter((_, at) => at >= count / 2 && at % 5 === 0).slice(0, 20);
  for (const name of stopped) await server.callWell('POST', `/training-jobs/${name}/stop`, {});
  let most = 0;
  const jobs: TrainingJobBody[] = [];
  for (const name of names) {
    jobs.push(await over(server, name));
    most = Math.max(most, rssMiB());
  }
  const completed = jobs.filter(({ status }) => status === 'Completed');
  const begun = completed.map(({ started_at: at }) => Date.parse(at ?? ''));
  const isOrdered = begun.every((at, index) => index === 0 || at >= (begun[index - 1] ?? 0));
  return [
    {
      what: `of ${count} jobs at once, ${stopped.length} stopped while they wait: completed`,
      value: completed.length,
      unit: '',
      least: count - stopped.length,
    },
    { what: 'of them started in the order of their creation', value: isOrdered ? 1 : 0, unit: 'yes', least: 1 },
    { what: 'memory of the server, more than after its first job', value: most - before, unit: 'MiB', most: 60 },
    { what: 'the same, more than before its first job', value: most - cold, unit: 'MiB' },
  ];
}
