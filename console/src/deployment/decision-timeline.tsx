/** Decisions, the latest first: what changed, why in a sentence or two, what else there was, what it brought. */

import { type ReactElement, useEffect, useRef } from 'react';
import { Ago } from '../kit/ago.tsx';
import { sentence } from '../kit/format.ts';
import { StateShape } from '../kit/state-mark.tsx';
import { clockTime, dayOf, exactTime, useUtc } from '../kit/time.ts';
import { type AlternativeRow, type DecisionWords, decisionWords, type TimelineEntry } from './decision-words.ts';

export interface DecisionTimelineProps {
  readonly entries: readonly TimelineEntry[];
  /** The one that a link led to. */
  readonly asked: string | undefined;
  readonly onAsk: (id: string) => void;
  /** All alternatives at once, or only those of the one that was asked for and the latest. */
  readonly isFull?: boolean;
}

export function DecisionTimeline({ entries, asked, onAsk, isFull = false }: DecisionTimelineProps): ReactElement {
  useUtc();
  const latest = entries.find((entry) => entry.kind === 'decision');
  return (
    <ol className="tl">
      {entries.map((entry) => {
        if (entry.kind === 'person') return <Person key={entry.id} entry={entry} />;
        if (entry.kind === 'kept') return <Kept key={entry.latest.id} entry={entry} onAsk={onAsk} />;
        const { decision } = entry;
        const isAsked = decision.id === asked;
        return <Decided key={decision.id} entry={entry} isAsked={isAsked} isOpen={isFull || isAsked || entry === latest} onAsk={onAsk} />;
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
        By {entry.who === 'penstock' ? 'Penstock itself' : entry.who}
        {entry.why === null ? '' : `: ${entry.why}`}.
      </p>
    </li>
  );
}

function Kept({
  entry,
  onAsk,
}: {
  readonly entry: Extract<TimelineEntry, { kind: 'kept' }>;
  readonly onAsk: (id: string) => void;
}): ReactElement {
  const { latest, reviews, sinceMs } = entry;
  return (
    <li>
      <When at={latest.at} />
      <span className="pin">
        <StateShape kind="zero" />
      </span>
      <h3 className="mut">
        <button type="button" onClick={() => onAsk(latest.id)}>
          Kept everything, {reviews === 1 ? 'one review' : `${reviews} reviews since ${clockTime(sinceMs)}`}
        </button>
      </h3>
      <p className="why">{sentence(latest.explanation)}</p>
    </li>
  );
}

interface DecidedProps {
  readonly entry: Extract<TimelineEntry, { kind: 'decision' }>;
  readonly isAsked: boolean;
  readonly isOpen: boolean;
  readonly onAsk: (id: string) => void;
}

function Decided({ entry: { decision }, isAsked, isOpen, onAsk }: DecidedProps): ReactElement {
  const words = decisionWords(decision);
  const item = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isAsked) item.current?.scrollIntoView({ block: 'nearest' });
  }, [isAsked]);
  return (
    <li ref={item} className={isAsked ? 'sel' : undefined}>
      <When at={decision.at} />
      <span className="pin">
        <StateShape kind={decision.changes ? 'decision' : 'zero'} />
      </span>
      <h3>
        <button type="button" aria-expanded={isOpen} onClick={() => onAsk(decision.id)}>
          {words.title}
        </button>
      </h3>
      <p className="why">{sentence(words.why)}</p>
      {isOpen && words.alternatives.length > 0 ? <Alternatives words={words} /> : null}
      {words.brought.length === 0 ? null : (
        <div className="brought">
          <span>Brought:</span>
          {words.brought.map(([name, value]) => (
            <span key={name}>
              {name} <b>{value}</b>
            </span>
          ))}
        </div>
      )}
    </li>
  );
}

function Alternatives({ words: { heads, alternatives } }: { readonly words: DecisionWords }): ReactElement {
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
        // Columns keep their places.
        <td className="n" key={index}>
          {cell}
        </td>
      ))}
      <td className={`wide ${isChosen ? '' : 'dim'}`}>{isChosen ? 'chosen' : note}</td>
    </tr>
  );
}
