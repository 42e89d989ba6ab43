/** Penstock's settings of an endpoint that AWS's shapes have no members for: tags of its endpoint config. Pure. */
import { PlatformError } from '../../errors.ts';
import { type Objective, parseObjective } from '../../objective.ts';
import { AwsError } from '../service.ts';
import { type SelectionTags, selectionTagsOf, selectionTagsText } from './selection-tags.ts';

/** A setting without a tag keeps its value when an endpoint is updated. */
export interface PenstockSettings {
  readonly objective?: Objective | null;
  readonly late?: 'serve' | 'shed';
  /** Whether functions serve requests that instances cannot finish in time. */
  readonly hasOverflow?: boolean;
  /** Lets Penstock select the model; absent: as it is. */
  readonly selection?: SelectionTags;
}

const prefix = 'penstock:';
const accepted =
  'penstock:objective such as p95<=50ms (or p95=50ms) or none, penstock:overflow (functions or none), penstock:late (serve or shed), ' +
  `${selectionTagsText}, ` +
  'and penstock:group of a training job (the model group that gets a version)';

/** The group that gets a version when a training job is complete, for SDKs whose CreateTrainingJob has no ModelPackageConfig. */
export const groupTag = 'penstock:group';

/** Throws `ValidationException` for an unknown `penstock:` tag or an invalid value. Ignores other tags. */
export function readSettings(tags: Readonly<Record<string, string>>): PenstockSettings {
  let settings: PenstockSettings = {};
  for (const [key, value] of Object.entries(tags)) {
    if (key.toLowerCase().startsWith(prefix)) settings = { ...settings, ...settingOf(key, value.trim()) };
  }
  const selection = orInvalid(() => selectionTagsOf(tags));
  return selection === null ? settings : { ...settings, selection };
}

/**
 * Checks tags of an endpoint itself. Settings have an effect on the endpoint config only, so those on the endpoint must be equal.
 * Equal ones are allowed because the SageMaker Python SDK tags both. Throws `ValidationException` otherwise.
 */
export function checkOnEndpoint(tags: Readonly<Record<string, string>>, configTags: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(tags)) {
    if (!key.toLowerCase().startsWith(prefix) || configTags[key] === value) continue;
    throw new AwsError(
      'ValidationException',
      `tag ${key} has no effect on an endpoint: it is a setting of the endpoint config. Set it with CreateEndpointConfig, and use that config in CreateEndpoint or UpdateEndpoint.`,
    );
  }
}

function settingOf(key: string, value: string): PenstockSettings {
  switch (key) {
    case 'penstock:objective':
      return { objective: value === 'none' ? null : objectiveOf(value) };
    case 'penstock:overflow':
      if (value === 'functions' || value === 'none') return { hasOverflow: value === 'functions' };
      throw validationError(`tag penstock:overflow must be 'functions' or 'none', got '${value}'`);
    case 'penstock:late':
      if (value === 'serve' || value === 'shed') return { late: value };
      throw validationError(`tag penstock:late must be 'serve' or 'shed', got '${value}'`);
    // SDKs tag the endpoint of an estimator like its training job.
    case groupTag:
      return {};
    case 'penstock:select':
    case 'penstock:accuracy':
    case 'penstock:minimize':
    case 'penstock:evaluation':
      return {}; // read together
    default:
      throw validationError(`tag '${key}' is unknown`);
  }
}

function objectiveOf(value: string): Objective {
  return orInvalid(() => parseObjective(value), 'tag penstock:objective: ');
}

function orInvalid<T>(read: () => T, prefix = ''): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof PlatformError ? validationError(`${prefix}${error.message}`) : error;
  }
}

function validationError(reason: string): AwsError {
  return new AwsError('ValidationException', `${reason}. Penstock's tags are ${accepted}.`);
}
