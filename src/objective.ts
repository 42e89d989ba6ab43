/** The promise of an endpoint, and the small words that users write by hand: durations and names. */
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

/** Reads `p95<=50ms`: the one grammar of CLI, tags and API. Throws `invalid_request`. */
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
    throw new PlatformError('invalid_request', `the percentile of an objective has at most three decimals, got p${percentileText}`);
  }
  return checkObjective({ percentile: Number(percentileText), latencyMs: Number(amount) * (unitMs[unit.toLowerCase()] as number) });
}

/**
 * The share that is promised: 0.95 of p95. Rounded once, as a quotient of counts is, so that it may be compared with one: 99.9 / 100 is
 * 0.9990000000000001, and 999 of 1000 would not be enough.
 */
export function promisedShare({ percentile }: Pick<Objective, 'percentile'>): number {
  return Math.round(1000 * percentile) / 100_000;
}

/** The share of the answers that may be late: 0.05 of p95. */
export function budgetOf({ percentile }: Objective): number {
  return Math.round((100 - percentile) * 1000) / 100_000;
}

/** The objective itself where it makes sense; throws `invalid_request` where it does not. */
export function checkObjective(objective: Objective): Objective {
  const { percentile, latencyMs } = objective;
  if (!(percentile >= 50 && percentile < 100)) {
    throw new PlatformError(
      'invalid_request',
      `the percentile of an objective is at least 50 and below 100, such as 95 or 99.9, got ${percentile}`,
    );
  }
  if (!(latencyMs > 0 && latencyMs <= 3_600_000)) {
    throw new PlatformError('invalid_request', `the latency of an objective is above 0 and at most one hour, got ${formatMs(latencyMs)}`);
  }
  return objective;
}

export function formatObjective(objective: Objective): string {
  return `p${objective.percentile}<=${formatMs(objective.latencyMs)}`;
}

/** `50ms`, `2s`, `2m`, `5us`: the exact form, in the unit that `spokenMs` would take where that is exact too. */
export function formatMs(ms: number): string {
  if (ms > 0 && ms < 0.1) return `${Number((1000 * ms).toPrecision(15))}us`;
  if (ms >= 120_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1000 && ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** `50 ms`, `1.5 s`, `2 min`, `3 h`: about how long, within a sentence. */
export function spokenMs(ms: number): string {
  const unit = ms < 1000 ? 'ms' : ms < 120_000 ? 's' : ms < 7_200_000 ? 'min' : 'h';
  return `${Math.round((10 * ms) / { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }[unit]) / 10} ${unit}`;
}

/** Reads `120s`, `500ms`, `5m`; a bare number is seconds. Throws `invalid_request`. */
export function parseDurationMs(text: string): number {
  const [, amount, unit] = durationPattern.exec(text) ?? [];
  if (amount === undefined) {
    throw new PlatformError(
      'invalid_request',
      `duration '${text}' is not understood: expected a number with a unit, such as 500ms, 120s or 5m`,
    );
  }
  return Number(amount) * (unitMs[unit ?? 's'] as number);
}

/** A name by the one pattern of every door. `what` names the thing in the error: 'endpoint', 'group'. */
export function checkName(what: string, name: string): string {
  if (name.length > 63 || !namePattern.test(name)) {
    throw new PlatformError(
      'invalid_request',
      `${what} name '${name.slice(0, 80)}' is not allowed: expected 1 to 63 letters, digits and inner hyphens, such as digits-mlp`,
    );
  }
  return name;
}
