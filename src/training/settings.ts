/** `training` of config.json: whether jobs may be created, and how many may wait. */
import { durationKind } from '../config.ts';
import { PlatformError } from '../errors.ts';

export interface TrainingSettings {
  /** Null: only while the server listens on loopback. */
  readonly isEnabled: boolean | null;
  /** Jobs that wait or run. */
  readonly jobsMax: number;
  /** Whether script mode installs the requirements.txt of a job. */
  readonly installsRequirements: boolean;
  /** From SIGTERM to SIGKILL when a job is stopped. */
  readonly stopGraceMs: number;
}

const defaults: TrainingSettings = { isEnabled: null, jobsMax: 1000, installsRequirements: true, stopGraceMs: 120_000 };
const jobsLimit = 100_000;
const grace = durationKind(0);

/** Parses `training` of config.json. Throws `invalid_request`. */
export function trainingSettings(provided: Readonly<Record<string, unknown>> | null): TrainingSettings {
  const { enabled, jobsMax, requirements, stopGrace, ...rest } = provided ?? {};
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw wrong(unknown, 'one of enabled, jobsMax, requirements, stopGrace', rest[unknown]);
  return {
    isEnabled: enabled === undefined ? defaults.isEnabled : truth('enabled', enabled),
    jobsMax: jobsMax === undefined ? defaults.jobsMax : count(jobsMax),
    installsRequirements: requirements === undefined ? defaults.installsRequirements : installs(requirements),
    stopGraceMs: stopGrace === undefined ? defaults.stopGraceMs : duration(stopGrace),
  };
}

function truth(name: string, provided: unknown): boolean {
  if (typeof provided !== 'boolean') throw wrong(name, 'true or false', provided);
  return provided;
}

function count(provided: unknown): number {
  if (typeof provided === 'number' && Number.isSafeInteger(provided) && provided >= 1 && provided <= jobsLimit) return provided;
  throw wrong('jobsMax', `a whole number from 1 to ${jobsLimit}`, provided);
}

function installs(provided: unknown): boolean {
  if (provided === 'install' || provided === 'refuse') return provided === 'install';
  throw wrong('requirements', '"install" or "refuse"', provided);
}

function duration(provided: unknown): number {
  const value = grace.read(provided);
  if (value === undefined) throw wrong('stopGrace', grace.expected, provided);
  return value;
}

function wrong(name: string, expected: string, provided: unknown): PlatformError {
  const got = JSON.stringify(provided)?.slice(0, 100);
  return new PlatformError('invalid_request', `training.${name} in config.json: expected ${expected}, got ${got}`);
}
