/** The profile of a cascade, from the profiles of its two models: what an instance would measure that runs both in one worker. Pure. */

import { nearestRank } from '../quantiles.ts';
import type { Profile } from './profile.ts';
import { samplesMax, servicePoint } from './profile.ts';

/** What a change of model within a batch costs in addition, until the cascade itself was measured. */
const changeMs = 0.03;

/**
 * Times of batches of which each row goes on with the share `escalated`. Runs are drawn: a run of the first model, a number of rows that
 * go on, and a run of the second model of that size. The same input gives the same profile.
 */
export function compositeProfile(first: Profile, second: Profile, escalated: number): Profile {
  const service = first.service
    .filter(({ b, samples }) => b <= second.batchMax && samples.length > 0)
    .map(({ b, samples, rssMiB }) => {
      const random = drawsFrom(b);
      const times = Array.from({ length: samplesMax }, () => {
        let goOn = 0;
        for (let row = 0; row < b; row++) if (random() < escalated) goOn++;
        const ms = nearestRank(samples, Math.max(random(), 1e-6));
        return goOn === 0 ? ms : ms + changeMs + timeOf(second, goOn, random());
      });
      return servicePoint(b, times, rssMiB + (second.service.find((point) => point.b === b)?.rssMiB ?? 0));
    });
  const loadMs = first.loadMs + second.loadMs;
  return {
    executor: first.executor,
    service,
    measuredAtMs: Math.min(first.measuredAtMs, second.measuredAtMs),
    loadMs,
    batchMax: service.at(-1)?.b ?? 1,
    notes: [],
  };
}

/** A run of `rows` rows: of the next larger measured size, scaled between it and the size before. */
function timeOf({ service }: Profile, rows: number, uniform: number): number {
  const above = service.findIndex(({ b }) => b >= rows);
  const high = service[above === -1 ? service.length - 1 : above];
  if (high === undefined) return 0;
  const ms = nearestRank(high.samples, Math.max(uniform, 1e-6));
  const low = service[above - 1];
  if (low === undefined || high.b === rows) return ms;
  const share = (rows - low.b) / (high.b - low.b);
  return (ms * (low.p50Ms + share * (high.p50Ms - low.p50Ms))) / high.p50Ms;
}

function drawsFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
