/**
 * Live numbers for a page: each message is written into the cache that its queries read, so that a page shows one thing, however it came.
 * A hidden tab listens to nothing, and catches up when it is looked at again.
 */
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import {
  createContext,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import type { EventBody, HistoryBody, LiveBody, Page } from '../../../src/api/index.ts';
import { urlOf } from './client.ts';
import { joinHistory } from './history.ts';
import { LiveConnection, type LiveState } from './live-connection.ts';
import { endpointQuery, historyQuery, overviewQuery } from './queries.ts';

export interface LiveWish {
  /** Its numbers and charts; without one those of the overview. */
  readonly endpoint?: string;
  readonly periodS?: number;
  readonly spanS?: number;
}

interface LiveStore {
  readonly subscribe: (listener: () => void) => () => void;
  readonly state: () => LiveState | null;
  readonly set: (state: LiveState | null) => void;
  readonly controls: { pause: () => void; resume: () => void; retry: () => void };
}

const none = { pause: () => undefined, resume: () => undefined, retry: () => undefined };

function makeStore(): LiveStore {
  const listeners = new Set<() => void>();
  let now: LiveState | null = null;
  return {
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    state: () => now,
    set: (state) => {
      if (state?.kind === 'live' && now?.kind === 'live') return;
      now = state;
      for (const listener of listeners) listener();
    },
    controls: { ...none },
  };
}

const LiveContext = createContext<LiveStore>(makeStore());

/** Around everything: the shell shows how the page's connection stands. */
export function LiveProvider({ children }: { readonly children: ReactNode }): ReactElement {
  const store = useMemo(makeStore, []);
  return <LiveContext.Provider value={store}>{children}</LiveContext.Provider>;
}

/** How the connection stands, null where the page has none; and what can be done with it. */
export function useLiveState(): { readonly state: LiveState | null } & LiveStore['controls'] {
  const store = useContext(LiveContext);
  const state = useSyncExternalStore(store.subscribe, store.state);
  return { state, ...store.controls };
}

/** For a page, once: opens its connection, and closes it when the page is left. */
export function useLive({ endpoint, periodS = 10, spanS = 3600 }: LiveWish): void {
  const store = useContext(LiveContext);
  const client = useQueryClient();
  const [isPaused, setIsPaused] = useState(false);
  const connection = useRef<LiveConnection | null>(null);
  useEffect(() => {
    const made = new LiveConnection({
      open: (since) => new EventSource(urlOf('/live', { endpoint, period_s: periodS, span_s: spanS, since })),
      onNumbers: (data) => take(client, JSON.parse(data) as LiveBody, { endpoint, periodS, spanS }),
      onEvent: (data) => takeEvent(client, JSON.parse(data) as EventBody),
      onState: store.set,
      poll: () => refresh(client, { endpoint, periodS, spanS }),
      nowMs: Date.now,
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    });
    connection.current = made;
    const look = (): void => {
      if (document.hidden) made.close();
      else if (isPaused) made.pause();
      else {
        void refresh(client, { endpoint, periodS, spanS }).catch(() => undefined); // the connection itself tells of what is wrong
        made.open();
      }
    };
    if (isPaused) made.pause();
    else if (!document.hidden) made.open();
    document.addEventListener('visibilitychange', look);
    Object.assign(store.controls, {
      pause: () => setIsPaused(true),
      resume: () => {
        setIsPaused(false);
        void client.invalidateQueries({ queryKey: ['history'] });
      },
      retry: () => made.retry(),
    });
    return () => {
      document.removeEventListener('visibilitychange', look);
      made.close();
      Object.assign(store.controls, none);
      store.set(null);
    };
  }, [client, store, endpoint, periodS, spanS, isPaused]);
}

type Watched = { readonly endpoint: string | undefined; readonly periodS: number; readonly spanS: number };

function liveHistoryKey({ endpoint = '', periodS, spanS }: Watched) {
  return historyQuery(endpoint, { periodS, spanS, fromMs: null, toMs: null }).queryKey;
}

function take(client: QueryClient, body: LiveBody, watched: Watched): void {
  if (body.overview !== null) client.setQueryData(overviewQuery(watched.spanS).queryKey, body.overview);
  if (body.endpoint !== null) client.setQueryData(endpointQuery(body.endpoint.name).queryKey, body.endpoint);
  const { history } = body;
  if (history === null) return;
  const fromS = Math.floor(Date.parse(history.to) / 1000) - watched.spanS;
  client.setQueryData<HistoryBody>(liveHistoryKey(watched), (before) =>
    before === undefined ? undefined : joinHistory(before, history, fromS),
  );
}

const eventsMax = 200;

function takeEvent(client: QueryClient, event: EventBody): void {
  client.setQueriesData<Page<EventBody>>({ queryKey: ['events'] }, (before) =>
    before === undefined
      ? undefined
      : { ...before, items: [event, ...before.items.filter(({ seq }) => seq !== event.seq)].slice(0, eventsMax) },
  );
  if (event.kind.startsWith('decision')) void client.invalidateQueries({ queryKey: ['decisions'] });
  if (event.kind.startsWith('alarm')) void client.invalidateQueries({ queryKey: ['alarms'] });
  if (event.kind.startsWith('version') || event.kind.startsWith('group')) void client.invalidateQueries({ queryKey: ['groups'] });
  if (event.kind.startsWith('endpoint')) void client.invalidateQueries({ queryKey: ['endpoints'] });
}

/** What a message would bring, asked for. */
async function refresh(client: QueryClient, watched: Watched): Promise<void> {
  const { endpoint } = watched;
  if (endpoint === undefined) {
    await client.fetchQuery({ ...overviewQuery(watched.spanS), staleTime: 0 });
    return;
  }
  await Promise.all([
    client.fetchQuery({ ...endpointQuery(endpoint), staleTime: 0 }),
    client.fetchQuery({ ...historyQuery(endpoint, { ...watched, fromMs: null, toMs: null }), staleTime: 0 }),
  ]);
}
