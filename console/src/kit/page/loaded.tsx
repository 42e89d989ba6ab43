/**
 * Renders the data of a query: nothing for 300 ms, then skeletons; after an error, a message and a retry button. Data from before the
 * error stays visible below the message.
 */
import { Button, Skeleton } from '@mantine/core';
import { type ReactElement, type ReactNode, useEffect, useState } from 'react';
import { useAwaySinceMs } from '../../api/away.ts';
import { ApiError } from '../../api/client.ts';
import { renderCode } from '../code.tsx';
import { sentence } from '../format/format.ts';
import { Note } from './note.tsx';

export interface LoadedProps<T> {
  /** A TanStack query, single or infinite. */
  readonly query: {
    readonly data: T | undefined;
    readonly error: Error | null;
    readonly isFetching: boolean;
    readonly refetch: () => Promise<unknown>;
  };
  /** The title of the error: `The endpoints could not be loaded.` */
  readonly what: string;
  /** Heights of the skeletons, in pixels. */
  readonly heights?: readonly number[];
  readonly children: (data: T) => ReactNode;
}

export function LoadedContent<T>({ query, what, heights = [76, 280], children }: LoadedProps<T>): ReactElement {
  const { data, error, refetch, isFetching } = query;
  const isAway = useAwaySinceMs() !== null;
  // The bar of the shell already says that the server does not respond.
  const isSaid = isAway && error instanceof ApiError && error.status === 0;
  if (data === undefined && (error === null || isSaid)) return <Skeletons heights={heights} />;
  return (
    <>
      {error === null || isSaid ? null : (
        <div className="section">
          <LoadFailure error={error} what={what} onRetry={() => void refetch()} isBusy={isFetching} />
        </div>
      )}
      {data === undefined ? null : children(data)}
    </>
  );
}

/** An error with the server's message, hint and request ID. Without `onRetry` it has no button. */
export function LoadFailure({
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
      {renderCode(sentence(error.message))} {hint === undefined ? null : renderCode(sentence(hint))}
      {requestId === undefined ? null : <span className="dim mono"> {requestId}</span>}
    </Note>
  );
}

const skeletonDelayMs = 300;

/** Placeholders, shown only if loading takes longer than 300 ms, so that fast pages do not flicker. */
export function Skeletons({ heights }: { readonly heights: readonly number[] }): ReactElement | null {
  const [isLate, setIsLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsLate(true), skeletonDelayMs);
    return () => clearTimeout(timer);
  }, []);
  if (!isLate) return null;
  return (
    <div className="skeletons" role="status" aria-label="Loading">
      {heights.map((height, index) => (
        // The order never changes, so the index is a stable key.
        <Skeleton key={index} height={height} radius="md" />
      ))}
    </div>
  );
}
