/** Two versions side by side. Signature changes come first and are highlighted. */
import { Checkbox, Select } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import { Card } from '../../kit/card.tsx';
import { Chip } from '../../kit/chip.tsx';
import { objective as objectiveText } from '../../kit/format/format.ts';
import { comparedRatePerSecond } from '../use-costs.ts';
import { type Compared, type ComparedRow, compareVersions } from './compare-versions.ts';

interface CompareCardProps {
  readonly before: Compared;
  readonly after: Compared;
  readonly objective: string;
  readonly objectives: readonly string[];
  readonly onObjective: (objective: string) => void;
  readonly hasCosts: boolean;
}

export function CompareCard({ before, after, objective, objectives, onObjective, hasCosts }: CompareCardProps): ReactElement {
  const [isShort, setIsShort] = useState(false);
  const rows = compareVersions(before, after).filter(({ isSame }) => !isShort || !isSame);
  const [old, next] = [before.version.name, after.version.name];
  const chips = (
    <span className="row wrap">
      <Chip>
        <i className="sw" style={{ background: 'var(--rate)' }} />
        {old}
      </Chip>
      <Chip>
        <i className="sw" style={{ background: 'var(--accent)' }} />
        {next}
      </Chip>
    </span>
  );
  return (
    <Card
      title="Compare"
      span={7}
      aside={chips}
      end={<Checkbox size="xs" label="Differences only" checked={isShort} onChange={(event) => setIsShort(event.currentTarget.checked)} />}
      footer={hasCosts ? <AtObjective objective={objective} objectives={objectives} onObjective={onObjective} /> : undefined}
    >
      <div className="tw">
        <table className="dense diff">
          <caption className="unseen">
            {old} and {next} side by side
          </caption>
          <thead>
            <tr>
              <td />
              <th scope="col">{old}</th>
              <th scope="col">{next}</th>
              <th scope="col" className="n">
                Change
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Line key={row.label} row={row} />
            ))}
            {rows.length === 0 ? (
              <tr>
                <td colSpan={4} className="mut">
                  No known differences.
                </td>
              </tr>
            ) : null}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

type AtObjectiveProps = Pick<CompareCardProps, 'objective' | 'objectives' | 'onObjective'>;

function AtObjective({ objective, objectives, onObjective }: AtObjectiveProps): ReactElement {
  return (
    <span className="row wrap at-objective">
      <label htmlFor="compare-objective">Cost and latency predicted at</label>
      <Select
        id="compare-objective"
        size="xs"
        data={objectives.map((value) => ({ value, label: objectiveText(value) }))}
        value={objective}
        allowDeselect={false}
        onChange={(value) => value !== null && onObjective(value)}
      />
      and {comparedRatePerSecond} requests per second.
    </span>
  );
}

function Line({ row }: { readonly row: ComparedRow }): ReactElement {
  const side = (texts: readonly string[]): ReactElement[] =>
    texts.map((text) =>
      row.isCode ? (
        <code key={text} className="line">
          {text}
        </code>
      ) : (
        <span key={text}>{text}</span>
      ),
    );
  return (
    <tr className={row.isBreaking ? 'ch' : ''}>
      <th scope="row">{row.label}</th>
      <td className="t">{side(row.before)}</td>
      <td className="t">{side(row.after)}</td>
      <td className={`n ${row.tone}`}>{row.change}</td>
    </tr>
  );
}
