/** Live logs of an endpoint: its requests as a table, and the lines of its workers. */
import { Button, Checkbox, SegmentedControl, TextInput } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactElement, useDeferredValue } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { get, path } from '../../api/client.ts';
import { Card } from '../../kit/card.tsx';
import { Copy } from '../../kit/code.tsx';
import { parseObjectiveText } from '../../kit/format/format.ts';
import { loggedRequest } from '../../kit/format/logged-request.ts';
import { exactTime, fullTime, useUtc } from '../../kit/format/time.ts';
import { groupTracebacks, type LogEntry, lineParts, type WorkerLine } from '../../kit/format/tracebacks.ts';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { useSearchValues } from '../../kit/page/search-state.ts';
import { RequestDetail, RequestTable } from '../../kit/request-table.tsx';

interface Lines {
  readonly items: readonly { readonly line: string }[];
}

const linesShown = 200;

interface EndpointLogsProps {
  readonly endpoint: Pick<EndpointBody, 'name' | 'objective'>;
}

export function EndpointLogs({ endpoint: { name, objective } }: EndpointLogsProps): ReactElement {
  const [{ log = 'requests', filter = '', tail = 'on', request = '' }, change] = useSearchValues();
  const wanted = useDeferredValue(filter);
  const isLive = tail === 'on';
  const open = (id: string): void => change({ request: id });
  const lines = useQuery({
    queryKey: ['logs', name, log, wanted],
    queryFn: ({ signal }) =>
      log === 'workers'
        ? get<Lines>('/logs', { log, endpoint: name, filter: wanted, limit: linesShown }, signal)
        : get<Lines>(path('/endpoints/:endpoint/logs', { endpoint: name }), { filter: wanted, limit: linesShown }, signal),
    // New rows would move the open one away.
    refetchInterval: isLive && request === '' ? 2000 : false,
    placeholderData: keepPreviousData,
  });
  return (
    <Card
      title="Logs"
      end={
        <span className="row wrap">
          <SegmentedControl
            aria-label="Log"
            value={log}
            onChange={(value) => change({ log: value === 'requests' ? undefined : value, request: undefined })}
            data={[
              { value: 'requests', label: 'Requests' },
              { value: 'workers', label: 'Workers' },
            ]}
          />
          <TextInput
            data-filter
            className="log-filter"
            aria-label="Filter pattern"
            placeholder='Filter: "overloaded", { $.totalMs > 50 }'
            value={filter}
            onChange={(event) => change({ filter: event.currentTarget.value }, { replace: true })}
          />
          <Checkbox label="Live" checked={isLive} onChange={(event) => change({ tail: event.currentTarget.checked ? undefined : 'off' })} />
        </span>
      }
      footer={isLive && request !== '' ? 'Paused while a request is open.' : undefined}
    >
      <LoadedContent query={lines} what="The log could not be read." heights={[300]}>
        {({ items }) =>
          log === 'workers' ? (
            <LogLines lines={items.map(({ line }) => line)} />
          ) : (
            <Requests lines={items} objective={objective} open={request} onOpen={open} />
          )
        }
      </LoadedContent>
    </Card>
  );
}

interface RequestsProps {
  readonly lines: Lines['items'];
  readonly objective: string | null;
  readonly open: string;
  readonly onOpen: (id: string) => void;
}

/** An open request that is no longer among the lines, such as that of a shared link, is explained above them. */
function Requests({ lines, objective, open, onOpen }: RequestsProps): ReactElement {
  const requests = lines.flatMap(({ line }) => loggedRequest(line) ?? []).toReversed();
  const objectiveMs = parseObjectiveText(objective)?.latencyMs ?? null;
  const isElsewhere = open !== '' && !requests.some(({ id }) => id === open);
  return (
    <>
      {isElsewhere ? (
        <div className="body">
          <RequestDetail id={open} rest={[]} />
          <Button size="sm" onClick={() => onOpen('')}>
            Close
          </Button>
        </div>
      ) : null}
      {requests.length === 0 ? (
        <p className="body mut">No requests yet, or none that match the filter.</p>
      ) : (
        <RequestTable requests={requests} objectiveOf={() => objectiveMs} open={open} onOpen={onOpen} />
      )}
    </>
  );
}

/** Latest line first, so new lines appear at the top. A traceback is one line that can be opened. */
function LogLines({ lines }: { readonly lines: readonly string[] }): ReactElement {
  useUtc();
  if (lines.length === 0) return <p className="body mut">No log lines yet, or none that match the filter.</p>;
  const entries = groupTracebacks(lines.map(workerLine));
  return (
    // Scrollable regions must be reachable by keyboard.
    <div className="log-table tw" tabIndex={0} role="region" aria-label="Log lines, latest first">
      <table className="dense">
        <tbody>
          {entries.toReversed().map((entry, index) => (
            // Counted from the first line, so that an open traceback stays open when lines are added.
            <LogLine key={`${entries.length - index} ${entry.atMs} ${entry.text.slice(0, 80)}`} entry={entry} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function LogLine({ entry: { atMs, text, requests, traceback } }: { readonly entry: LogEntry }): ReactElement {
  return (
    <tr>
      <th scope="row" className="nw dim" title={atMs === null ? undefined : fullTime(atMs)}>
        {atMs === null ? '' : exactTime(atMs)}
      </th>
      <td>
        {traceback === null ? text : <Traceback text={text} lines={traceback} />}
        {requests === '' ? null : <span className="dim"> {requests}</span>}
      </td>
    </tr>
  );
}

function Traceback({ text, lines }: { readonly text: string; readonly lines: readonly string[] }): ReactElement {
  return (
    <details className="traceback">
      <summary>
        <span className="bad">{text}</span> <span className="dim">traceback, {lines.length} lines</span>
      </summary>
      {/* Scrollable regions must be reachable by keyboard. */}
      <pre tabIndex={0} role="region" aria-label={`Traceback of ${text}`}>
        {lines.join('\n')}
      </pre>
      <Copy text={lines.join('\n')} label="Copy the traceback" />
    </details>
  );
}

function workerLine(line: string): WorkerLine {
  const { at, ...fields } = parsed(line);
  const { stream } = fields;
  return { atMs: at, stream: typeof stream === 'string' ? stream : '', ...lineParts(textOf(fields)) };
}

function parsed(line: string): { at: number | null; [name: string]: unknown } {
  try {
    const fields = JSON.parse(line) as Record<string, unknown>;
    const { at, time, ...rest } = fields;
    const when = typeof at === 'number' ? at : typeof time === 'number' ? time : null;
    return { ...rest, at: when };
  } catch {
    return { at: null, message: line };
  }
}

/** The message, followed by the other fields as `name=value`. */
function textOf(fields: Readonly<Record<string, unknown>>): string {
  const { message, msg, stream: _stream, ...rest } = fields;
  const text = typeof message === 'string' ? message : typeof msg === 'string' ? msg : '';
  const others = Object.entries(rest).flatMap(([name, value]) =>
    value === null || value === '' ? [] : [`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`],
  );
  return [text, ...others].filter((part) => part !== '').join('  ');
}
