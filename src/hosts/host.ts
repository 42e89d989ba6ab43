/** What placement knows of a host and of the workers on it. */
import type { HostAbilities, WorkerRequirements } from './abilities.ts';

/** What the operator wants. `ready`: takes workers. `cordoned`: keeps its workers and takes no others. `draining`: its workers move away. */
export type WantedHostState = 'ready' | 'cordoned' | 'draining';

/**
 * As wanted, or: `away`: its link is broken for a moment, so it keeps its workers and takes no others. `lost`: its link is broken for too
 * long, so its workers are placed again.
 */
export type HostState = WantedHostState | 'away' | 'lost';

/** A machine with workers, as its agent and the operator describe it. */
export interface HostFacts {
  readonly name: string;
  /** Hosts of a zone may fail together. */
  readonly zone: string;
  readonly state: HostState;
  /** What its workers may use together, in thousandths of a vCPU. */
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  /** By instance type with devices: how many of its workers the host can have at a time. The agent counts devices again. */
  readonly accelerators: Readonly<Record<string, number>>;
  /** SHA-256 of the artifacts in its cache. */
  readonly artifacts: ReadonlySet<string>;
  /** Started workers without a model. */
  readonly warmWorkers: number;
  /** Whether its agent got SIGTERM, as on a spot machine that will be taken away. It is draining then. */
  readonly isOnNotice: boolean;
  /** Takes a worker only if no other host has room for it: the machine of a home with `--local-workers when-needed`. */
  readonly isLastResort: boolean;
  /** What its tasks occupy; absent: it has none. */
  readonly tasks?: Pick<WorkerSize, 'cpuMilli' | 'memoryMiB'>;
  /** Absent: it can do all that the home can. */
  readonly abilities?: HostAbilities;
}

/** What a worker occupies. */
export interface WorkerSize {
  /** Thousandths of a vCPU. */
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  /** The instance type if its workers need a share of a device; else null. */
  readonly accelerator: string | null;
}

/** A worker to be placed. */
export interface PlacementRequest extends WorkerSize {
  /** `digits/blue/digits/3`: each model version of a variant by itself. Its instances are spread over zones and hosts. */
  readonly variant: string;
  readonly kind: 'instance' | 'function';
  /** SHA-256 of its artifact. */
  readonly artifact: string;
  /** Wanted instances of the variant. Null if it is not known: then one more than there are. */
  readonly instances: number | null;
  /** Absent: any host will do. */
  readonly needs?: WorkerRequirements;
}

/** A worker on a host. It also counts while it starts or restarts. */
export interface PlacedWorker extends PlacementRequest {
  readonly id: string;
  readonly host: string;
}

/** `4 vCPU and 8 GiB`, `0.5 vCPU and 512 MiB and a device for local.gpu`. */
export function sizeText({ cpuMilli, memoryMiB, accelerator }: WorkerSize): string {
  const memory = memoryMiB % 1024 === 0 && memoryMiB > 0 ? `${memoryMiB / 1024} GiB` : `${memoryMiB} MiB`;
  return `${cpuMilli / 1000} vCPU and ${memory}${accelerator === null ? '' : ` and a device for ${accelerator}`}`;
}
