/**
 * Published results of an independent implementation, policies by loads: c5.large with the reference profile, objective 500 ms, instances
 * ready in two minutes (target tracking: four), functions with 3538 MiB and one request per call, no rescue, twelve kept warm.
 */

export const loadNames = ['Twitter', 'NASA', 'MMPP'] as const;
export type LoadName = (typeof loadNames)[number];

export interface Published {
  readonly costUsdPerMillion: number;
  readonly attainmentPercent: number;
  readonly overflowPercent?: number;
}

export interface Row {
  readonly policy: string;
  /** null: a policy of ours that was not published. */
  readonly published: Readonly<Record<LoadName, Published>> | null;
}

type Pair = readonly [costUsdPerMillion: number, attainmentPercent: number, overflowPercent?: number];

const pair = ([costUsdPerMillion, attainmentPercent, overflowPercent]: Pair): Published => {
  return { costUsdPerMillion, attainmentPercent, ...(overflowPercent === undefined ? {} : { overflowPercent }) };
};
const row = (policy: string, twitter: Pair, nasa: Pair, mmpp: Pair): Row => {
  return { policy, published: { Twitter: pair(twitter), NASA: pair(nasa), MMPP: pair(mmpp) } };
};

export const rows: readonly Row[] = [
  row('static', [8.69, 100], [5.99, 100], [6.99, 100]),
  row('target-tracking:70', [4.01, 85.0], [3.97, 93.6], [6.05, 69.2]),
  row('target-tracking:70,price=1', [3.34, 85.0], [3.3, 93.6], [5.04, 69.2]),
  row('target-tracking:40,price=1', [5.65, 87.1], [5.65, 99.3], [8.48, 73.4]),
  row('hpa:70', [3.11, 91.6], [3.45, 97.7], [4.63, 71.9]),
  row('hpa:45', [4.63, 93.6], [5.25, 99.91], [6.79, 75.6]),
  row('hpa:22', [9.17, 98.9], [10.53, 100], [13.59, 78.9]),
  row('instances-only:99', [7.35, 99.15], [4.35, 99.9], [9.95, 99.74]),
  row('instances-only:95', [3.67, 91.9], [3.79, 99.6], [8.13, 99.4]),
  row('batch', [4.29, 99.97], [4.28, 99.99], [4.33, 99.83]),
  row('running-max:1.44', [11.58, 100], [9.98, 100], [7.88, 100]),
  row('hybrid:90', [3.27, 99.967], [3.53, 99.996], [6.51, 99.952]),
  row('hybrid:99', [7.35, 99.998], [4.35, 100], [9.97, 99.999]),
  row('mark-greedy:1', [2.81, 99.964], [2.49, 99.981], [4.48, 99.805]),
  row('mark-greedy:1.2', [3.17, 99.967], [2.74, 99.979], [4.72, 99.791]),
  row('hpa:85,window=300s+overflow', [2.89, 99.962], [2.96, 99.981], [4.75, 99.83]),
  row('hpa:105,window=120s+overflow', [2.39, 99.968], [2.56, 99.984], [4.04, 99.86]),
  row('economic,rho=0.9,hold=3,forecaster=persistence', [2.48, 99.973], [2.77, 99.979], [4.47, 99.842]),
  row('economic,rho=0.9,hold=3,forecaster=rls-ar', [2.47, 99.974], [2.52, 99.98], [4.1, 99.853]),
  row('economic,rho=1,hold=2,forecaster=rls-ar', [2.36, 99.975, 8.1], [2.45, 99.983, 9.4], [4.13, 99.855, 40.9]),
  { policy: 'economic', published: null },
  row('oracle', [2.75, 100], [2.69, 100], [3.38, 100]),
  row('oracle+overflow', [2.05, 99.998], [2.05, 99.991], [2.35, 99.905]),
];

export interface Reproduced {
  readonly costUsdPerMillion: number;
  readonly attainmentPercent: number;
  readonly overflowPercent: number;
}

/** Whether the cost matches the published one within 5 %. */
export function isCostAlike(published: Published, { costUsdPerMillion }: Reproduced): boolean {
  return Math.abs(costUsdPerMillion / published.costUsdPerMillion - 1) <= 0.05;
}

/**
 * The differences from the published result; empty if it is reproduced. Tolerances: in-time share 0.02 points if almost all requests were
 * in time, otherwise one point; overflow one point, four for MMPP.
 */
export function differences(load: LoadName, published: Published, reproduced: Reproduced): string[] {
  const found: string[] = [];
  const more = reproduced.costUsdPerMillion / published.costUsdPerMillion - 1;
  if (!isCostAlike(published, reproduced)) found.push(`cost ${signed(more * 100, 1)} %`);
  const points = reproduced.attainmentPercent - published.attainmentPercent;
  if (Math.abs(points) > (published.attainmentPercent >= 99.8 ? 0.02 : 1) + 1e-9) found.push(`in time ${signed(points, 3)} points`);
  if (published.overflowPercent !== undefined) {
    const share = reproduced.overflowPercent - published.overflowPercent;
    if (Math.abs(share) > (load === 'MMPP' ? 4 : 1)) found.push(`overflow ${signed(share, 1)} points`);
  }
  return found;
}

function signed(value: number, digits: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(digits)}`;
}
