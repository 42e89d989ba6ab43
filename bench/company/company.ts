/** `npm run bench -- company`: what an idle instance gains and loses by waiting for company. Computed. */
import { companyWaitMs } from '../../src/queueing/index.ts';
import { commit } from '../machine.ts';
import { writeResults } from '../results.ts';
import { type Rule, type StudyLoad, type StudyResult, study } from './study.ts';

const objectiveMs = 100;
const forMs = 60_000;

const services = [
  {
    name: 'flat: S(1) = 6, S(32) = 6.3 ms',
    points: [
      [1, 6],
      [32, 6.3],
    ],
  },
  {
    name: 'half: 6, 12 ms',
    points: [
      [1, 6],
      [32, 12],
    ],
  },
  {
    name: 'steep: 6, 40 ms',
    points: [
      [1, 6],
      [32, 40],
    ],
  },
] as const;

const clients = [1, 3, 4, 8, 16, 32, 64];
const rates = [50, 150, 300, 700];
const loads: readonly { readonly name: string; readonly load: StudyLoad }[] = [
  ...clients.map((count) => ({ name: `${count} clients`, load: { kind: 'closed', clients: count, turnMs: 0.1 } as const })),
  ...rates.map((ratePerSecond) => ({ name: `Poisson, ${ratePerSecond}/s`, load: { kind: 'open', ratePerSecond } as const })),
  { name: 'MMPP of 100 and 1,500/s', load: { kind: 'open', ratePerSecond: 100, burstPerSecond: 1500 } },
  { name: 'MMPP of 50 and 600/s', load: { kind: 'open', ratePerSecond: 50, burstPerSecond: 600 } },
];

interface Compared {
  readonly service: string;
  readonly load: string;
  readonly without: StudyResult;
  readonly company: StudyResult;
}

export function companyStudy({ isDry }: { readonly isDry: boolean }): void {
  const never: Rule = () => 0;
  const results: Compared[] = services.flatMap(({ name: service, points }) =>
    loads.map(({ name, load }) => {
      const of = (rule: Rule): StudyResult => study({ load, objectiveMs, service: points, rule, forMs });
      return { service, load: name, without: of(never), company: of(companyWaitMs) };
    }),
  );
  const at = new Date().toISOString();
  const text = `${at.slice(0, 10)}, commit ${commit()}, one instance, \`p95<=${objectiveMs}ms\`, ${forMs / 1000} s each:\n\n${table(results)}`;
  console.log(text);
  if (!isDry) writeResults('company', { at, commit: commit(), results }, text);
}

/** Rows in which the rule changes anything, and one line for the others. */
function table(results: readonly Compared[]): string {
  const header = ['S(b)', 'load', 'responses', 'p50', 'p95', 'in time', 'mean batch', 'instance busy'];
  const isChanged = ({ without, company }: Compared): boolean => Math.abs(company.meanBatch / without.meanBatch - 1) > 0.01;
  const pair = (before: string, after: string): string => `${before} → ${after}`;
  const rows = results
    .filter(isChanged)
    .map(({ service, load, without, company }) => [
      service,
      load,
      pair(without.ratePerSecond.toFixed(0), `${company.ratePerSecond.toFixed(0)}/s`),
      pair(without.p50Ms.toFixed(1), `${company.p50Ms.toFixed(1)} ms`),
      pair(without.p95Ms.toFixed(1), `${company.p95Ms.toFixed(1)} ms`),
      pair((100 * without.inTime).toFixed(1), `${(100 * company.inTime).toFixed(1)} %`),
      pair(without.meanBatch.toFixed(1), company.meanBatch.toFixed(1)),
      pair((100 * without.busy).toFixed(0), `${(100 * company.busy).toFixed(0)} %`),
    ]);
  const others = results.filter((result) => !isChanged(result)).map(({ service, load }) => `${service.split(':')[0]}: ${load}`);
  const lines = [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return `${lines}\n\nWithout company → with it. No difference in the mean batch: ${others.join('; ')}.`;
}
