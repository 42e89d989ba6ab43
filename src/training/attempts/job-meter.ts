/** Charges jobs while they have an instance. Their credentials are valid for as long. */
import type { Access } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import type { CostHistory, Ledger } from '../../costs/index.ts';
import { nameKey } from '../../names.ts';
import type { StoredTraining } from '../rows.ts';
import { instanceMs, isOver } from '../status.ts';
import type { JobInstance, JobMeter } from './run-deps.ts';

export interface JobMeterDeps {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly ledger: Pick<Ledger, 'startedJob' | 'endedJob' | 'ended'>;
  /** What earlier servers charged. */
  readonly costs: Pick<CostHistory, 'list'>;
  readonly access: Pick<Access, 'holdJob' | 'releaseJob'>;
  readonly instanceOf: (spec: StoredTraining['spec']) => JobInstance;
}

interface Metered {
  /** Charged before the current attempt, or by earlier servers. */
  readonly chargedMs: number;
  readonly isRunning: boolean;
}

/**
 * A server that is killed may have charged less than a job ran, and none charges while it is away. So the next one charges the difference
 * between the job's own time and what is stored of its costs.
 */
export function jobMeter({ clock, ledger, costs, access, instanceOf }: JobMeterDeps): JobMeter {
  const metered = new Map<string, Metered>();
  const chargedByEarlier = async ({ spec, progress, createdAtMs }: StoredTraining): Promise<number> => {
    if (progress.startedAtMs === null) return 0; // an earlier job of this name may have costs
    const toMs = Math.max(clock.wallMs(), createdAtMs) + 1;
    const lines = await costs.list({ endpoint: accountOf(spec.name), fromMs: createdAtMs, toMs, by: 'total' });
    return lines.reduce((sum, { instanceSeconds }) => sum + 1000 * instanceSeconds, 0);
  };
  return {
    started: async (job) => {
      const { spec, progress } = job;
      const id = nameKey(spec.name);
      const known = metered.get(id);
      if (known?.isRunning === true) return;
      access.holdJob(id);
      const chargedMs = known?.chargedMs ?? (await chargedByEarlier(job));
      metered.set(id, { chargedMs, isRunning: true });
      const elapsedMs = Math.max(0, instanceMs(progress, clock.wallMs()) - chargedMs);
      // The name of the account cannot be that of an endpoint.
      ledger.startedJob(accountOf(id), accountOf(spec.name), { usdPerHour: instanceOf(spec).usdPerHour, elapsedMs });
    },
    ended: (name, job) => {
      const id = nameKey(name);
      const known = metered.get(id);
      access.releaseJob(id);
      if (job === null) {
        if (known?.isRunning !== true) return;
        metered.delete(id);
        return ledger.ended(accountOf(id));
      }
      const totalMs = instanceMs(job.progress, clock.wallMs());
      if (known?.isRunning === true) ledger.endedJob(accountOf(id), Math.max(0, totalMs - known.chargedMs));
      if (isOver(job.progress.status)) metered.delete(id);
      else metered.set(id, { chargedMs: totalMs, isRunning: false });
    },
  };
}

function accountOf(name: string): string {
  return `training:${name}`;
}
