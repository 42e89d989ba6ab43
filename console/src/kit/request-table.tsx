/** The request log as a table. A row opens: where the time of the request went, and the other fields of its line. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Fragment, type ReactElement } from 'react';
import { requestQuery } from '../api/queries.ts';
import { openRow } from './data-table.tsx';
import { ms, sentence } from './format/format.ts';
import { formatRequestStatus, isLate, isServed, type LoggedRequest } from './format/logged-request.ts';
import { exactTime, fullTime, useUtc } from './format/time.ts';
import { LoadedContent } from './page/loaded.tsx';
import { Pairs } from './pairs.tsx';
import { StateMark } from './state-mark.tsx';

export interface RequestTableProps {
  /** Latest first. */
  readonly requests: readonly LoggedRequest[];
  /** The objective's latency of an endpoint, in milliseconds; null without one. */
  readonly objectiveOf: (endpoint: string) => number | null;
  readonly hasEndpoints?: boolean;
  /** The ID of the open request; empty if there is none. */
  readonly open: string;
  readonly onOpen: (id: string) => void;
}

export function RequestTable({ requests, objectiveOf, hasEndpoints = false, open, onOpen }: RequestTableProps): ReactElement {
  useUtc();
  const columns = hasEndpoints ? 8 : 7;
  return (
    // Scrollable regions must be reachable by keyboard.
    <div className="request-table tw" tabIndex={0} role="region" aria-label="Requests, latest first">
      <table className="dense">
        <caption className="unseen">Requests, latest first</caption>
        <Heads hasEndpoints={hasEndpoints} />
        <tbody>
          {requests.map((request, index) => {
            const isOpen = request.id === open;
            const late = isLate(request, objectiveOf(request.endpoint));
            return (
              // A client may send the same ID again.
              <Fragment key={`${request.id} ${request.atMs} ${index}`}>
                <Row
                  request={request}
                  isLate={late}
                  hasEndpoints={hasEndpoints}
                  isOpen={isOpen}
                  onToggle={() => onOpen(isOpen ? '' : request.id)}
                />
                {isOpen ? (
                  <tr className="sel">
                    <td colSpan={columns}>
                      <RequestDetail id={request.id} rest={request.rest} />
                    </td>
                  </tr>
                ) : null}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Heads({ hasEndpoints }: { readonly hasEndpoints: boolean }): ReactElement {
  return (
    <thead>
      <tr>
        <th scope="col">Time</th>
        {hasEndpoints ? <th scope="col">Endpoint</th> : null}
        <th scope="col">Status</th>
        <th scope="col" className="n">
          Total
        </th>
        {['Queue', 'Compute', 'Batch'].map((title) => (
          <th key={title} scope="col" className="n wide">
            {title}
          </th>
        ))}
        <th scope="col" className="wide">
          Request
        </th>
      </tr>
    </thead>
  );
}

interface RowProps {
  readonly request: LoggedRequest;
  readonly isLate: boolean;
  readonly hasEndpoints: boolean;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

function Row({ request, isLate: late, hasEndpoints, isOpen, onToggle }: RowProps): ReactElement {
  const { id, atMs, endpoint, totalMs, queueMs, computeMs, batchRows } = request;
  return (
    <tr className={`go ${isOpen ? 'sel' : ''}`} onClick={openRow}>
      <th scope="row" className="nw t" title={fullTime(atMs)}>
        <button type="button" className="name link" aria-expanded={isOpen} onClick={onToggle}>
          {exactTime(atMs)}
          <span className="unseen"> Explain request {id}</span>
        </button>
      </th>
      {hasEndpoints ? (
        <td>
          <Link to="/endpoints/$endpoint" params={{ endpoint }} search={{ tab: 'logs' }}>
            {endpoint}
          </Link>
        </td>
      ) : null}
      <td className="nw">
        <Status request={request} isLate={late} />
      </td>
      <td className={`n ${late ? 'warn' : ''}`}>
        <b>{ms(totalMs)}</b>
        {totalMs === null ? null : <span className="u">ms</span>}
      </td>
      <td className="n wide">{ms(queueMs)}</td>
      <td className="n wide">{ms(computeMs)}</td>
      <td className="n wide">{batchRows ?? '–'}</td>
      <td className="wide mono nw">{id}</td>
    </tr>
  );
}

function Status({ request: { status }, isLate: late }: Pick<RowProps, 'request' | 'isLate'>): ReactElement {
  if (late) return <StateMark kind="warn">Late</StateMark>;
  if (isServed(status)) return <StateMark kind="ok">OK</StateMark>;
  return <StateMark kind={status === 'cancelled' ? 'zero' : 'bad'}>{formatRequestStatus(status)}</StateMark>;
}

/** Why the request took its time, as in `penstock why`. `rest`: the other fields of its line, if that is at hand. */
export function RequestDetail({ id, rest }: { readonly id: string; readonly rest: LoggedRequest['rest'] }): ReactElement {
  const request = useQuery({ ...requestQuery(id), staleTime: Number.POSITIVE_INFINITY });
  return (
    <div className="request-detail" aria-live="polite">
      <LoadedContent query={request} what={`Request ${id} could not be explained.`} heights={[60]}>
        {({ explanation }) => (
          <ul className="story">
            {explanation.map((line) => (
              <li key={line}>{sentence(line)}</li>
            ))}
          </ul>
        )}
      </LoadedContent>
      {rest.length === 0 ? null : <Pairs pairs={rest} />}
      <p className="sm dim">
        <code>penstock why {id}</code> shows the same.
      </p>
    </div>
  );
}
