/** Opens the provider that runs workers on this machine. */
import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import { acceleratorTable } from '../costs/index.ts';
import { defined } from '../defined.ts';
import { messageOf } from '../errors.ts';
import { type Log, type LogGroups, logWorkerLine } from '../logs/index.ts';
import { type Events, WorkerExits } from '../records/index.ts';
import type { WorkerLink } from '../runtime/index.ts';
import { isolationSettings } from './isolation/settings.ts';
import { loadLimits } from './load-limits.ts';
import { LocalProvider, type LocalProviderOptions, type PythonHost } from './local-provider.ts';
import type { Provider } from './provider.ts';
import { pythonSettings } from './python/python-settings.ts';

/** Timeout that suffices to inspect an archive of the maximum size on a slow disk. */
const bundleTimeoutMs = 600_000;

/** What workers need once they have a model: it is opened after the provider. */
export interface ModelDeps {
  readonly logGroups: LogGroups;
  /** Copies model files to this machine if needed. */
  readonly objects: { fetch(sha256: string): Promise<string> };
  /** Verifies model files before a worker opens them. */
  readonly files: {
    check(path: string): Promise<void>;
    readonly change: NonNullable<LocalProviderOptions['changeModel']>;
  };
}

/** Modules that the provider stands on. */
export interface OpenProviderDeps extends Pick<LocalProviderOptions, 'clock' | 'log' | 'stateDirectory'> {
  /** Null until the server serves: no worker has a model before. */
  readonly modelDeps: () => ModelDeps | null;
  /** Finds the Python of an environment. */
  readonly interpreterOf: PythonHost['interpreterOf'];
}

/** Opens the provider as the configuration says. It ends its workers when `closers` close. */
export async function openProvider(config: Config, deps: OpenProviderDeps, closers: Closers): Promise<LocalProvider> {
  const { clock, log, stateDirectory, modelDeps, interpreterOf } = deps;
  const opened = (): ModelDeps => {
    const late = modelDeps();
    assert(late !== null, 'no worker gets a model before the server serves');
    return late;
  };
  const { warmWorkers, startDelayMs, isolation } = config;
  const { run, network, forkServer: forks } = pythonSettings(config.python, config);
  const python = run === 'off' ? undefined : { interpreterOf, hasNetwork: network === 'host', forks };
  const provider = new LocalProvider({
    clock,
    log,
    stateDirectory,
    onLine: (spec, line, requestIds) => {
      const late = modelDeps();
      if (late !== null) logWorkerLine(late.logGroups, spec, line, { requestIds });
    },
    fetchFile: async (sha256) => {
      const { objects, files } = opened();
      const path = await objects.fetch(sha256);
      await files.check(path);
      return path;
    },
    changeModel: (path, change) => opened().files.change(path, change),
    warmWorkers,
    startDelayMs: startDelayMs ?? 0,
    isolation: isolationSettings(isolation),
    accelerators: acceleratorTable(config.accelerators),
    ...defined({ python }),
  });
  await provider.open();
  return closers.add(provider);
}

/** Inspects model files in borrowed workers. */
export function inspectionBy(provider: Pick<Provider, 'borrow'>, modelBytesMax: number) {
  const inspect = (...[model, rewriteTo, sample]: Parameters<WorkerLink['inspect']>) => {
    const dataBytes = (model.data ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
    return provider.borrow((link) => link.inspect(model, rewriteTo, sample), loadLimits(dataBytes));
  };
  const inspectBundle = (path: string) =>
    provider.borrow((link) => link.inspectBundle(path, modelBytesMax), { timeoutMs: bundleTimeoutMs });
  return { inspect, inspectBundle, modelBytesMax };
}

/** Publishes unexpected worker exits as events, rate-limited. */
export function workerExitsTo(
  events: Events,
  { clock, log, provider }: { readonly clock: Clock; readonly log: Log; readonly provider: Pick<LocalProvider, 'onEnded'> },
): WorkerExits {
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'failed to record a worker exit');
  const ends = new WorkerExits({ events, clock, onFailure });
  provider.onEnded((worker, end) => ends.ended(worker, end));
  return ends;
}
