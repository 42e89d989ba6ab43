/** What one row cost, and where its time went. */
import type { ReactElement } from 'react';
import type { ReceiptBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { ms, parseObjective, usdSmall } from '../kit/format.ts';
import { Legend } from '../kit/legend.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { useWidth } from '../kit/use-width.ts';
import type { TokenName } from '../theme/tokens.ts';

interface ReceiptProps {
  readonly title: string;
  readonly receipt: ReceiptBody;
  readonly objective: string | null;
  /** From the whole request to its last prediction; unknown of one row of many. */
  readonly totalMs?: number;
}

const reasonWords: Readonly<Record<string, string>> = {
  idle: 'left at once, one was idle',
  full: 'left when full',
  ahead: 'left to be at hand when one was idle',
  slack: 'left when its time was up',
  'next-would-miss': 'left before it would be late',
  timeout: 'left after its wait',
  rescue: 'left in place of an instance that was busy',
  flush: 'left, nobody else came',
};

interface Stage {
  readonly name: string;
  readonly valueMs: number;
  readonly color: TokenName;
}

export function ReceiptCard({ title, receipt, objective, ...props }: ReceiptProps): ReactElement {
  const promise = parseObjective(objective);
  const isFunction = receipt.executor.startsWith('function');
  const knownMs = receipt.queue_ms + receipt.compute_ms;
  const totalMs = Math.max(knownMs, props.totalMs ?? 0);
  const stages: Stage[] = [
    { name: 'wait', valueMs: receipt.queue_ms, color: isFunction ? 'func-2' : 'flush' },
    { name: 'run', valueMs: receipt.compute_ms, color: isFunction ? 'func' : 'inst' },
    // To the worker and back, and what the machine did meanwhile: without it the receipt would say less than the request took.
    ...(props.totalMs === undefined ? [] : [{ name: 'hand over', valueMs: totalMs - knownMs, color: 'rate' as const }]),
  ];
  return (
    <Card title={title} padded>
      <Legend items={stages.map(({ name, valueMs, color }) => ({ label: name, color, value: ms(valueMs) }))} unit="ms" />
      <Times stages={stages} totalMs={totalMs} />
      <Pairs
        pairs={[
          ['Served by', `${executorWords(receipt.executor)}${receipt.cold_start ? ', which was started for it' : ''}`],
          ['Batch', `${receipt.batch_rows}, ${reasonWords[receipt.close_reason] ?? receipt.close_reason}`],
          ['Against objective', promise === null ? 'nothing is promised' : `${ms(totalMs)} of ${ms(promise.latencyMs)} ms`],
          [
            'Cost',
            receipt.rows > 1
              ? `${usdSmall(receipt.cost_usd / receipt.rows)}, its share of ${receipt.rows} rows`
              : usdSmall(receipt.cost_usd),
          ],
        ]}
      />
    </Card>
  );
}

/** `function:2048` as `function, 2048 MB`. */
export function executorWords(executor: string): string {
  const [kind = '', size = ''] = executor.split(':');
  return kind === 'function' ? `function, ${size} MB` : `${kind}, ${size}`;
}

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
