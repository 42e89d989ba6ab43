/** `npm run bench -- scaling-speed`: time of a forecaster step, a decision and a simulated request, on one core. */
import { decideScaling, initialScalingState, parsePolicy } from '../../src/autoscaling/index.ts';
import { createForecaster, type ForecasterName } from '../../src/forecasting/index.ts';
import { parseObjective } from '../../src/objective.ts';
import { SeededRandom } from '../../src/random.ts';
import { type Load, parseLoad, Simulation } from '../../src/simulation/index.ts';
import { forecast, gpu, large, noLimits, observed, overflow } from '../../test/scaling-observations.ts';
import { percentileOf } from '../load/latencies.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { publishedSpecOf } from './specs.ts';

interface Speed {
  readonly what: string;
  readonly measured: string;
  readonly target: string;
}

const forecasters: readonly ForecasterName[] = ['rls-ar', 'holt-winters'];
const steps = 5000;
const decisions = 500;
/** Quantiles of the demand as multiples of it. */
const spread = [0.6, 0.7, 0.8, 0.87, 0.93, 0.98, 1.03, 1.1, 1.2, 1.4, 1.6, 2];

export async function scalingSpeed({ isDry }: { readonly isDry: boolean }): Promise<void> {
  const speeds = [...forecasters.map(stepOf), decisionSpeed(), ...(await simulationSpeeds())];
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const caption = `${at.slice(0, 10)}, commit ${commit()}, one of ${cores} cores (${cpu}, Node ${node}), wall-clock time.`;
  const rows = speeds.map(({ what, measured, target }) => `| ${what} | ${measured} | ${target} |`);
  const table = [caption, '', '| | measured | target |', '| --- | --- | --- |', ...rows].join('\n');
  console.log(table);
  if (!isDry) writeResults('scaling-speed', { at, commit: commit(), machine: machine(), speeds }, table);
}

/** One slot: one observation, and forecasts for four horizons with twelve quantiles. */
function stepOf(name: ForecasterName): Speed {
  const horizons = [1, 3, 5, 10];
  const forecaster = createForecaster(name, { horizons });
  const random = new SeededRandom(1);
  let slot = 0;
  const step = (): void => {
    forecaster.observe(slot++, Math.floor(5000 * random.next()));
    for (const h of horizons) forecaster.predict(h);
  };
  while (slot < 12_000) step(); // more than a week, so that all features are in use
  const startMs = performance.now();
  for (let i = 0; i < steps; i++) step();
  const stepMs = (performance.now() - startMs) / steps;
  return { what: `a step of the forecaster ${name}, four horizons`, measured: `${(1000 * stepMs).toFixed(0)} us`, target: '<= 500 us' };
}

/** Four types, and enough demand for about fifty instances. */
function decisionSpeed(): Speed {
  const types = [
    large,
    { ...large, name: 'c5.xlarge', usdPerHour: 0.17, ratePerSecond: 26.5 },
    { ...large, name: 'c5.2xlarge', usdPerHour: 0.34, ratePerSecond: 47.8 },
    gpu,
  ];
  const policy = parsePolicy('economic');
  const times: number[] = [];
  let state = initialScalingState;
  for (let i = 0; i < decisions; i++) {
    const demand = 40_000 + (i % 7) * 500;
    const observation = observed({
      types: types.map((type) => ({ ...type, active: 12 })),
      overflow,
      limits: noLimits,
      forecast: forecast(spread.map((share) => share * demand)),
    });
    const startMs = performance.now();
    ({ state } = decideScaling(policy, state, observation, (i + 1) * 60_000));
    times.push(performance.now() - startMs);
  }
  const sorted = times.slice(decisions / 10).sort((a, b) => a - b);
  const text = `p50 ${percentileOf(sorted, 50).toFixed(2)} ms, p99 ${percentileOf(sorted, 99).toFixed(2)} ms`;
  return { what: 'a decision of `economic`, 4 types and about 50 instances', measured: text, target: '<= 2 ms' };
}

async function simulationSpeeds(): Promise<Speed[]> {
  const day = (text: string): Load => parseLoad(text, { slotMs: 60_000, from: 0, slots: 720, loadSeed: 7 });
  const cases = [
    ['under `economic`, MMPP of 10 and 80/s', 'economic', day('mmpp:10,80,600,180')],
    ['under `hpa:70`, the same, where 28 % are late', 'hpa:70', day('mmpp:10,80,600,180')],
    ['in deep overload, 40/s on one instance of 14/s', 'static:1', day('poisson:40')],
    ['of 40/s on the same instance with overflow functions', 'static:1+overflow', day('poisson:40')],
  ] as const;
  const speeds: Speed[] = [];
  for (const [what, policy, load] of cases) {
    const spec = { ...publishedSpecOf(policy, { load, seed: 8 }), objective: parseObjective('p99.8<=500ms') };
    const startMs = performance.now();
    const { requests } = await new Simulation(spec).run();
    const perMinute = (requests * 60_000) / (performance.now() - startMs);
    speeds.push({
      what: `simulated requests ${what}`,
      measured: `${(perMinute / 1e6).toFixed(1)} million per minute`,
      target: '>= 8 million',
    });
  }
  return speeds;
}
