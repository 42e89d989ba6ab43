/** The state of a page lives in its URL, so that links open the same view and Back works. */
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect } from 'react';

type Search = Readonly<Record<string, string | undefined>>;

export function useSearchValues(): [Search, (changes: Search, options?: { readonly replace?: boolean }) => void] {
  const values = useSearch({ strict: false }) as unknown as Search;
  const navigate = useNavigate();
  const change = useCallback(
    (changes: Search, { replace = false }: { readonly replace?: boolean } = {}) => {
      const next = (before: Search): Search =>
        Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined && value !== ''));
      void navigate({ to: '.', search: next, replace, resetScroll: false });
    },
    [navigate],
  );
  return [values, change];
}

/** A path parameter of the page, such as the name of an endpoint. */
export function useParameter(name: string): string {
  const parameters = useParams({ strict: false }) as unknown as Readonly<Record<string, string | undefined>>;
  return parameters[name] ?? '';
}

/** One search parameter. Its default value stays out of the URL. */
export function useSearchValue(name: string, defaultValue: string): [string, (value: string) => void] {
  const [values, change] = useSearchValues();
  const set = useCallback((value: string) => change({ [name]: value === defaultValue ? undefined : value }), [change, name, defaultValue]);
  return [values[name] ?? defaultValue, set];
}

/** The tab in the URL, or the first one if that tab does not exist or the user may not see it. */
export function useTab(tabs: readonly string[]): [string, (tab: string) => void] {
  const [first = ''] = tabs;
  const [requested, set] = useSearchValue('tab', first);
  const tab = tabs.includes(requested) ? requested : first;
  useEffect(() => showTab(), [tab]);
  return [tab, set];
}

const tabMarginPx = 24;

/** On a narrow screen, tabs scroll in one row: scrolls the chosen one into view, without moving the page. */
function showTab(): void {
  const chosen = document.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]');
  const list = chosen?.closest<HTMLElement>('[role="tablist"]');
  if (chosen === null || list === null || list === undefined) return;
  const from = chosen.offsetLeft - list.offsetLeft;
  const isHidden = from < list.scrollLeft || from + chosen.offsetWidth > list.scrollLeft + list.clientWidth;
  if (isHidden) list.scrollTo({ left: from - tabMarginPx });
}
