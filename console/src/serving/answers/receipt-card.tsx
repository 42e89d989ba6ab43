/** The receipt of one row: time by stage, batch and cost. */
import type { ReactElement } from 'react';
import type { ReceiptBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { Legend } from '../../kit/charts/legend.tsx';
import { useWidth } from '../../kit/charts/use-width.ts';
import { ms, parseObjectiveText } from '../../kit/format/format.ts';
import { usdOfRequests } from '../../kit/format/money.ts';
import { Pairs } from '../../kit/pairs.tsx';
import type { TokenName } from '../../theme/tokens.ts';

interface ReceiptProps {
  readonly title: string;
  readonly receipt: ReceiptBody;
  readonly objective: string | null;
  /** From the complete request to its last prediction. Unknown for a single row of many. */
  readonly totalMs?: number;
}

const reasonTexts: Readonly<Record<string, string>> = {
  idle: 'dispatched at once: an instance was idle',
  full: 'dispatched when full',
  ahead: 'dispatched ahead of the next idle instance',
  company: 'dispatched after a short wait for more requests',
  slack: 'dispatched when its slack ran out',
  'next-would-miss': 'dispatched before it would be late',
  timeout: 'dispatched after the maximum wait',
  late: 'dispatched after requests that could still be in time',
  rescue: 'sent to a function: instances were busy',
  flush: 'dispatched: workers were shutting down',
};

interface Stage {
  readonly name: string;
  readonly valueMs: number;
  readonly color: TokenName;
}

export function ReceiptCard({ title, receipt, objective, ...props }: ReceiptProps): ReactElement {
  const parsed = parseObjectiveText(objective);
  const isFunction = receipt.executor.startsWith('function');
  const knownMs = receipt.queue_ms + receipt.compute_ms;
  const totalMs = Math.max(knownMs, props.totalMs ?? 0);
  const stages: Stage[] = [
    { name: 'wait', valueMs: receipt.queue_ms, color: isFunction ? 'func-2' : 'flush' },
    { name: 'run', valueMs: receipt.compute_ms, color: isFunction ? 'func' : 'inst' },
    // Transfer to and from the worker, and scheduling delays. Without it, the stages would not add up to the total.
    ...(props.totalMs === undefined ? [] : [{ name: 'transfer', valueMs: totalMs - knownMs, color: 'rate' as const }]),
  ];
  return (
    <Card title={title} padded>
      <Legend items={stages.map(({ name, valueMs, color }) => ({ label: name, color, value: ms(valueMs) }))} unit="ms" />
      <Times stages={stages} totalMs={totalMs} />
      <Pairs
        pairs={[
          ['Served by', `${formatExecutor(receipt.executor)}${receipt.cold_start ? ', cold start' : ''}`],
          ['Batch', `${receipt.batch_rows}; ${reasonTexts[receipt.close_reason] ?? receipt.close_reason}`],
          ['Objective', parsed === null ? 'none' : `${ms(totalMs)} of ${ms(parsed.latencyMs)} ms`],
          [
            'Cost',
            receipt.rows > 1
              ? `${usdOfRequests(receipt.cost_usd / receipt.rows)}, its share of ${receipt.rows} rows`
              : usdOfRequests(receipt.cost_usd),
          ],
        ]}
      />
    </Card>
  );
}

/** `function:2048` as `function, 2048 MB`. */
export function formatExecutor(executor: string): string {
  const [kind = '', size = ''] = executor.split(':');
  return kind === 'function' ? `function, ${size} MB` : `${kind}, ${size}`;
}

/** Stages as a bar on a linear time scale. Very short stages are at least 2 px wide. */
function Times({ stages, totalMs }: { readonly stages: readonly Stage[]; readonly totalMs: number }): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  const scale = (width - 2) / Math.max(1e-6, totalMs);
  let x = 1;
  return (
    <div ref={box} className="times">
      {width === 0 ? null : (
        <svg width={width} height={38} aria-hidden="true">
          {stages.map(({ name, valueMs, color }) => {
            const from = x;
            x += valueMs * scale;
            return (
              <rect key={name} x={from} y="2" width={Math.max(2, valueMs * scale - 1.5)} height="16" rx="2" fill={`var(--${color})`} />
            );
          })}
          {[0, 0.5, 1].map((part) => (
            <text key={part} x={1 + part * (width - 2)} y="34" textAnchor={part === 0 ? 'start' : part === 1 ? 'end' : 'middle'}>
              {ms(totalMs * part)}
              {part === 0 ? ' ms' : ''}
            </text>
          ))}
        </svg>
      )}
    </div>
  );
}
