/** Formats how well an endpoint meets its objective, as the console does. */
import type { EndpointBody } from '../../api/index.ts';
import { objectiveShare, parseObjective } from '../../objective.ts';
import { shareText } from './format.ts';
import type { Style } from './style.ts';

type Attainment = Pick<EndpointBody, 'objective' | 'in_time'>;

/** `In service, missing its objective` if fewer responses of the last hour were in time than promised. Otherwise the status of the API. */
export function formatStatus(view: Attainment & { readonly status: string }, style: Style): string {
  if (view.status === 'InService' && isMissingObjective(view)) return style.paint('red', 'In service, missing its objective');
  return style.state(view.status);
}

function isMissingObjective({ objective, in_time: share }: Attainment): boolean {
  return objective !== null && share !== null && share < objectiveShare(parseObjective(objective)) - roundingShare;
}

/** Tolerance for floating-point error: a share that equals the objective must not count as below it. */
const roundingShare = 1e-8;

/** `97.1 %` of the last hour's responses, red below the objective. A dash without responses, empty without an objective. */
export function formatInTime(view: Attainment, style: Style): string {
  const { objective, in_time: share } = view;
  if (objective === null) return '';
  if (share === null) return '–';
  const text = share > 0.999 ? `${Math.floor(10_000 * share) / 100} %` : shareText(share);
  return isMissingObjective(view) ? style.paint('red', text) : text;
}

/** `97.1 % in the last hour, objective 95 %`. */
export function formatAttainment(view: Attainment, style: Style): string {
  if (view.objective === null || view.in_time === null) return formatInTime(view, style);
  return `${formatInTime(view, style)} in the last hour, objective ${parseObjective(view.objective).percentile} %`;
}
