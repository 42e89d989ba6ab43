/**
 * What a query has brought, once it has: nothing for 300 ms, then the shape of what comes; an error with what happened and a
 * button that tries again. Data that is older than the error stays, with a note above it.
 */
import { Button, Skeleton } from '@mantine/core';
import { type ReactElement, type ReactNode, useEffect, useState } from 'react';
import { ApiError } from '../api/client.ts';
import { said } from './code.tsx';
import { sentence } from './format.ts';
import { Note } from './note.tsx';

export interface LoadedProps<T> {
  /** A query of TanStack's, of one answer or of pages. */
  readonly query: {
    readonly data: T | undefined;
    readonly error: Error | null;
    readonly isFetching: boolean;
    readonly refetch: () => Promise<unknown>;
  };
  /** What is loaded, as in `The endpoints could not be loaded.` */
  readonly what: string;
  /** The heights of what comes, in pixels. */
  readonly heights?: readonly number[];
  readonly children: (data: T) => ReactNode;
}

export function Loaded<T>({ query, what, heights = [76, 280], children }: LoadedProps<T>): ReactElement {
  const { data, error, refetch, isFetching } = query;
  if (data === undefined && error === null) return <Skeletons heights={heights} />;
  return (
    <>
      {error === null ? null : (
        <div className="section">
          <Failure error={error} what={what} onRetry={() => void refetch()} isBusy={isFetching} />
        </div>
      )}
      {data === undefined ? null : children(data)}
    </>
  );
}

export function Failure({
  error,
  what,
  onRetry,
  isBusy = false,
}: {
  readonly error: Error;
  readonly what: string;
  readonly onRetry?: () => void;
  readonly isBusy?: boolean;
}): ReactElement {
  const { hint, requestId } = error instanceof ApiError ? error : { hint: undefined, requestId: undefined };
  return (
    <Note
      tone="bad"
      title={what}
      end={
        onRetry === undefined ? undefined : (
          <Button size="sm" onClick={onRetry} loading={isBusy}>
            Try again
          </Button>
        )
      }
    >
      {said(sentence(error.message))} {hint === undefined ? null : said(sentence(hint))}
      {requestId === undefined ? null : <span className="dim mono"> {requestId}</span>}
    </Note>
  );
}

const patienceMs = 300;

export function Skeletons({ heights }: { readonly heights: readonly number[] }): ReactElement | null {
  const [isLate, setIsLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsLate(true), patienceMs);
    return () => clearTimeout(timer);
  }, []);
  if (!isLate) return null;
  return (
    <div className="skeletons" role="status" aria-label="Loading">
      {heights.map((height, index) => (
        // They never change places.
        <Skeleton key={index} height={height} radius="md" />
      ))}
    </div>
  );
}
