/**
 * Live numbers for a page. Messages are written into the query cache, so live and fetched data never disagree. A hidden tab disconnects and
 * refreshes when it becomes visible again.
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
import type { EventBody, HistoryBody, LiveBody, PageBody } from '../../../src/api/index.ts';
import { reachability } from './away.ts';
import { urlOf } from './client.ts';
import { joinHistory } from './history.ts';
import { LiveConnection, type LiveState } from './live-connection.ts';
import { endpointQuery, historyQuery, overviewQuery, statusQuery } from './queries.ts';

export interface LiveQuery {
  /** The endpoint to watch. Without it, the overview. */
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

/** Wraps the application: the shell shows the state of the page's connection. */
export function LiveProvider({ children }: { readonly children: ReactNode }): ReactElement {
  const store = useMemo(makeStore, []);
  return <LiveContext.Provider value={store}>{children}</LiveContext.Provider>;
}

/** The state of the connection (null if the page has none) and its controls. */
export function useLiveState(): { readonly state: LiveState | null } & LiveStore['controls'] {
  const store = useContext(LiveContext);
  const state = useSyncExternalStore(store.subscribe, store.state);
  return { state, ...store.controls };
}

/** Opens a live connection for as long as the page is mounted. Call it once per page. */
export function useLive({ endpoint, periodS = 10, spanS = 3600 }: LiveQuery): void {
  const store = useContext(LiveContext);
  const client = useQueryClient();
  const [isPaused, setIsPaused] = useState(false);
  const connection = useRef<LiveConnection | null>(null);
  useEffect(() => {
    const made = new LiveConnection({
      open: (since) => new EventSource(urlOf('/live', { endpoint, period_s: periodS, span_s: spanS, since })),
      onNumbers: (data) => applyLive(client, JSON.parse(data) as LiveBody, { endpoint, periodS, spanS }),
      onEvent: (data) => applyEvent(client, JSON.parse(data) as EventBody),
      onState: (state) => {
        store.set(state);
        if (state.kind === 'live') reachability.responded();
        // The connection may have failed alone, such as by a proxy: a call tells whether the server responds.
        if (state.kind === 'lost') void client.fetchQuery({ ...statusQuery(), staleTime: 0, retry: false }).catch(() => undefined);
      },
      poll: () => refresh(client, { endpoint, periodS, spanS }),
      nowMs: Date.now,
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    });
    connection.current = made;
    const onVisibility = (): void => {
      if (document.hidden) made.close();
      else if (isPaused) made.pause();
      else {
        void refresh(client, { endpoint, periodS, spanS }).catch(() => undefined); // the connection reports failures itself
        made.open();
      }
    };
    if (isPaused) made.pause();
    else if (!document.hidden) made.open();
    document.addEventListener('visibilitychange', onVisibility);
    Object.assign(store.controls, {
      pause: () => setIsPaused(true),
      resume: () => {
        setIsPaused(false);
        void client.invalidateQueries({ queryKey: ['history'] });
      },
      retry: () => made.retry(),
    });
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
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

/** Writes a live message into the cache. A history that has not been fetched yet is left alone, because a message covers only a part. */
function applyLive(client: QueryClient, body: LiveBody, watched: Watched): void {
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

/** Adds an event to all cached event lists and refetches what it may have changed. */
function applyEvent(client: QueryClient, event: EventBody): void {
  client.setQueriesData<PageBody<EventBody>>({ queryKey: ['events'] }, (before) =>
    before === undefined
      ? undefined
      : { ...before, items: [event, ...before.items.filter(({ seq }) => seq !== event.seq)].slice(0, eventsMax) },
  );
  if (event.kind.startsWith('decision')) void client.invalidateQueries({ queryKey: ['decisions'] });
  if (event.kind.startsWith('alarm')) void client.invalidateQueries({ queryKey: ['alarms'] });
  if (event.kind.startsWith('version') || event.kind.startsWith('group')) void client.invalidateQueries({ queryKey: ['groups'] });
  if (event.kind.startsWith('endpoint')) void client.invalidateQueries({ queryKey: ['endpoints'] });
}

/** Fetches the data that a live message would contain. */
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
