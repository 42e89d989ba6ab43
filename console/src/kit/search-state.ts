/** What a page shows stands in its address: a link leads to the same view, and Back works. */
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

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

/** A name in the path of the page, such as that of an endpoint. */
export function useParameter(name: string): string {
  const parameters = useParams({ strict: false }) as unknown as Readonly<Record<string, string | undefined>>;
  return parameters[name] ?? '';
}

/** One of them; the one that is meant unless something is said stays out of the address. */
export function useSearchValue(name: string, usual: string): [string, (value: string) => void] {
  const [values, change] = useSearchValues();
  const set = useCallback((value: string) => change({ [name]: value === usual ? undefined : value }), [change, name, usual]);
  return [values[name] ?? usual, set];
}

/** The tab that the address names; the first one where there is no such tab, or none for whoever looks. */
export function useTab(tabs: readonly string[]): [string, (tab: string) => void] {
  const [first = ''] = tabs;
  const [tab, set] = useSearchValue('tab', first);
  return [tabs.includes(tab) ? tab : first, set];
}
