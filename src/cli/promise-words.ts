/** Whether an endpoint keeps its promise, by the share that the console shows. */
import type { EndpointBody } from '../api/index.ts';
import { parseObjective, promisedShare } from '../objective.ts';
import type { Style } from './style.ts';
import { shareText } from './words.ts';

type Promised = Pick<EndpointBody, 'objective' | 'in_time'>;

/** `97.1 %` of the answers of the last hour, yellow where that is less than promised; a dash where there were none, nothing where nothing is promised. */
export function inTimeText({ objective, in_time: share }: Promised, style: Style): string {
  if (objective === null) return '';
  if (share === null) return '–';
  const told = share > 0.999 ? `${Math.floor(10_000 * share) / 100} %` : shareText(share);
  return share < promisedShare(parseObjective(objective)) ? style.paint('yellow', told) : told;
}

/** `97.1 % of the last hour, promise 95 %`. */
export function keptText(view: Promised, style: Style): string {
  if (view.objective === null || view.in_time === null) return inTimeText(view, style);
  return `${inTimeText(view, style)} of the last hour, promise ${parseObjective(view.objective).percentile} %`;
}
