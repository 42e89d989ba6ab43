/** The times of a task whose isolation starts slowly, as on a busy machine: real processes, virtual time. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../../../test/end-to-end/poll.ts';
import { VirtualClock } from '../../clock.ts';
import { Supervisor } from './supervisor.ts';
import { readTaskFile, type TaskPlan } from './task-plan.ts';

const root = mkdtempSync(join(tmpdir(), 'penstock-supervisor-'));
// Not before: measurements of the folders may still be in progress when a task has ended.
process.once('exit', () => rmSync(root, { recursive: true }));

/** As the launch of a namespace does, process 2 starts the command, which leads a process group. It waits for the file `go`. */
const launch = `sh -c 'while [ ! -e go ]; do sleep 0.01; done; setsid sleep 60 & wait $!'; exit $?`;

function makeSupervisor(clock: VirtualClock): { folder: string; supervisor: Supervisor } {
  const folder = mkdtempSync(join(root, 'task-'));
  const plan: TaskPlan = {
    id: 'job/1',
    program: 'sh',
    args: ['-c', launch],
    environment: { PATH: process.env['PATH'] ?? '' },
    isNamespaced: true,
    owner: null,
    hasNetwork: true,
    mark: 'none',
    groups: [],
    memoryMiB: 512,
    diskMiB: 64,
    folders: [folder],
    maxRuntimeMs: 300,
    stopGraceMs: 5000,
    serverSign: join(folder, 'sign'),
    abandonedMs: 3_600_000,
  };
  return { folder, supervisor: new Supervisor(folder, plan, clock) };
}

for (const { what, startMs, isStarted, signal } of [
  {
    what: 'counts from the start of the command, which gets SIGTERM, however long its isolation takes',
    startMs: 20_000,
    isStarted: true,
    signal: 'SIGTERM',
  },
  {
    what: 'counts after a minute if the command has not started, and ends what hangs',
    startMs: 61_000,
    isStarted: false,
    signal: 'SIGKILL',
  },
]) {
  test(`the time limit ${what}`, async () => {
    const clock = new VirtualClock();
    const { folder, supervisor } = makeSupervisor(clock);
    const over = supervisor.run();
    await until('the supervisor measures', () => readTaskFile(folder, 'alive'));
    clock.advance(startMs);
    if (isStarted) {
      writeFileSync(join(folder, 'go'), '');
      await until('the command is found', () => {
        clock.advance(10);
        return readTaskFile(folder, 'claim')?.commandPid;
      });
    }
    clock.advance(isStarted ? 1000 : 6000);
    await over;
    const end = readTaskFile(folder, 'end');
    assert.deepEqual([end?.why, end?.signal], ['time', signal]);
  });
}
