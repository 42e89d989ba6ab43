/** `penstock cluster drain --self`: the node or host of a data directory of this machine ends, after what it serves has moved. */
import { readLock } from '../../../data-directory/index.ts';
import { messageOf } from '../../../errors.ts';
import { CliError } from '../../cli-error.ts';
import { pause } from '../../client/pause.ts';
import type { VerbSession } from '../../verb.ts';

const pollMs = 100;

/** What was drained. */
export interface DrainedSelf {
  readonly pid: number;
  readonly ended: boolean;
}

/**
 * SIGTERM to the process itself, also if another program started it and does not pass signals on. Needs no server, so it works while the
 * home is away.
 */
export async function drainSelf(session: VerbSession, wait: boolean, withinMs: number): Promise<DrainedSelf> {
  const { clock, interrupted } = session.context;
  const { dataDir } = session.options;
  const holder = await readLock(dataDir);
  if (holder === null) throw new CliError(`no process uses ${dataDir}: pass the --data-dir of the node or host that is to be drained`);
  const { pid } = holder;
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    throw new CliError(`process ${pid}, which uses ${dataDir}, got no SIGTERM (${messageOf(error)}): run this as its user`);
  }
  const untilMs = clock.nowMs() + withinMs;
  const isRunning = async (): Promise<boolean> => (await readLock(dataDir))?.pid === pid;
  while (wait && !interrupted.aborted && (await isRunning())) {
    if (clock.nowMs() >= untilMs) throw new CliError(`process ${pid} has not ended yet; it keeps draining, at most for its own limit`);
    await pause(clock, pollMs, interrupted);
  }
  return { pid, ended: !(await isRunning()) };
}
