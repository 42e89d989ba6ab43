/** Penstock's own settings of an endpoint, which AWS's shapes have no member for: tags of its endpoint config. Pure. */
import { PlatformError } from '../../errors.ts';
import { type Objective, parseObjective } from '../../objective.ts';
import { AwsError } from '../service.ts';

export interface PenstockSettings {
  readonly objective: Objective | null;
  readonly late: 'serve' | 'shed';
  /** Whether functions take what instances cannot finish in time. */
  readonly hasOverflow: boolean;
}

const prefix = 'penstock:';
const accepted = 'penstock:objective such as p95<=50ms (or p95=50ms), penstock:overflow (functions or none), penstock:late (serve or shed)';

/** Throws `ValidationException` for a `penstock:` tag that means nothing, naming those that do. Other tags mean nothing here. */
export function readSettings(tags: Readonly<Record<string, string>>): PenstockSettings {
  let settings: PenstockSettings = { objective: null, late: 'serve', hasOverflow: false };
  for (const [key, value] of Object.entries(tags)) {
    if (key.toLowerCase().startsWith(prefix)) settings = { ...settings, ...settingOf(key, value.trim()) };
  }
  return settings;
}

/**
 * Tags of an endpoint itself. Settings count on its endpoint config, so on the endpoint they may only say the same: SageMaker's Python SDK
 * puts the tags it is given on both. Throws `ValidationException` for others, which would do nothing.
 */
export function checkOnEndpoint(tags: Readonly<Record<string, string>>, ofConfig: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(tags)) {
    if (!key.toLowerCase().startsWith(prefix) || ofConfig[key] === value) continue;
    throw new AwsError(
      'ValidationException',
      `tag ${key} does nothing on an endpoint: it is a setting of its endpoint config. Give it to CreateEndpointConfig, and the endpoint this config by CreateEndpoint or UpdateEndpoint.`,
    );
  }
}

function settingOf(key: string, value: string): Partial<PenstockSettings> {
  switch (key) {
    case 'penstock:objective':
      return { objective: objectiveOf(value) };
    case 'penstock:overflow':
      if (value === 'functions' || value === 'none') return { hasOverflow: value === 'functions' };
      throw refused(`tag penstock:overflow is 'functions' or 'none', got '${value}'`);
    case 'penstock:late':
      if (value === 'serve' || value === 'shed') return { late: value };
      throw refused(`tag penstock:late is 'serve' or 'shed', got '${value}'`);
    default:
      throw refused(`tag '${key}' means nothing`);
  }
}

function objectiveOf(value: string): Objective {
  try {
    return parseObjective(value);
  } catch (error) {
    throw error instanceof PlatformError ? refused(`tag penstock:objective: ${error.message}`) : error;
  }
}

function refused(why: string): AwsError {
  return new AwsError('ValidationException', `${why}. Penstock's own tags are ${accepted}.`);
}
