/** Follows a running task: copies its output, reads metrics from it, measures it, and synchronises its checkpoints until it ends. */
import { messageOf } from '../../errors.ts';
import { Measure } from '../../metrics/index.ts';
import type { TaskView } from '../../providers/index.ts';
import { jobLogGroup, jobNameOf } from '../job-kind.ts';
import type { StoredTraining } from '../rows.ts';
import type { AttemptFiles } from './attempt-files.ts';
import { isLasting } from './buckets.ts';
import { CheckpointSync, checkpointEveryMs } from './checkpoints.ts';
import type { OutputLog } from './output-log.ts';
import type { RunDeps } from './run-deps.ts';

interface FollowedTask {
  readonly stored: StoredTraining;
  readonly id: string;
  readonly log: OutputLog;
  readonly files: AttemptFiles;
  /** Whether the task goes on without this server. */
  readonly isLeft: () => boolean;
  /** Its host wants it to leave. Called repeatedly. */
  readonly onEviction: (view: TaskView) => void;
}

const pollMs = 200;
const retryMs = 1000;
/** Time to store the last checkpoints, for example while the disk is full. */
const endTries = 60;
/** Every second in the first minute, then every ten. */
const denseSamplesMs = 60_000;

/** Returns the final state of the task; null if it no longer exists, `left` if it goes on without this server. Failures to copy output or checkpoints are logged and repeated. */
export async function followTask(
  deps: RunDeps,
  { stored, id, log, files, isLeft, onEviction }: FollowedTask,
): Promise<TaskView | 'left' | null> {
  const { clock } = deps;
  const { checkpoints, outputs, volumeGb } = stored.spec;
  const synced = [...(checkpoints === null ? [] : [checkpoints]), ...outputs.filter(({ isContinuous }) => isContinuous)];
  const syncs = synced.map((folder) => new CheckpointSync(deps, folder, { files, bytesMax: volumeGb * 1e9 }));
  const begunAtMs = clock.nowMs();
  let [sampledAtMs, cpuMs, syncedAtMs] = [begunAtMs, viewOf(deps, id)?.cpuMs ?? 0, begunAtMs];
  let syncing: Promise<void> = Promise.resolve();
  await readEarlier(deps, stored, id, log);
  for (;;) {
    if (isLeft()) {
      await syncing;
      return 'left';
    }
    // The state is read before the output: an ended task has already printed everything.
    const view = viewOf(deps, id);
    const isEnd = view === null || view.state === 'ended' || view.state === 'lost';
    if (!isEnd && view.eviction !== undefined) onEviction(view);
    const copied = await copyOutput(deps, stored, id, log);
    const nowMs = clock.nowMs();
    const everyMs = nowMs - begunAtMs < denseSamplesMs ? 1000 : 10_000;
    if (!isEnd && nowMs - sampledAtMs >= everyMs) {
      sample(deps, stored, view, { cpuMs: view.cpuMs - cpuMs, ms: nowMs - sampledAtMs });
      [sampledAtMs, cpuMs] = [nowMs, view.cpuMs];
    }
    if (syncs.length > 0 && !isEnd && nowMs - syncedAtMs >= checkpointEveryMs) {
      syncedAtMs = nowMs;
      syncing = syncing.then(async () => {
        for (const sync of syncs) await syncNow(deps, stored, sync, false);
      });
    }
    if (copied === 'more') continue;
    if (isEnd && copied === 'none') {
      await syncing;
      // The folder is removed afterwards, so a checkpoint that is not stored now is lost.
      for (const sync of syncs)
        for (let tries = 1; !isLeft() && !(await syncNow(deps, stored, sync, true)) && tries < endTries; tries++)
          await pause(deps, retryMs, id);
      await deps.metrics.settled(stored.spec.name);
      return view;
    }
    await pause(deps, copied === 'failed' ? retryMs : pollMs, id);
  }
}

function viewOf({ tasks }: RunDeps, id: string): TaskView | null {
  return tasks.list().find((view) => view.id === id) ?? null;
}

/** An earlier server had the last metric values only in its memory, so its output is read again. */
async function readEarlier({ log: serverLog, metrics }: RunDeps, { spec }: StoredTraining, id: string, log: OutputLog): Promise<void> {
  if (spec.metrics.length === 0) return;
  try {
    for await (const lines of log.earlier(id)) await metrics.read(spec, lines, true);
  } catch (error) {
    serverLog.warn({ job: spec.name, error: messageOf(error) }, 'failed to read the earlier output of a training job');
  }
}

async function copyOutput(
  { log: serverLog, metrics }: RunDeps,
  { spec }: StoredTraining,
  id: string,
  log: OutputLog,
): Promise<'none' | 'more' | 'failed'> {
  try {
    const lines = await log.copy(id);
    if (lines.length === 0) return 'none';
    await metrics.read(spec, lines);
    return 'more';
  } catch (error) {
    serverLog.warn({ job: spec.name, error: messageOf(error) }, 'failed to copy the output of a training job, will retry');
    return 'failed';
  }
}

/** False if it may succeed later. */
async function syncNow({ log }: RunDeps, { spec }: StoredTraining, sync: CheckpointSync, isEnd: boolean): Promise<boolean> {
  try {
    await sync.run({ isEnd });
    return true;
  } catch (error) {
    log.warn({ job: spec.name, error: messageOf(error) }, 'failed to store checkpoints of a training job');
    return isLasting(error);
  }
}

/** CloudWatch's metrics of a training instance: 100 is one busy core. */
function sample(
  { series, clock, instanceOf }: RunDeps,
  { spec }: StoredTraining,
  view: TaskView,
  used: { readonly cpuMs: number; readonly ms: number },
): void {
  const metricKey = { namespace: jobLogGroup(spec.name), dimensions: { Host: `${jobNameOf(spec.name)}/algo-1` } };
  const memoryBytes = instanceOf(spec).memoryMiB * 2 ** 20;
  const values = {
    CPUUtilization: (100 * Math.max(0, used.cpuMs)) / used.ms,
    MemoryUtilization: (100 * view.rssBytes) / memoryBytes,
    DiskUtilization: (100 * view.diskBytes) / (spec.volumeGb * 1e9),
  };
  for (const [name, value] of Object.entries(values)) {
    const measure = new Measure();
    measure.add(value);
    series.put(metricKey, { name, unit: 'Percent' }, clock.wallMs(), measure);
  }
}

/** Waits until the time has passed or the task changes. */
async function pause({ clock, tasks }: RunDeps, ms: number, id: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  const unsubscribe = tasks.onChange((view) => {
    if (view.id === id) resolve();
  });
  await promise;
  unsubscribe();
  cancel();
}
