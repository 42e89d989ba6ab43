/** The report of a run as a person reads it. */
import { stripVTControlCharacters } from 'node:util';
import type { CaseResult } from './outcome.ts';
import type { SuiteReport } from './run.ts';

export type ReportColour = 'green' | 'red' | 'yellow';

const outcomeWords = { passed: 'ok', failed: 'failed', skipped: 'skipped' } as const;
const outcomeColours = { passed: 'green', failed: 'red', skipped: 'yellow' } as const;

export function reportText(
  { url, grpc, server, model, cases, groups, levels, total }: SuiteReport,
  paint: (colour: ReportColour, text: string) => string = (_, text) => text,
): string {
  const list = aligned([
    ['CASE', 'RESULT', 'LEVEL', 'REQUIREMENT'],
    ...cases.map(({ id, outcome, level, promise }) => [id, paint(outcomeColours[outcome], outcomeWords[outcome]), level, promise]),
  ]);
  const counts = [...Object.entries(groups), ...Object.entries(levels), ['all', total] as const]
    .filter(([, { passed, failed, skipped }]) => passed + failed + skipped > 0)
    .map(([name, { passed, failed, skipped }]) => [name, String(passed), String(failed), String(skipped)]);
  const head = aligned([
    ['server', `${server.name} ${server.version} at ${url}${grpc === null ? '' : `, gRPC at ${grpc}`}`],
    ['extensions', server.extensions.join(', ') || 'none'],
    ['model', model],
  ]);
  const reasons = reasonsText(cases, 'failed') + reasonsText(cases, 'skipped');
  return `${head}\n${list}${reasons}\n${aligned([['CASES', 'PASSED', 'FAILED', 'SKIPPED'], ...counts], 'right')}`;
}

/** Groups cases by their reason. */
function reasonsText(cases: readonly CaseResult[], outcome: CaseResult['outcome']): string {
  const idsByReason = new Map<string, string[]>();
  for (const { id, reason } of cases.filter((each) => each.outcome === outcome)) {
    idsByReason.set(reason, [...(idsByReason.get(reason) ?? []), id]);
  }
  const lines = Array.from(idsByReason, ([reason, ids]) => `${ids.join(' ')}: ${reason}\n`);
  return lines.length === 0 ? '' : `\n${outcomeWords[outcome]} because\n${lines.join('')}`;
}

/** Columns as wide as their widest cell. `others` is the side to which all but the first are aligned. */
function aligned(rows: readonly (readonly string[])[], others: 'left' | 'right' = 'left'): string {
  const length = (text: string): number => Array.from(stripVTControlCharacters(text)).length;
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => length(row[column] ?? '')))) ?? [];
  const cell = (text: string, column: number): string => {
    const space = ' '.repeat((widths[column] ?? 0) - length(text));
    return column > 0 && others === 'right' ? space + text : text + space;
  };
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('');
}
