/** The isolation settings of config.json: the mode, the user ids of workers, and what they may write. */
import { PlatformError } from '../../errors.ts';

/**
 * How a worker is isolated from the server's files and processes.
 *
 * - `root`: own user id, mount and pid namespace; needs a server that runs as root.
 * - `user`: mount and pid namespace in a user namespace, without an own user id; needs a server that does not run as root.
 * - `landlock`: Landlock rules on files, with an own user id if the server may change it. Protects files only.
 * - `none`: no isolation.
 */
export const isolationModes = ['root', 'user', 'landlock', 'none'] as const;
/** How foreign code is confined. */
export type IsolationMode = (typeof isolationModes)[number];

/** Both ends belong to it. */
export interface UidRange {
  readonly first: number;
  readonly last: number;
}

/** As config.json has them. */
export interface IsolationSettings {
  /** `auto` uses the first of root, user and landlock that works here. */
  readonly mode: IsolationMode | 'auto';
  readonly uids: UidRange;
  /** What the files of one worker may take on the disk beyond its archive; in MiB. */
  readonly diskMiB: number;
}

const diskMiBDefault = 10_240;
/** Libraries write caches of this size. */
const diskMiBMin = 64;
const diskMiBMax = 2 ** 30;

/** Unused according to systemd's table of user ids: above containers and subordinate ids, below 2^31. */
const uidsDefault: UidRange = { first: 1_900_000_000, last: 1_900_065_535 };
/** Lower ids belong to system users and people; 2^32 - 1 means "no user". */
const uidMin = 1000;
const uidMax = 4_294_967_293;
/** The first id is the common group of all workers; each worker uses another one. */
const uidsMin = 16;

/** Without `isolation` in config.json. */
export const isolationDefaults: IsolationSettings = { mode: 'auto', uids: uidsDefault, diskMiB: diskMiBDefault };

/** Parses `isolation` of config.json. Throws `invalid_request`. */
export function isolationSettings(config: Readonly<Record<string, unknown>> | null): IsolationSettings {
  const { mode = 'auto', uids, diskMiB = diskMiBDefault, ...rest } = config ?? {};
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new PlatformError('invalid_request', `unknown setting isolation.${unknown} in config.json: expected mode, uids or diskMiB`);
  }
  if (mode !== 'auto' && !isolationModes.some((known) => known === mode)) {
    throw invalid('mode', `one of auto, ${isolationModes.join(', ')}`, mode);
  }
  if (typeof diskMiB !== 'number' || !Number.isInteger(diskMiB) || diskMiB < diskMiBMin || diskMiB > diskMiBMax) {
    throw invalid('diskMiB', `a whole number from ${diskMiBMin} to ${diskMiBMax}`, diskMiB);
  }
  return { mode: mode as IsolationSettings['mode'], uids: uids === undefined ? uidsDefault : readRange(uids), diskMiB };
}

function readRange(uids: unknown): UidRange {
  const [, firstText, lastText] = (typeof uids === 'string' && /^(\d{1,10})-(\d{1,10})$/.exec(uids)) || [];
  const [first, last] = [Number(firstText), Number(lastText)];
  const isValid = first >= uidMin && last <= uidMax && last - first + 1 >= uidsMin;
  if (!isValid) throw invalid('uids', `a range of at least ${uidsMin} user ids from ${uidMin}, such as "200000-265535"`, uids);
  return { first, last };
}

function invalid(name: string, expected: string, got: unknown): PlatformError {
  return new PlatformError(
    'invalid_request',
    `isolation.${name} in config.json: expected ${expected}, got ${JSON.stringify(got)?.slice(0, 100)}`,
  );
}
