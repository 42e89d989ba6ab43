import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadOf, specOf } from '../../../test/simulations.ts';
import { Simulation } from '../simulation.ts';
import { chartSvg } from './chart.ts';
import { reportHtml } from './report-html.ts';

describe('the report', () => {
  test('is one self-contained, deterministic page that shows each policy', async () => {
    const policies = ['economic', 'hpa:70'];
    const load = loadOf('steps:5@0,40@300', 20);
    const results = await Promise.all(policies.map((policy) => new Simulation(specOf(load, policy)).run()));
    const facts = { load: 'a <b> & "c"', profile: 'reference', objective: 'p99.8<=500ms', latencyMs: 500, durationMs: load.durationMs };
    const page = reportHtml(facts, results);
    assert.equal(reportHtml(facts, results), page);
    assert.doesNotMatch(page, /<script|src=|href=|https?:|url\(/);
    assert.match(page, /<h1>a &lt;b&gt; &amp; &quot;c&quot;, p99\.8&lt;=500ms<\/h1>/);
    assert.equal(page.match(/<svg /g)?.length, 5);
    assert.doesNotMatch(page, /NaN|undefined|Infinity/);
    for (const policy of policies) assert(page.split(`<title>${policy}</title>`).length >= 5);
  });

  test('shows small amounts, and scales an incomplete minute to its rate', async () => {
    const load = { ...loadOf('poisson:20', 3), durationMs: 135_000 };
    const result = await new Simulation(specOf(load, 'static:1')).run();
    const facts = { load: 'l', profile: 'p', objective: 'o', latencyMs: 500, durationMs: load.durationMs };
    const page = reportHtml(facts, [result]);
    assert(result.costUsd < 0.005 && page.includes(`<td>${Number(result.costUsd.toPrecision(3))}</td>`), page.slice(0, 3000));
    const [, path = ''] = / d="([^"]*)"/.exec(page) ?? [];
    const heights = [...path.matchAll(/ ([\d.]+)/g)].map(([, y]) => Number(y));
    assert.equal(heights.length, 3);
    assert(Math.max(...heights) - Math.min(...heights) < 40, path);
  });

  test('can be drawn for a simulation without requests', () => {
    const minute = { minute: 0, arrivals: 0, active: 0, launching: 0, queueMax: 0, overflow: 0, violations: 0, costUsd: 0 };
    const nothing = { p95Ms: null, forecastMean: null, forecastP10: null, forecastP90: null };
    const counts = { requests: 0, rows: 0, attainment: 1, fulfilled: 0, late: 0, dropped: 0, rejected: 0, coldStarts: 0, decided: 0 };
    const money = { costUsdPerMillion: null, costUsd: 0, instanceUsd: 0, overflowUsd: 0, instanceSeconds: {}, overflowShare: 0 };
    const latencies = { meanMs: null, p50Ms: null, p95Ms: null, p99Ms: null };
    const result = { policy: 'ray', ...counts, ...money, ...latencies, decisions: [], timeline: [{ ...minute, ...nothing }] };
    const page = reportHtml({ load: 'none', profile: 'p', objective: 'o', latencyMs: 500, durationMs: 60_000 }, [result]);
    assert.doesNotMatch(page, /NaN|undefined|Infinity/);
  });
});

describe('a chart', () => {
  test('labels minutes below two hours', () => {
    const hours = (minutes: number) => {
      const svg = chartSvg({ title: 't', series: [{ name: 'a', colour: 'red', values: new Array<number>(minutes).fill(1) }] });
      return [...svg.matchAll(/>(\d+ (?:h|min))</g)].map(([, text]) => text);
    };
    assert.deepEqual(hours(5), ['0 min', '1 min', '2 min', '3 min', '4 min', '5 min']);
    assert.deepEqual(hours(60), [
      '0 min',
      '5 min',
      '10 min',
      '15 min',
      '20 min',
      '25 min',
      '30 min',
      '35 min',
      '40 min',
      '45 min',
      '50 min',
      '55 min',
      '60 min',
    ]);
    assert.deepEqual(hours(180), ['0 h', '1 h', '2 h', '3 h']);
  });

  const pathsOf = (svg: string): string[] => [...svg.matchAll(/ d="([^"]*)"/g)].map(([, path]) => path as string);

  test('has gaps for unknown values, and retains peaks when merging points', () => {
    const [path] = pathsOf(chartSvg({ title: 't', series: [{ name: 'a', colour: 'red', values: [1, null, 2, 3] }] }));
    assert.equal(path?.match(/M/g)?.length, 2);
    const values = Array.from({ length: 100_000 }, (_, i) => (i === 51_234 ? 80 : 1));
    const [long = ''] = pathsOf(chartSvg({ title: 't', series: [{ name: 'a', colour: 'red', values }] }));
    assert(long.length < 20_000);
    assert.match(long, / 6\.0/);
  });

  test('holds each value until the next one if stepped', () => {
    const [path] = pathsOf(chartSvg({ title: 't', series: [{ name: 'a', colour: 'red', values: [1, 1, 2] }], isStepped: true }));
    assert.match(path ?? '', /^M48\.0 82\.0H[\d.]+V6\.0H984\.0$/);
  });
});
