/** Formats the results of the ONNX backend tests. */
import type { Machine } from '../machine.ts';

export interface CaseResult {
  readonly name: string;
  /** `refused`: at registration. `failed`: later. */
  readonly outcome: 'equal' | 'differing' | 'refused' | 'failed';
  readonly detail: string;
}

type Counts = Readonly<Record<CaseResult['outcome'], number>>;

export interface BackendResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  /** Versions of the Python packages. */
  readonly onnx: string;
  readonly onnxruntime: string;
  /** Cases that onnxruntime itself could not run. */
  readonly notRun: number;
  readonly inWorker: Counts;
  readonly overHttp: Counts;
  /** All that are not equal. */
  readonly others: readonly CaseResult[];
}

export function countsOf(results: readonly CaseResult[]): Counts {
  const counts = { equal: 0, differing: 0, failed: 0, refused: 0 };
  for (const { outcome } of results) counts[outcome]++;
  return counts;
}

/** Names to show of each reason. */
const namesMax = 4;

export function resultsTable(results: BackendResults): string {
  const { at, commit, machine, onnx, onnxruntime, notRun, inWorker, overHttp, others } = results;
  const total = (counts: Counts): number => Object.values(counts).reduce((sum, count) => sum + count, 0);
  const row = (what: string, outcome: CaseResult['outcome']): string => `| ${what} | ${inWorker[outcome]} | ${overHttp[outcome]} |`;
  const lines = [
    `${at.slice(0, 10)}, commit ${commit}, ${machine.cores} cores (${machine.cpu}, Node ${machine.node}), onnx ${onnx}, onnxruntime ${onnxruntime}, which itself cannot run ${notRun} other cases.`,
    '',
    `| cases | inspected and run in a worker: ${total(inWorker)} | of these, deployed and called over HTTP: ${total(overHttp)} |`,
    '| --- | --- | --- |',
    row('equal to onnxruntime in Python', 'equal'),
    row('differing', 'differing'),
    row('failed', 'failed'),
    row('refused at registration', 'refused'),
  ];
  if (others.length === 0) return lines.join('\n');
  const byReason = [...Map.groupBy(others, reasonOf)].sort(([, a], [, b]) => b.length - a.length);
  const reasons = byReason.map(([reason, group]) => {
    const names = group.slice(0, namesMax).map(({ name }) => name);
    return `| ${reason.replaceAll('|', '\\|')} | ${group.length} | ${names.join(', ')}${group.length > namesMax ? ', …' : ''} |`;
  });
  return [...lines, '', '| not equal | cases | such as |', '| --- | --- | --- |', ...reasons].join('\n');
}

/** Refused cases differ by the type that cannot be served, not by the name of the tensor. */
function reasonOf({ outcome, detail }: CaseResult): string {
  const [, kind, type] = /(input|output) '[^']*' has the type ([\w(),]+\))/.exec(detail) ?? [];
  return `${outcome}: ${type === undefined ? detail : `${kind} of the type ${type}`}`;
}
