/** What deployments are opened with: modules of lower layers, and serving by injection. */
import type { Clock } from '../clock.ts';
import type { PriceTable } from '../costs/index.ts';
import type { Log } from '../logs/index.ts';
import type { FunctionProfiles, Profiles } from '../profiling/index.ts';
import type { Provider } from '../providers/index.ts';
import type { Audit, Decisions, Events } from '../records/index.ts';
import type { ForeignCodeCheck, Registry } from '../registry/index.ts';
import type { Database } from '../storage/index.ts';
import type { ScalingConfig } from './config/scaling-config.ts';
import type { ServingPort } from './serving-port.ts';

export interface DeploymentsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  readonly provider: Provider;
  readonly profiles: Pick<Profiles, 'measureInBackground'>;
  readonly functionProfiles: Pick<FunctionProfiles, 'measureInBackground'>;
  readonly prices: PriceTable;
  /** Cores of this machine; limits the threads of a worker. */
  readonly cores: number;
  readonly events: Events;
  readonly audit: Audit;
  readonly decisions: Pick<Decisions, 'recordIn'>;
  readonly serving: ServingPort;
  /** Throws `invalid_request` for an invalid capture destination. */
  readonly checkCaptureDestination?: (to: string) => Promise<void>;
  /** Throws `forbidden` if the caller may not start the code of a version on this machine. */
  readonly checkForeignCode?: ForeignCodeCheck;
  /** Throws `invalid_request` for an unknown scaling policy. */
  readonly checkPolicy?: (policy: string, limits: ScalingConfig) => void;
}
