/** A timeline of decisions, latest first: the change, the reason, the alternatives and the result. */

import { type ReactElement, useEffect, useRef } from 'react';
import { Ago } from '../../kit/format/ago.tsx';
import { sentence } from '../../kit/format/format.ts';
import { clockTime, dayOf, exactTime, useUtc } from '../../kit/format/time.ts';
import { StateShape } from '../../kit/state-mark.tsx';
import { type AlternativeRow, type DecisionText, formatDecision, type TimelineEntry } from './format-decision.ts';

export interface DecisionTimelineProps {
  readonly entries: readonly TimelineEntry[];
  /** The decision that the URL selects. */
  readonly requestedId: string | undefined;
  readonly onRequest: (id: string) => void;
  /** Shows the alternatives of all decisions. Default: only those of the latest and of the selected decision. */
  readonly isFull?: boolean;
}

export function DecisionTimeline({ entries, requestedId, onRequest, isFull = false }: DecisionTimelineProps): ReactElement {
  useUtc();
  const latest = entries.find((entry) => entry.kind === 'decision');
  return (
    <ol className="tl">
      {entries.map((entry) => {
        if (entry.kind === 'person') return <Person key={entry.id} entry={entry} />;
        if (entry.kind === 'unchanged') return <UnchangedEntry key={`${entry.latest.id}/reviews`} entry={entry} onRequest={onRequest} />;
        const { decision } = entry;
        const isSelected = decision.id === requestedId;
        return (
          <Decided
            key={decision.id}
            entry={entry}
            isRequested={isSelected}
            isOpen={isFull || isSelected || entry === latest}
            onRequest={onRequest}
          />
        );
      })}
    </ol>
  );
}

function When({ at }: { readonly at: string | number }): ReactElement {
  const atMs = typeof at === 'number' ? at : Date.parse(at);
  const isOld = Date.now() - atMs > 86_400_000;
  return (
    <div className="when t" title={exactTime(atMs)}>
      {isOld ? dayOf(atMs) : clockTime(atMs)}
      <span>
        <Ago at={at} />
      </span>
    </div>
  );
}

function Person({ entry }: { readonly entry: Extract<TimelineEntry, { kind: 'person' }> }): ReactElement {
  return (
    <li>
      <When at={entry.atMs} />
      <span className="pin">
        <StateShape kind="person" />
      </span>
      <h3>{entry.title}</h3>
      <p className="why">
        By {entry.who === 'penstock' ? 'Penstock' : entry.who}
        {entry.why === null ? '' : `: ${entry.why}`}.
      </p>
    </li>
  );
}

function UnchangedEntry({
  entry,
  onRequest,
}: {
  readonly entry: Extract<TimelineEntry, { kind: 'unchanged' }>;
  readonly onRequest: (id: string) => void;
}): ReactElement {
  const { latest, reviews, sinceMs } = entry;
  return (
    <li>
      <When at={latest.at} />
      <span className="pin">
        <StateShape kind="zero" />
      </span>
      <h3 className="mut">
        <button type="button" onClick={() => onRequest(latest.id)}>
          No change in {reviews === 1 ? 'one review' : `${reviews} reviews since ${clockTime(sinceMs)}`}
        </button>
      </h3>
      <p className="why">{sentence(latest.explanation)}</p>
    </li>
  );
}

interface DecidedProps {
  readonly entry: Extract<TimelineEntry, { kind: 'decision' }>;
  readonly isRequested: boolean;
  readonly isOpen: boolean;
  readonly onRequest: (id: string) => void;
}

function Decided({ entry: { decision }, isRequested, isOpen, onRequest }: DecidedProps): ReactElement {
  const text = formatDecision(decision);
  const item = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isRequested) item.current?.scrollIntoView({ block: 'nearest' });
  }, [isRequested]);
  return (
    <li ref={item} className={isRequested ? 'sel' : undefined}>
      <When at={decision.at} />
      <span className="pin">
        <StateShape kind={decision.changes ? 'decision' : 'zero'} />
      </span>
      <h3>
        <button type="button" aria-expanded={isOpen} onClick={() => onRequest(decision.id)}>
          {text.title}
        </button>
      </h3>
      <p className="why">{sentence(text.why)}</p>
      {isOpen && text.alternatives.length > 0 ? <Alternatives text={text} /> : null}
      {text.effect.length === 0 ? null : (
        <div className="brought">
          <span>Result:</span>
          {text.effect.map(([name, value]) => (
            <span key={name}>
              {name} <b>{value}</b>
            </span>
          ))}
        </div>
      )}
    </li>
  );
}

function Alternatives({ text: { heads, alternatives } }: { readonly text: DecisionText }): ReactElement {
  return (
    <div className="alts tw">
      <table>
        <thead>
          <tr>
            <th scope="col">Alternative</th>
            {heads.map((head) => (
              <th scope="col" className="n" key={head}>
                {head}
              </th>
            ))}
            <th scope="col" className="wide">
              Note
            </th>
          </tr>
        </thead>
        <tbody>
          {alternatives.map((row) => (
            <Alternative key={row.key} row={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Alternative({ row: { name, isChosen, cells, note } }: { readonly row: AlternativeRow }): ReactElement {
  return (
    <tr className={isChosen ? 'sel' : undefined}>
      <th scope="row">{isChosen ? <b>{name}</b> : name}</th>
      {cells.map((cell, index) => (
        // The order of columns never changes, so the index is a stable key.
        <td className="n" key={index}>
          {cell}
        </td>
      ))}
      <td className={`wide ${isChosen ? '' : 'dim'}`}>{isChosen ? 'chosen' : note}</td>
    </tr>
  );
}
