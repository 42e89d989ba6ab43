/**
 * What is known of a model version in functions, for each memory size that may be chosen: measured within the limits of the
 * size where workers can be held to them, and until then derived from the instance that every version is measured on.
 */
import { functionShape, type PriceTable } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import { functionExecutor, functionSizes, sizesAlike } from './function-sizes.ts';
import { type Profile, type ServicePoint, servicePoint } from './profile.ts';
import type { Profiles } from './profiles.ts';

/**
 * `measured`: within the limits of the size, or of one that runs alike. `derived`: from the instance, as if it had less of a
 * processor. `unlimited`: workers cannot be held to their processors here, so that every size runs as the instance does.
 */
export type ProfileBasis = 'measured' | 'derived' | 'unlimited';

export interface FunctionProfile {
  readonly memoryMiB: number;
  /** Of the executor `function:MiB`; only batches that fit. Its `service` is empty where not even one row does. */
  readonly profile: Profile;
  readonly basis: ProfileBasis;
  /** What the worker took at its largest batch; where nothing fits, what one row would take, as far as that is known. */
  readonly peakMemoryMiB: number;
  readonly fits: boolean;
  /** Until a warm worker has loaded the model and answered once; starts are not held back, so it is the same for all sizes. */
  readonly coldMs: number;
}

export interface FunctionProfilesOptions {
  readonly profiles: Pick<Profiles, 'list' | 'measure'>;
  readonly prices: PriceTable;
  /** Of this machine. */
  readonly cores: number;
  /** Whether workers can be held to their processors. */
  readonly isCpuHeld: () => boolean;
  readonly log: Log;
}

/** So much memory comes with one processor; the instance that sizes are derived from has one. */
const mibPerVcpu = 1769;
const baseExecutor = 'instance:local.1';

export class FunctionProfiles {
  readonly #options: FunctionProfilesOptions;
  readonly #sizes: readonly number[];

  constructor(options: FunctionProfilesOptions) {
    this.#options = options;
    this.#sizes = functionSizes(options.prices.functions);
  }

  /** One for each memory size, rising; none while the version has not been measured on the instance `local.1`. */
  async of({ group, version }: Pick<ModelVersion, 'group' | 'version'>): Promise<readonly FunctionProfile[]> {
    const known = new Map((await this.#options.profiles.list(group, version)).map((profile) => [profile.executor, profile]));
    const base = known.get(baseExecutor);
    return base === undefined ? [] : this.#sizes.map((memoryMiB) => this.#sizeOf(memoryMiB, base, known));
  }

  /** Measures what is missing, largest processors first. Rejects as `Profiles.measure` does. */
  async measure(version: ModelVersion): Promise<void> {
    const { profiles, isCpuHeld, cores } = this.#options;
    const known = new Map((await profiles.list(version.group, version.version)).map((profile) => [profile.executor, profile]));
    const base = known.get(baseExecutor) ?? (await profiles.measure(version, baseExecutor));
    if (!isCpuHeld()) return;
    const leastMiB = base.service[0]?.rssMiB ?? 0;
    const representatives = this.#sizes.filter((size) => sizesAlike(size, this.#sizes, cores)[0] === size);
    for (const memoryMiB of representatives.toReversed()) {
      const largestMiB = sizesAlike(memoryMiB, this.#sizes, cores).at(-1) as number;
      if (largestMiB < leastMiB || this.#measured(memoryMiB, known) !== undefined) continue;
      await profiles.measure(version, functionExecutor(memoryMiB));
    }
  }

  /** The same; nobody waits, and what goes wrong is logged. */
  measureInBackground(version: ModelVersion): void {
    if (version.runtime.kind !== 'onnx') return;
    this.measure(version).catch((error: unknown) => {
      this.#options.log.warn({ version: version.name, error: messageOf(error) }, 'service times of functions could not be measured');
    });
  }

  #sizeOf(memoryMiB: number, base: Profile, known: ReadonlyMap<string, Profile>): FunctionProfile {
    const basis = !this.#options.isCpuHeld() ? 'unlimited' : this.#measured(memoryMiB, known) === undefined ? 'derived' : 'measured';
    const source = basis === 'measured' ? (this.#measured(memoryMiB, known) as Profile) : base;
    const slower = basis === 'derived' ? Math.max(1, mibPerVcpu / memoryMiB) : 1;
    const fitting = source.service.filter(({ rssMiB }) => rssMiB <= memoryMiB).map((point) => scaled(point, slower));
    const largest = fitting.at(-1);
    const leastMiB = (source.service[0] ?? base.service[0])?.rssMiB ?? 0;
    const notes = [...source.notes];
    const first = source.service[fitting.length];
    if (first !== undefined) notes.push(`b=${first.b} took ${first.rssMiB} MiB, more than the ${memoryMiB} MiB of the function`);
    const coldMs = base.coldMs ?? base.loadMs + (base.service[0]?.p50Ms ?? 0);
    const profile = { ...source, executor: functionExecutor(memoryMiB), service: fitting, coldMs, batchMax: largest?.b ?? 1, notes };
    return { memoryMiB, profile, basis, peakMemoryMiB: largest?.rssMiB ?? leastMiB, fits: largest !== undefined, coldMs };
  }

  /** What was measured for the size, as a worker of it would be run now. */
  #measured(memoryMiB: number, known: ReadonlyMap<string, Profile>): Profile | undefined {
    const { cores } = this.#options;
    const representative = sizesAlike(memoryMiB, this.#sizes, cores)[0] ?? memoryMiB;
    const profile = known.get(functionExecutor(representative));
    const { threads, vcpuMax } = functionShape(representative, cores, true);
    return profile !== undefined && profile.threads === threads && profile.vcpuMax === vcpuMax ? profile : undefined;
  }
}

function scaled(point: ServicePoint, slower: number): ServicePoint {
  return slower === 1
    ? point
    : servicePoint(
        point.b,
        point.samples.map((ms) => ms * slower),
        point.rssMiB,
      );
}
