/** What an endpoint's requests and workers wrote, live. */
import { Checkbox, SegmentedControl, TextInput } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactElement, useDeferredValue } from 'react';
import { get, path } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { Loaded } from '../kit/loaded.tsx';
import { useSearchValues } from '../kit/search-state.ts';
import { exactTime, fullTime, useUtc } from '../kit/time.ts';

interface Lines {
  readonly items: readonly { readonly line: string }[];
}

const linesShown = 200;

export function EndpointLogs({ endpoint }: { readonly endpoint: string }): ReactElement {
  const [{ log = 'requests', filter = '', tail = 'on' }, change] = useSearchValues();
  const wanted = useDeferredValue(filter);
  const isLive = tail === 'on';
  const lines = useQuery({
    queryKey: ['logs', endpoint, log, wanted],
    queryFn: ({ signal }) =>
      log === 'workers'
        ? get<Lines>('/logs', { log, endpoint, filter: wanted, limit: linesShown }, signal)
        : get<Lines>(path('/endpoints/:endpoint/logs', { endpoint }), { filter: wanted, limit: linesShown }, signal),
    refetchInterval: isLive ? 2000 : false,
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
            onChange={(value) => change({ log: value === 'requests' ? undefined : value })}
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
    >
      <Loaded query={lines} what="The log could not be read." heights={[300]}>
        {({ items }) => <LogLines lines={items.map(({ line }) => line)} />}
      </Loaded>
    </Card>
  );
}

/** The latest first: what just came is where one looks. */
function LogLines({ lines }: { readonly lines: readonly string[] }): ReactElement {
  useUtc();
  if (lines.length === 0) return <p className="body mut">Nothing was written yet, or nothing that the filter lets through.</p>;
  return (
    // What scrolls must be reachable by keyboard.
    <div className="log-table tw" tabIndex={0} role="region" aria-label="Log lines, the latest first">
      <table className="dense">
        <tbody>
          {lines.toReversed().map((line, index) => (
            <LogLine key={`${index} ${line.slice(0, 80)}`} line={line} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function LogLine({ line }: { readonly line: string }): ReactElement {
  const { at, ...fields } = parsed(line);
  const isBad = 'status' in fields && fields['status'] !== 'ok' && fields['status'] !== 200;
  return (
    <tr>
      <th scope="row" className="nw dim" title={at === null ? undefined : fullTime(at)}>
        {at === null ? '' : exactTime(at)}
      </th>
      <td className={isBad ? 'bad' : undefined}>{textOf(fields)}</td>
    </tr>
  );
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

/** A message by itself, else names and values. */
function textOf(fields: Readonly<Record<string, unknown>>): string {
  const { message, msg, stream: _stream, ...rest } = fields;
  const text = typeof message === 'string' ? message : typeof msg === 'string' ? msg : '';
  const others = Object.entries(rest).flatMap(([name, value]) =>
    value === null || value === '' ? [] : [`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`],
  );
  return [text, ...others].filter((part) => part !== '').join('  ');
}
