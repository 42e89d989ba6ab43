/** The overhead results as JSON and as the table in bench/README.md. */
import { median } from '../load/latencies.ts';
import type { Machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import type { Figures } from './measures.ts';

export interface Results {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly runs: readonly Figures[];
}

/** The median of each figure over the runs that have it. */
export function medians(runs: readonly Figures[]): Figures {
  const names = new Set(runs.flatMap((run) => Object.keys(run)));
  return Object.fromEntries([...names].map((name) => [name, median(runs.flatMap((run) => (run[name] === undefined ? [] : [run[name]])))]));
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const perSecond = (value: number): string => `${whole(value)}/s`;
const us = (value: number): string => `${whole(value)} us`;
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : whole(value)} ms`;
const msOfUs = (value: number): string => ms(value / 1000);
const percent = (value: number): string => `${value.toFixed(1)} %`;

interface Row {
  readonly what: string;
  readonly target: string;
  /** Figures with their format and an optional label, joined by commas. */
  readonly of: readonly (readonly [string, (value: number) => string, string?])[];
}

const rows: readonly Row[] = [
  {
    what: 'bare onnxruntime, b = 1',
    target: '',
    of: [
      ['bareMlpP50Us', us, 'p50'],
      ['bareMlpB1PerSecond', perSecond],
    ],
  },
  { what: 'bare onnxruntime, b = 32', target: '', of: [['bareMlpB32PerSecond', perSecond, 'rows']] },
  {
    what: 'the floor, concurrency 1: an empty node:http gateway and a worker that only runs the model',
    target: '',
    of: [['floorC1P50Us', us, 'p50']],
  },
  {
    what: 'JSON, concurrency 1',
    target: '',
    of: [
      ['jsonC1P50Us', us, 'p50'],
      ['jsonC1P99Us', us, 'p99'],
      ['jsonC1PerSecond', perSecond],
    ],
  },
  {
    what: '... of which gateway, link and client',
    target: '<= 200 us',
    of: [
      ['gatewayAddsUs', us, 'p50'],
      ['timesFloor', (value) => `${value.toFixed(2)} x the floor`],
    ],
  },
  ...saturatedRows('JSON', 'jsonC64', '>= 20,000/s, p99 <= 10 ms'),
  ...saturatedRows('binary', 'binaryC64', 'no fewer than JSON'),
  ...[
    ['open loop, 1,000/s Poisson', 'open1000'],
    ['open loop, 4,000/s Poisson', 'open4000'],
    ['open loop, steps of 500, 4,000, 1,000, 8,000, 500/s', 'openSteps'],
  ].map(
    ([what, name]): Row => ({
      what: what as string,
      target: 'p95 <= 50 ms',
      of: [
        [`${name}P50Us`, msOfUs, 'p50'],
        [`${name}P95Us`, msOfUs, 'p95'],
        [`${name}P99Us`, msOfUs, 'p99'],
        [`${name}InTimePercent`, percent, 'in time'],
        [`${name}GeneratorCpuPercent`, percent, 'generator CPU'],
      ],
    }),
  ),
  { what: 'loadtest_cnn_224: bare process, one thread', target: '', of: [['cnnBarePerSecond', perSecond]] },
  {
    what: '... served by one worker of one thread',
    target: '>= 95 % of bare',
    of: [
      ['cnnPerSecond', perSecond],
      ['cnnSharePercent', percent],
    ],
  },
  {
    what: 'FastAPI + onnxruntime, concurrency 1',
    target: '',
    of: [
      ['fastapiC1P50Us', us, 'p50'],
      ['fastapiC1PerSecond', perSecond],
    ],
  },
  {
    what: 'FastAPI + onnxruntime, concurrency 64, one process',
    target: 'Penstock >= 5 x',
    of: [
      ['fastapi1C64PerSecond', perSecond],
      ['fastapi1C64P99Us', msOfUs, 'p99'],
      ['timesFastapi', (value) => `Penstock ${value.toFixed(1)} x`],
    ],
  },
  {
    what: 'FastAPI + onnxruntime, concurrency 64, two processes',
    target: '',
    of: [
      ['fastapi2C64PerSecond', perSecond],
      ['fastapi2C64P99Us', msOfUs, 'p99'],
    ],
  },
  { what: 'start to ready, empty data directory', target: '<= 1.5 s', of: [['readyFreshMs', ms]] },
  { what: 'start to ready, two endpoints to restore', target: '<= 1.5 s', of: [['readyAgainMs', ms]] },
  { what: 'fork of a worker to its first response', target: '<= 150 ms', of: [['forkToAnswerMs', ms]] },
  { what: '... with a warm worker', target: '', of: [['warmToAnswerMs', ms]] },
  {
    what: "the gateway's memory, before and after the loads",
    target: 'flat',
    of: [
      ['gatewayRssBeforeMiB', whole],
      ['gatewayRssAfterMiB', (value) => `${whole(value)} MiB`],
    ],
  },
];

function saturatedRows(what: string, name: string, target: string): Row[] {
  const latencies = (prefix: string): Row['of'] => [
    [`${prefix}PerSecond`, perSecond],
    [`${prefix}P50Us`, msOfUs, 'p50'],
    [`${prefix}P99Us`, msOfUs, 'p99'],
  ];
  const cpu: Row['of'] = [
    [`${name}ServerCpuUs`, us, 'server CPU per request'],
    [`${name}GeneratorCpuPercent`, percent, 'generator CPU'],
  ];
  return [
    { what: `${what}, concurrency 64, own generator`, target, of: [...latencies(name), ...cpu] },
    { what: `${what}, concurrency 64, wrk`, target, of: latencies(`${name}Wrk`) },
  ];
}

export function table({ at, commit, machine, runs }: Results): string {
  const found = medians(runs);
  const best = found.jsonC64WrkPerSecond ?? found.jsonC64PerSecond;
  const fastapi = found.fastapi1C64PerSecond;
  if (best !== undefined && fastapi !== undefined) found.timesFastapi = (found.jsonC64PerSecond ?? best) / fastapi;
  const lines = rows.flatMap(({ what, target, of }) => {
    const values = of.flatMap(([name, write, label]) => {
      const value = found[name];
      return value === undefined ? [] : [label === undefined ? write(value) : `${label} ${write(value)}`];
    });
    return values.length === 0 ? [] : [`| ${what} | ${values.join(', ')} | ${target} |`];
  });
  const caption = `${at.slice(0, 10)}, commit ${commit}: medians of ${runs.length} runs on ${machine.cores} cores (${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}), load generator on the same machine.`;
  return `${caption}\n\n| digits-mlp unless noted | measured | target |\n|---|---|---|\n${lines.join('\n')}`;
}

export function write(results: Results): void {
  writeResults('overhead', { ...results, medians: medians(results.runs) }, table(results));
}
