/** The latency objective of an endpoint, and formats that users write by hand: durations and names. */
import { PlatformError } from './errors.ts';

/** `p95 <= 50 ms`: of all requests, `percentile` percent are answered within `latencyMs`. */
export interface Objective {
  /** 50 or more, below 100, up to three decimals: 95, never 0.95. */
  readonly percentile: number;
  readonly latencyMs: number;
}

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const objectivePattern = /^\s*p\s*(\d+(?:\.\d+)?)\s*(?:<=|=)\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m|min|h)\s*$/i;
const durationPattern = /^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m|min|h|d)?\s*$/;
const namePattern = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;

/** Parses `p95<=50ms`, the form used by CLI, tags and API. Throws `invalid_request`. */
export function parseObjective(text: string): Objective {
  const [, percentileText, amount, unit] = objectivePattern.exec(text) ?? [];
  if (percentileText === undefined || amount === undefined || unit === undefined) {
    const inclusive = text.replace(/<(?!=)/, '<=');
    if (inclusive !== text && objectivePattern.test(inclusive)) {
      throw new PlatformError(
        'invalid_request',
        `objective '${text}' is not understood: an objective includes its limit, write '${inclusive}'`,
      );
    }
    throw new PlatformError(
      'invalid_request',
      `objective '${text}' is not understood: expected a percentile from p50 to p99.999 and a latency in us, ms, s, m or h, ` +
        'such as p95<=50ms or p99.9<=2s',
    );
  }
  if (!/^\d+(\.\d{1,3})?$/.test(percentileText)) {
    throw new PlatformError('invalid_request', `expected a percentile with at most three decimals, got p${percentileText}`);
  }
  return checkObjective({ percentile: Number(percentileText), latencyMs: Number(amount) * (unitMs[unit.toLowerCase()] as number) });
}

/**
 * The promised share: 0.95 for p95. Rounded once, like a quotient of counts, so that both can be compared: 99.9 / 100 is
 * 0.9990000000000001, and 999 of 1000 would not be enough.
 */
export function objectiveShare({ percentile }: Pick<Objective, 'percentile'>): number {
  return Math.round(1000 * percentile) / 100_000;
}

/** Allowed share of late responses: 0.05 for p95. */
export function budgetOf({ percentile }: Objective): number {
  return Math.round((100 - percentile) * 1000) / 100_000;
}

/** Returns the objective if it is valid. Throws `invalid_request`. */
export function checkObjective(objective: Objective): Objective {
  const { percentile, latencyMs } = objective;
  if (!(percentile >= 50 && percentile < 100)) {
    throw new PlatformError('invalid_request', `expected a percentile from 50 to below 100, such as 95 or 99.9, got ${percentile}`);
  }
  if (!(latencyMs > 0 && latencyMs <= 3_600_000)) {
    throw new PlatformError('invalid_request', `expected a latency above 0 and at most one hour, got ${formatMs(latencyMs)}`);
  }
  return objective;
}

/** As users write it, such as `p95<=50ms`: `parseObjective` reads it back. */
export function formatObjective(objective: Objective): string {
  return `p${objective.percentile}<=${formatMs(objective.latencyMs)}`;
}

/** Formats a duration exactly: `2m` or `2s` if it is a whole number of these, otherwise `50ms`, or `5us` below 0.1 ms. */
export function formatMs(ms: number): string {
  if (ms > 0 && ms < 0.1) return `${Number((1000 * ms).toPrecision(15))}us`;
  if (ms >= 120_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1000 && ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** Formats a duration approximately, for sentences: `50 ms`, `1.5 s`, `2 min`, `3 h`. */
export function approximateMs(ms: number): string {
  const unit = ms < 1000 ? 'ms' : ms < 120_000 ? 's' : ms < 7_200_000 ? 'min' : 'h';
  return `${Math.round((10 * ms) / { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }[unit]) / 10} ${unit}`;
}

/** Longer than anything that waits or is kept. */
const durationDaysMax = 3650;

/** Parses `120s`, `500ms`, `5m`; a number without a unit is in seconds. Throws `invalid_request`. */
export function parseDurationMs(text: string): number {
  const [, amount, unit] = durationPattern.exec(text) ?? [];
  if (amount === undefined) {
    throw new PlatformError(
      'invalid_request',
      `duration '${text.slice(0, 80)}' is not understood: expected a number with a unit, such as 500ms, 120s or 5m`,
    );
  }
  const ms = Number(amount) * (unitMs[unit ?? 's'] as number);
  if (ms > durationDaysMax * 86_400_000) {
    throw new PlatformError('invalid_request', `duration '${text.slice(0, 80)}' is too long: expected at most ${durationDaysMax} days`);
  }
  return ms;
}

/** Checks a name against the common pattern of all APIs. `what` names the resource in the error: 'endpoint', 'group'. */
export function checkName(what: string, name: string): string {
  if (name.length > 63 || !namePattern.test(name)) {
    throw new PlatformError(
      'invalid_request',
      `${what} name '${name.slice(0, 80)}' is not allowed: expected 1 to 63 letters, digits and inner hyphens, such as digits-mlp`,
    );
  }
  return name;
}
