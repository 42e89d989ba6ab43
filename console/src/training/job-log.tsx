/** The output of a job: its last lines, refreshed each second, with a search. */
import { Button, TextInput } from '@mantine/core';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import type { TrainingJobBody, TrainingLogBody } from '../../../src/api/index.ts';
import { get, path, urlOf } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { plural } from '../kit/format/format.ts';
import { exactTime, fullTime, useUtc } from '../kit/format/time.ts';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { useScrolledToEnd } from '../kit/page/scrolled-to-end.ts';
import { useSearchValue } from '../kit/page/search-state.ts';
import { isJobRunning } from './training-queries.ts';

/** Older lines are dropped from the page; all are in the file. */
const linesMax = 5000;
const pageLines = 2000;
const pollMs = 1000;

interface ShownLine {
  readonly key: number;
  readonly atMs: number;
  readonly text: string;
}

export interface JobLogProps {
  readonly job: Pick<TrainingJobBody, 'name' | 'status'>;
  /** The path of the API with its lines. */
  readonly place?: string;
}

export function JobLog({ job, place = path('/training-jobs/:job/logs', { job: job.name }) }: JobLogProps): ReactElement {
  const [filter, setFilter] = useSearchValue('find', '');
  const { lines, isCut, error } = useOutput(place, isJobRunning(job));
  const wanted = filter.trim().toLowerCase();
  const found = wanted === '' ? lines : lines.filter(({ text }) => text.toLowerCase().includes(wanted));
  const file = urlOf(place, { limit: 10_000 });
  return (
    <Card
      title="Output"
      className="section"
      aside={
        <span className="sm dim">
          {wanted === '' ? plural(lines.length, 'line') : `${found.length} of ${plural(lines.length, 'line')}`}
        </span>
      }
      end={
        <Button size="sm" component="a" href={file} download={`${job.name}.json`}>
          Download
        </Button>
      }
      footer={isCut ? `Shows the last ${linesMax.toLocaleString('en')} lines.` : undefined}
    >
      <div className="body">
        <TextInput
          label="Find in the output"
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
          placeholder="error"
          autoComplete="off"
        />
        {error === null ? null : <LoadFailure error={error} what="The output could not be read." />}
      </div>
      <Lines lines={found} isEmpty={lines.length === 0} />
    </Card>
  );
}

/** Reads further lines each second while the job runs, and once more after it has ended. */
function useOutput(place: string, isLive: boolean): { lines: readonly ShownLine[]; isCut: boolean; error: Error | null } {
  const [lines, setLines] = useState<readonly ShownLine[]>([]);
  const [isCut, setIsCut] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const read = useRef<{ place: string; after: string | null; key: number }>({ place, after: null, key: 0 });
  useEffect(() => {
    if (read.current.place !== place) {
      read.current = { place, after: null, key: 0 };
      setLines([]);
      setIsCut(false);
    }
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const poll = async (): Promise<void> => {
      try {
        for (let isMore = true; isMore; ) {
          const { items, next } = await get<TrainingLogBody>(place, { limit: pageLines, after: read.current.after }, ended.signal);
          if (ended.signal.aborted) return;
          read.current.after = next ?? read.current.after;
          const added = items.map(({ at, line }): ShownLine => ({ key: read.current.key++, atMs: Date.parse(at), text: line }));
          if (added.length > 0) setLines((before) => [...before, ...added].slice(-linesMax));
          if (read.current.key > linesMax) setIsCut(true);
          isMore = items.length === pageLines;
        }
        setError(null);
      } catch (thrown) {
        if (ended.signal.aborted) return;
        setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
      if (isLive) timer = setTimeout(() => void poll(), pollMs);
    };
    void poll();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [place, isLive]);
  return { lines, isCut, error };
}

function Lines({ lines, isEmpty }: { readonly lines: readonly ShownLine[]; readonly isEmpty: boolean }): ReactElement {
  useUtc();
  const box = useScrolledToEnd(lines);
  return (
    <div {...box} className="training-log" role="log" aria-label="Lines of the output" aria-live="off">
      {lines.length === 0 ? <p className="mut">{isEmpty ? 'Nothing was printed yet.' : 'No line contains this text.'}</p> : null}
      {lines.map(({ key, atMs, text }) => (
        <p key={key}>
          <time title={fullTime(atMs)}>{exactTime(atMs)}</time>
          <span>{text}</span>
        </p>
      ))}
    </div>
  );
}
