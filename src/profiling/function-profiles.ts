/**
 * Profiles of a model version on functions, one per memory size. If workers can be limited, profiles are measured within the
 * limits of the size. Until then they are derived from the reference instance.
 */
import { functionShape, type PriceTable } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { type ModelVersion, payloadKind } from '../registry/index.ts';
import { functionExecutor, functionSizes, sizesAlike } from './function-sizes.ts';
import { type Profile, type ServicePoint, servicePoint } from './profile.ts';
import type { Profiles } from './profiles.ts';

/**
 * `measured`: within the limits of this size or an equivalent one. `derived`: from the instance, scaled to the processor share of
 * the size. `unlimited`: workers cannot be limited on this machine, so every size runs like the instance.
 */
export type ProfileBasis = 'measured' | 'derived' | 'unlimited';

/** What functions of one memory size can do. */
export interface FunctionProfile {
  readonly memoryMiB: number;
  /** Profile of the executor `function:MiB`, limited to batches that fit. `service` is empty if not even one row fits. */
  readonly profile: Profile;
  readonly basis: ProfileBasis;
  /** Worker memory with the largest batch that fits. If nothing fits: memory for one row, if known. */
  readonly peakMemoryMiB: number;
  readonly fits: boolean;
  /**
   * Time until a warm worker has loaded the model and answered once. Starts are not CPU-limited, so it is equal for all sizes.
   */
  readonly coldMs: number;
}

/** Collaborators. `isCpuHeld` decides whether profiles are measured or derived. */
export interface FunctionProfilesOptions {
  readonly profiles: Pick<Profiles, 'list' | 'measure'>;
  readonly prices: PriceTable;
  /** CPU cores of this machine. */
  readonly cores: number;
  /** True if the processors of workers can be limited. */
  readonly isCpuHeld: () => boolean;
  readonly log: Log;
}

/** Memory per processor, as on the reference instance. */
const mibPerVcpu = 1769;
const baseExecutor = 'instance:local.1';

/** Measures only if the processors of workers can be limited; otherwise profiles are derived. */
export class FunctionProfiles {
  readonly #options: FunctionProfilesOptions;
  readonly #sizes: readonly number[];

  constructor(options: FunctionProfilesOptions) {
    this.#options = options;
    this.#sizes = functionSizes(options.prices.functions);
  }

  /** One profile per memory size, ascending; empty until the version has been measured on `local.1`. */
  async of({ group, version }: Pick<ModelVersion, 'group' | 'version'>): Promise<readonly FunctionProfile[]> {
    const known = new Map((await this.#options.profiles.list(group, version)).map((profile) => [profile.executor, profile]));
    const base = known.get(baseExecutor);
    return base === undefined ? [] : this.#sizes.map((memoryMiB) => this.#sizeOf(memoryMiB, base, known));
  }

  /** Measures the missing sizes, largest first. Rejects with the same errors as `Profiles.measure`. */
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

  /** Like `measure`, in the background; failures are logged. */
  measureInBackground(version: ModelVersion): void {
    if (payloadKind(version.runtime) !== 'tensors') return;
    this.measure(version).catch((error: unknown) => {
      this.#options.log.warn({ version: version.name, error: messageOf(error) }, 'failed to measure service times of functions');
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

  /**
   * The measured profile of a size; undefined unless it was measured with the threads and processors that a worker would get now.
   */
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
