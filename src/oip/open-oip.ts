/** What the Open Inference Protocol needs of the server, over REST and gRPC. */
import type { Config } from '../config.ts';
import type { Deployments, Readiness } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { Foundation } from '../foundation/index.ts';
import type { OipDeps } from './deps.ts';

type Handed = 'serving' | 'refusals' | 'calls' | 'listener' | 'access' | 'version';

/** Modules that the protocol stands on. */
export interface OipServicesDeps extends Pick<Foundation, 'clock' | 'logs' | 'traces' | 'threads'>, Pick<OipDeps, Handed> {
  readonly deployments: Deployments;
  readonly readiness: Readiness;
}

/** Waits for loads and unloads, because the protocol's calls return when the model is ready. */
export function oipServices({ timeoutMs }: Config, deps: OipServicesDeps): OipDeps {
  const { deployments, readiness, clock, logs, traces, threads } = deps;
  const { serving, refusals, calls, listener, access, version } = deps;
  return {
    serving,
    deployed: () => deployments.list(),
    load: async (name, who) => {
      await deployments.load(name, who);
      const { status, reason } = await deployments.waitFor(name, timeoutMs);
      if (status !== 'InService') throw new PlatformError('unavailable', `endpoint ${name} did not load: ${reason ?? status}`);
    },
    unload: async (name, who) => {
      await deployments.unload(name, who);
      await deployments.waitFor(name, timeoutMs);
    },
    health: () => ({ live: true, ...readiness.state }),
    onHealthChange: (onChange) => readiness.onChange(onChange),
    calls,
    listener,
    access,
    threads,
    traces,
    writeAccess: (line) => logs.access(line),
    refusals,
    clock,
    log: logs.platform,
    version,
  };
}
