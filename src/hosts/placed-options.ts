/** What the workers of the home and of its hosts are placed by. */
import type { LocalProvider, Provider, Tasks } from '../providers/index.ts';
import type { PlacedSpec } from './hosts-view.ts';
import type { HomePython } from './known-requirements.ts';
import type { LinkedHostsDeps } from './linked-hosts.ts';
import type { NewPlacement, NewTaskPlacement } from './placement-decisions.ts';

/** What is placed besides: the machine of the home. */
export interface HomeMachine {
  readonly name: string;
  readonly zone: string;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
}

/** Where workers are placed, for records of it. */
export interface PlacementListener {
  readonly placed: (placement: NewPlacement) => void;
  readonly taskPlaced: (placement: NewTaskPlacement) => void;
  /** A start found no host; its caller tries again. */
  readonly rejected: (worker: PlacedSpec, reason: string) => void;
  /** A host says that another one has sent it bytes that are not those of the object. */
  readonly sentWrongBytes: (host: string, sha256: string, toHost: string) => void;
}

const ignore = (): void => undefined;

/** Records nothing. */
export const noListener: PlacementListener = { placed: ignore, taskPlaced: ignore, rejected: ignore, sentWrongBytes: ignore };

/** The provider of the machine of the home, without what only it can link. */
export type HomeProvider = Omit<Pick<LocalProvider, keyof LocalProvider>, 'link' | 'open' | 'tasks'> & Provider & { readonly tasks: Tasks };

export interface PlacedProviderOptions
  extends Pick<LinkedHostsDeps, 'clock' | 'log' | 'epoch' | 'fetch' | 'onLine' | 'expected' | 'expectedMs' | 'times'> {
  readonly local: Pick<LocalProvider, keyof LocalProvider>;
  readonly home: HomeMachine;
  /** By instance type with devices: how many of its workers the machine of the home can have at a time. */
  readonly accelerators?: Readonly<Record<string, number>>;
  /** `HOST:PORT` of the nodes that run: hosts learn of changes. */
  readonly nodes?: () => readonly string[];
  /** Default: always. */
  readonly localWorkers?: LocalWorkers;
  /** Absent: Python models stay on the home. */
  readonly python?: HomePython;
  /** As `PlacedTasksDeps.lostMs`. */
  readonly taskLostMs?: number;
}

/** Whether the home runs workers that hosts could run: as any host does, only if no host has room, or never. */
export type LocalWorkers = 'always' | 'when-needed' | 'never';
