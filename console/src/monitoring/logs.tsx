/** Log search and live tail. */
import { Button, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { ApiError, get, urlOf } from '../api/client.ts';
import { endpointsQuery } from '../api/queries.ts';
import { Card } from '../kit/card.tsx';
import { parseObjectiveText, plural } from '../kit/format/format.ts';
import { loggedRequest } from '../kit/format/logged-request.ts';
import { exactTime, fullTime, useUtc } from '../kit/format/time.ts';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { useScrolledToEnd } from '../kit/page/scrolled-to-end.ts';
import { useSearchValue } from '../kit/page/search-state.ts';
import { RequestTable } from '../kit/request-table.tsx';
import { type LogLine, logLine } from './log-lines.ts';

interface LogFilter {
  readonly log: string;
  readonly endpoint: string | undefined;
  readonly filter: string;
}

/** Older lines are dropped. */
const linesMax = 1000;
const pastLines = 200;

export function LogsTab(): ReactElement {
  const [log, setLog] = useSearchValue('log', 'platform');
  const [endpoint, setEndpoint] = useSearchValue('endpoint', '');
  const [filter, setFilter] = useSearchValue('filter', '');
  const [isLive, setIsLive] = useState(true);
  const isReady = log !== 'workers' || endpoint !== '';
  const { lines, error } = useLines({ log, endpoint: endpoint === '' ? undefined : endpoint, filter }, isLive, isReady);
  return (
    <Card
      title="Logs"
      aside={<span className="sm dim">{plural(lines.length, 'line')}</span>}
      end={
        <Button size="sm" aria-pressed={isLive} onClick={() => setIsLive(!isLive)}>
          <span className={`live-dot ${isLive ? '' : 'off'}`}>
            <i />
            {isLive ? 'Live' : 'Paused'}
          </span>
        </Button>
      }
      footer="Filter by words, or by a CloudWatch Logs pattern such as { $.status = &quot;overloaded&quot; }."
    >
      <Fields log={log} endpoint={endpoint} filter={filter} setLog={setLog} setEndpoint={setEndpoint} setFilter={setFilter} />
      {error === null ? null : (
        <div className="body">
          <LoadFailure error={error} what="The log could not be read." />
        </div>
      )}
      {isReady && log === 'requests' ? (
        <Requests lines={lines} onOpen={() => setIsLive(false)} />
      ) : isReady ? (
        <Lines lines={lines} />
      ) : (
        <p className="body mut">Choose an endpoint to see the log of its workers.</p>
      )}
    </Card>
  );
}

interface FieldsProps {
  readonly log: string;
  readonly endpoint: string;
  readonly filter: string;
  readonly setLog: (log: string) => void;
  readonly setEndpoint: (endpoint: string) => void;
  readonly setFilter: (filter: string) => void;
}

function Fields({ log, endpoint, filter, setLog, setEndpoint, setFilter }: FieldsProps): ReactElement {
  const [typed, setTyped] = useState(filter);
  const endpoints = useQuery(endpointsQuery());
  const groups = useQuery({
    queryKey: ['log-groups'],
    queryFn: ({ signal }) => get<{ readonly items: readonly { readonly name: string }[] }>('/logs/groups', {}, signal),
  });
  const names = (endpoints.data?.items ?? []).map(({ name }) => name);
  const others = (groups.data?.items ?? [])
    .map(({ name }) => name)
    .filter((name) => !/^\/penstock\/(access|platform|requests)$/.test(name));
  return (
    <form
      className="body row wrap log-fields"
      onSubmit={(event) => {
        event.preventDefault();
        setFilter(typed);
      }}
    >
      <Select
        label="Log"
        value={log}
        onChange={(value) => setLog(value ?? 'platform')}
        allowDeselect={false}
        data={[
          { value: 'platform', label: 'server' },
          { value: 'requests', label: 'requests' },
          { value: 'access', label: 'API access' },
          { value: 'workers', label: 'endpoint workers' },
          ...others.map((name) => ({ value: name, label: name })),
        ]}
      />
      <Select
        label="Endpoint"
        value={endpoint === '' ? null : endpoint}
        onChange={(value) => setEndpoint(value ?? '')}
        data={names}
        clearable
        placeholder="all"
      />
      <TextInput
        label="Filter"
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        placeholder="error"
        className="grow"
        autoComplete="off"
      />
      <Button type="submit">Search</Button>
    </form>
  );
}

/** The last lines, followed by new ones. Starts again if the filter changes. */
function useLines(
  { log, endpoint, filter }: LogFilter,
  isLive: boolean,
  isReady: boolean,
): { lines: readonly LogLine[]; error: Error | null } {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [error, setError] = useState<Error | null>(null);
  const number = useRef(0);
  useEffect(() => {
    setLines([]);
    setError(null);
    if (!isReady) return undefined;
    const query = { log, endpoint, filter: filter === '' ? undefined : filter, limit: pastLines };
    const lineOf = (raw: string): LogLine => logLine(raw, number.current++);
    const ended = new AbortController();
    get<{ readonly items: readonly { readonly line: string }[] }>('/logs', query, ended.signal)
      .then(({ items }) => setLines(items.map(({ line }) => lineOf(line))))
      .catch((thrown: unknown) => {
        if (!ended.signal.aborted) setError(thrown instanceof ApiError ? thrown : new Error(String(thrown)));
      });
    if (!isLive) return () => ended.abort();
    const source = new EventSource(urlOf('/logs', { ...query, limit: 0, follow: true }));
    // New lines are collected and rendered twice a second.
    let fresh: LogLine[] = [];
    source.addEventListener('message', ({ data }: MessageEvent<string>) => fresh.push(lineOf(data)));
    const timer = setInterval(() => {
      if (fresh.length === 0 || document.hidden) return;
      const added = fresh;
      fresh = [];
      setLines((before) => [...before, ...added].slice(-linesMax));
    }, 500);
    return () => {
      ended.abort();
      source.close();
      clearInterval(timer);
    };
  }, [log, endpoint, filter, isLive, isReady]);
  return { lines, error };
}

/** Opening a request pauses the log: new rows would move it away. */
function Requests({ lines, onOpen }: { readonly lines: readonly LogLine[]; readonly onOpen: () => void }): ReactElement {
  const [request, setRequest] = useSearchValue('request', '');
  const { data } = useQuery(endpointsQuery());
  const objectives = new Map(data?.items.map(({ name, objective }) => [name, parseObjectiveText(objective)?.latencyMs ?? null]));
  const requests = lines.flatMap(({ raw }) => loggedRequest(raw) ?? []).toReversed();
  if (requests.length === 0) return <p className="body mut">No matching requests. New ones appear here.</p>;
  return (
    <RequestTable
      requests={requests}
      hasEndpoints
      objectiveOf={(endpoint) => objectives.get(endpoint) ?? null}
      open={request}
      onOpen={(id) => {
        if (id !== '') onOpen();
        setRequest(id);
      }}
    />
  );
}

function Lines({ lines }: { readonly lines: readonly LogLine[] }): ReactElement {
  useUtc();
  const box = useScrolledToEnd(lines);
  return (
    <div {...box} className="log" role="log" aria-label="Log lines" aria-live="off">
      {lines.length === 0 ? <p className="mut">No matching lines. New ones appear here.</p> : null}
      {lines.map(({ key, atMs, level, text, rest, raw }) => (
        <p key={key} className={`log-line ${level ?? ''}`} title={raw.slice(0, 2000)}>
          <time title={atMs === null ? undefined : fullTime(atMs)}>{atMs === null ? '' : exactTime(atMs)}</time>
          <span className="log-text">
            {text} <span className="dim">{rest}</span>
          </span>
        </p>
      ))}
    </div>
  );
}
